"""A project's cases by DICOMweb: an outside client finds, gets and posts studies, and sees what its user may see."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import requests
from sqlalchemy import select

from aneuflow.service import jobs
from aneuflow.service.accounts import add_token, add_user
from aneuflow.service.api import dicomweb as api
from aneuflow.service.child import CASE, DICOM
from aneuflow.service.dicom_copy import write_images, write_results
from aneuflow.service.models import AuditEntry, Case, Membership, Project, Upload
from aneuflow.service.publish import Finding, publish
from aneuflow.service.system import System
from tests.imaging.dicom_series import slice_writer
from tests.pacs.conftest import PASSWORD, USER, Orthanc, orthanc  # noqa: F401 - a fixture
from tests.report.dicom.sample_case import PERSON, case_of_series, original_series
from tests.service.made_cases import ON_BOTH, Made, add_case, case_of, identify, wait_until, work, write_case
from tests.service.running import Person, Server

web = pytest.importorskip("dicomweb_client.api", reason='the extra "dicom" is not installed')
STAGES = ("import", "model", "measure", "boundary", "simulate", "grade", "report")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a job that has read and assessed a series of a patient."""
    folder = tmp_path_factory.mktemp("made")
    original_series(folder / "series")
    case_of_series(folder / CASE, folder / "series", graded=True)
    write_images(folder / CASE, folder)
    images = {file.name: file.read_bytes() for file in (folder / DICOM / "images").iterdir()}
    write_results(folder / CASE, folder)
    # The same image gives the same objects, so that the store keeps them once.
    assert images == {file.name: file.read_bytes() for file in (folder / DICOM / "images").iterdir()}
    return folder


@pytest.fixture
def case_id(system: System, made: Path) -> str:
    case_id = add_case(system)
    publish(system, case_id, Finding(made, STAGES))
    return case_id


def _token(system: System, name: str, role: str, project_id: str) -> str:
    with system.database.writing() as session:
        user = add_user(session, name, "a quiet river at dusk", must_change=False)
        session.add(Membership(project_id=project_id, user_id=user.id, role=role))
        return add_token(session, user.id, "viewer", 1.0)[1]


def _base(address: str, project_id: str) -> str:
    return f"{address}/api/projects/{project_id}/dicomweb"


def _client(base: str, token: str) -> Any:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    return web.DICOMwebClient(base, session=session)


@pytest.fixture
def client(system: System, address: str, case_id: str) -> Any:
    project_id = case_of(system, case_id).project_id
    return _client(_base(address, project_id), _token(system, "viewer.1", "reader", project_id))


def _files(folder: Path) -> dict[str, pydicom.Dataset]:
    found = (pydicom.dcmread(file) for file in (folder / DICOM).rglob("*.dcm"))
    return {str(dataset.SOPInstanceUID): dataset for dataset in found}


@ON_BOTH
def test_a_study_is_found_by_what_the_standard_names(client: Any, made: Path) -> None:
    kept = _files(made)
    (study,) = client.search_for_studies()
    known = next(iter(kept.values()))
    found = pydicom.Dataset.from_json(study)
    assert (found.StudyInstanceUID, found.PatientID) == (known.StudyInstanceUID, known.PatientID)
    assert found.PatientID.startswith("ANF-") and found.NumberOfStudyRelatedInstances == len(kept)
    series_uids = {dataset.SeriesInstanceUID for dataset in kept.values()}
    assert found.NumberOfStudyRelatedSeries == len(series_uids)
    assert set(found.ModalitiesInStudy) == {dataset.Modality for dataset in kept.values()} >= {"CT", "SEG", "SR", "DOC"}
    for asked, count in (
        ({"PatientID": known.PatientID}, 1), ({"00100020": "ANF*"}, 1), ({"PatientID": "ANF_*"}, 0), ({"PatientID": "4711"}, 0),
        ({"StudyInstanceUID": f"1.2.3,{known.StudyInstanceUID}"}, 1), ({"ModalitiesInStudy": "SEG"}, 1),
        ({"ModalitiesInStudy": "XA"}, 0), ({"PatientID": ""}, 1),
    ):  # fmt: skip
        assert len(client.search_for_studies(search_filters=asked)) == count, asked
    assert client.search_for_studies(offset=1) == []
    series = client.search_for_series(known.StudyInstanceUID)
    assert {one["0020000E"]["Value"][0] for one in series} == series_uids
    (images,) = client.search_for_series(search_filters={"Modality": "CT"})
    assert images["00201209"]["Value"] == [sum(dataset.Modality == "CT" for dataset in kept.values())]
    of_images = client.search_for_instances(known.StudyInstanceUID, images["0020000E"]["Value"][0], limit=3)
    assert len(of_images) == 3 and all(one["00080018"]["Value"][0] in kept for one in of_images)
    for asked, why in (({"PatientName": "Doe"}, "cannot be searched by PatientName"), ({"PatientID": "\0"}, "characters")):
        with pytest.raises(requests.HTTPError) as refused:
            client.search_for_studies(search_filters=asked)
        assert refused.value.response.status_code == 422 and why in refused.value.response.text


def test_what_is_retrieved_is_what_is_kept(client: Any, made: Path) -> None:
    kept = _files(made)
    study = str(next(iter(kept.values())).StudyInstanceUID)
    got = {str(dataset.SOPInstanceUID): dataset for dataset in client.retrieve_study(study)}
    assert got == kept
    seg = next(dataset for dataset in kept.values() if dataset.Modality == "SEG" and "PixelData" in dataset)
    place = (study, str(seg.SeriesInstanceUID), str(seg.SOPInstanceUID))
    assert client.retrieve_series(*place[:2]) == [seg] and client.retrieve_instance(*place) == seg
    single = client._session.get(_address(client, place), headers={"accept": "application/dicom"})
    assert pydicom.dcmread(io.BytesIO(single.content)) == seg and single.headers["content-type"] == "application/dicom"
    metadata = client.retrieve_study_metadata(study)
    assert len(metadata) == len(kept)
    described = pydicom.Dataset.from_json(client.retrieve_instance_metadata(*place))
    assert "PixelData" not in described and len(described.SegmentSequence) == 2
    for element in described:
        assert element == seg[element.tag], element
    for header in ("image/jpeg", 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90'):
        assert client._session.get(_address(client, place), headers={"accept": header}).status_code == 406
    assert client._session.get(_address(client, (*place[:2], "1.2.3"))).status_code == 404


def _address(client: Any, place: tuple[str, ...]) -> str:
    study, series, instance = place
    return f"{client.base_url}/studies/{study}/series/{series}/instances/{instance}"


def test_nothing_tells_whose_images_they_are(client: Any, system: System, case_id: str) -> None:
    study = client.search_for_studies()[0]["0020000D"]["Value"][0]
    told = str(client.retrieve_study_metadata(study)) + str(client.search_for_series(study))
    for instance in client.retrieve_study(study):
        buffer = io.BytesIO()
        instance.save_as(buffer, enforce_file_format=True)
        told += buffer.getvalue().decode("utf-8", "replace")
    assert "ANF-" in told and not any(
        PERSON[name] in told for name in ("PatientName", "PatientID", "PatientBirthDate", "StudyDate")
    )
    with system.database.reading() as session:
        deeds = session.scalars(select(AuditEntry).where(AuditEntry.action == "retrieve_study")).all()
    assert [(deed.user, deed.case_id, deed.status) for deed in deeds] == [("viewer.1", case_id, 200)]


def test_another_projects_studies_are_not_there(system: System, address: str, case_id: str, client: Any) -> None:
    study = client.search_for_studies()[0]["0020000D"]["Value"][0]
    other = case_of(system, add_case(system, "Study 2")).project_id
    stranger = _client(_base(address, other), _token(system, "stranger", "administrator", other))
    assert stranger.search_for_studies() == [] and stranger.search_for_series() == []
    assert requests.get(f"{client.base_url}/studies", timeout=10).status_code == 401
    for path in (f"{client.base_url}/studies", f"{stranger.base_url}/studies/{study}", f"{client.base_url}/studies/{study}"):
        assert stranger._session.get(path).status_code == 404
    with system.database.writing() as session:
        session.get_one(Case, case_id).deleted = 1.0
    assert client.search_for_studies() == [] and client._session.get(f"{client.base_url}/studies/{study}").status_code == 404


def test_the_same_image_read_twice_is_one_study(system: System, client: Any, case_id: str, made: Path) -> None:
    with system.database.writing() as session:
        again = Case(project_id=case_of(system, case_id).project_id, label="Again", created_by="editor")
        session.add(again)
    publish(system, again.id, Finding(made, STAGES))
    (study,) = client.search_for_studies()
    assert study["00201208"]["Value"] == [len(_files(made))] == [len(client.retrieve_study(study["0020000D"]["Value"][0]))]


def test_before_a_judgement_no_object_tells_the_grade(system: System, client: Any, case_id: str) -> None:
    study = client.search_for_studies()[0]["0020000D"]["Value"][0]
    shown = {str(dataset.SOPClassUID.name) for dataset in client.retrieve_study(study)}
    assert "Encapsulated PDF Storage" in shown
    with system.database.writing() as session:
        session.get_one(Project, case_of(system, case_id).project_id).judgement_first = True
    before = client.retrieve_study(study)
    kinds = {dataset.SOPClassUID.name for dataset in before}
    assert kinds == shown - {"Encapsulated PDF Storage", "Surface Segmentation Storage"}
    assert "DOC" not in client.search_for_studies()[0]["00080061"]["Value"]
    given = {"risk": "high", "confidence": 4}
    answer = client._session.post(f"{client.base_url.split('/projects')[0]}/cases/{case_id}/judgements", json=given)
    assert answer.status_code == 201 and answer.json()["is_blind"] is False, "the PDF was retrieved before the project asked"
    assert {dataset.SOPClassUID.name for dataset in client.retrieve_study(study)} == shown


def test_a_case_without_dicom_is_no_study(system: System, case_id: str, client: Any, tmp_path: Path) -> None:
    write_case(tmp_path, {"model/caps.json": "{}"})
    publish(system, case_id, Finding(tmp_path, {"model"}))
    assert client.search_for_studies() == []


@pytest.fixture
def editor(system: System, address: str, case_id: str) -> Any:
    project_id = case_of(system, case_id).project_id
    return _client(_base(address, project_id), _token(system, "editor.1", "editor", project_id))


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> list[pydicom.Dataset]:
    write = slice_writer(tmp_path_factory.mktemp("slices") / "series")
    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 900, (160, 160)).astype(np.int16) for _ in range(24)]
    header = {"PatientName": "Doe^Jane", "PatientID": "4711", "StudyInstanceUID": "1.2.826.0.1.99.8"}
    files = [write(f"{k}.dcm", k, [0, 0, 0.5 * k], pixels[k], **header) for k in range(24)]
    return [pydicom.dcmread(file) for file in files]


def _encoded(dataset: pydicom.Dataset) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset)
    return buffer.getvalue()


def test_a_posted_study_becomes_an_upload_like_any(system: System, editor: Any, slices: list[pydicom.Dataset]) -> None:
    """Its over 1 MB come in chunks of no stated size, cut anywhere."""
    answer = editor.store_instances(slices)
    assert {item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence} == {one.SOPInstanceUID for one in slices}
    assert {item.WarningReason for item in answer.ReferencedSOPSequence} == {0xB000} and "FailedSOPSequence" not in answer
    with system.database.reading() as session:
        upload = session.scalars(select(Upload)).one()
    sent = [_encoded(one) for one in slices]
    assert upload.files == [[len(content), ".dcm"] for content in sent]
    assert (system.settings.incoming / upload.id).read_bytes() == b"".join(sent)
    assert "Doe" not in case_of(system, upload.case_id).label
    work(system, Made(identify, ("import",)), jobs.INTAKE)
    assert case_of(system, upload.case_id).state == "queued" and list(system.settings.incoming.iterdir()) == []


def _post(editor: Any, body: bytes, kind: str = 'multipart/related; type="application/dicom"; boundary=XX') -> Any:
    return editor._session.post(f"{editor.base_url}/studies", data=body, headers={"content-type": kind})


def _part(content: bytes) -> bytes:
    return b"--XX\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n"


def test_of_a_message_what_is_no_dicom_file_is_left_out_and_named(
    system: System, editor: Any, slices: list[pydicom.Dataset]
) -> None:
    first, second = _encoded(slices[0]), _encoded(slices[1])
    lying = bytes(128) + b"DICM" + b"\xff" * 400
    answer = _post(editor, b"".join(map(_part, (first, b"no DICOM", lying, second))) + b"--XX--\r\n")
    assert answer.status_code == 202 and answer.headers["content-type"] == "application/dicom+json"
    assert len(answer.json()["00081199"]["Value"]) == len(answer.json()["00081198"]["Value"]) == 2
    case = answer.headers["location"].rpartition("/")[2]
    with system.database.reading() as session:
        upload = session.scalars(select(Upload).where(Upload.case_id == case)).one()
    assert (system.settings.incoming / upload.id).read_bytes() == first + second


def test_what_cannot_be_taken_is_refused_and_leaves_nothing(
    system: System, editor: Any, client: Any, slices: list[pydicom.Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _part(_encoded(slices[0])) + b"--XX--\r\n"
    assert _post(client, whole).status_code == 403
    for body, kind, status in (
        (whole, "application/dicom", 415), (whole, 'multipart/related; type="application/dicom+json"; boundary=XX', 415),
        (whole, 'multipart/related; type="application/dicom"', 415), (whole[:-20], None, 400), (b"nothing", None, 400),
        (_part(b"no DICOM") + b"--XX--\r\n", None, 400),
    ):  # fmt: skip
        answer = _post(editor, body, kind) if kind else _post(editor, body)
        assert answer.status_code == status and answer.json()["detail"].endswith("."), answer.text
    monkeypatch.setattr(api, "_GIB", 10)
    assert _post(editor, whole).status_code == 413
    chunked = (whole[start : start + 500] for start in range(0, len(whole), 500))
    assert _post(editor, chunked).status_code == 413  # type: ignore[arg-type]
    assert list(system.settings.incoming.iterdir()) == []
    with system.database.reading() as session:
        assert session.scalars(select(Upload)).all() == []


@pytest.mark.slow
def test_an_archive_takes_a_study_and_posts_one(
    orthanc: Orthanc,  # noqa: F811
    system: System,
    editor: Any,
    made: Path,
    slices: list[pydicom.Dataset],
) -> None:
    """Debian's Orthanc as another outside client, in both directions."""
    archive, kept = requests.Session(), _files(made)
    archive.auth = (USER, PASSWORD)
    server = f"{orthanc.web}/servers/aneuflow"
    headers = {"Authorization": editor._session.headers["Authorization"]}
    archive.put(server, json={"Url": editor.base_url, "HttpHeaders": headers}).raise_for_status()
    study = str(next(iter(kept.values())).StudyInstanceUID)
    found = archive.post(f"{server}/qido", json={"Uri": "/studies", "Arguments": {"PatientID": "ANF-*"}}).json()
    assert [one["0020000D"]["Value"] for one in found] == [study], found
    given = {"Resources": [{"Study": study}], "Synchronous": True}
    archive.post(f"{server}/retrieve", json=given).raise_for_status()
    root = orthanc.web.removesuffix("/dicom-web")
    taken = {uid: archive.get(f"{root}/instances/{uid}/file").content for uid in archive.get(f"{root}/instances").json()}
    assert {dataset.SOPInstanceUID: dataset for dataset in map(_decoded, taken.values())} == kept
    few = slices[:10]
    for one in few:
        archive.post(f"{root}/instances", data=_encoded(one)).raise_for_status()
    studies = [archive.get(f"{root}/studies/{uid}").json() for uid in archive.get(f"{root}/studies").json()]
    (sent,) = [one["ID"] for one in studies if one["MainDicomTags"]["StudyInstanceUID"] != study]
    archive.post(f"{server}/stow", json={"Resources": [sent], "Synchronous": True}).raise_for_status()
    with system.database.reading() as session:
        upload = session.scalars(select(Upload)).one()
    assert len(upload.files) == len(few) and case_of(system, upload.case_id).state == "reading"


def _decoded(content: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(content))


def test_a_study_goes_in_and_its_image_comes_out(server: Server, administrator: Person, slices: list[pydicom.Dataset]) -> None:
    project = administrator("GET", "/api/projects")[0]["id"]
    token = administrator("POST", "/api/tokens", json={"name": "viewer"})["secret"]
    client = _client(_base(server.address, project), token)
    before = {case["id"] for case in administrator("GET", "/api/cases")["cases"]}
    client.store_instances(slices)
    (case,) = {case["id"] for case in administrator("GET", "/api/cases")["cases"]} - before
    wait_until(lambda: "view" in str(administrator("GET", f"/api/cases/{case}")["files"]), 120)
    assert administrator("GET", f"/api/cases/{case}/identity")["PatientName"] == "Doe^Jane"
    studies = client.search_for_studies(search_filters={"ModalitiesInStudy": "CT"})
    (study,) = [one["0020000D"]["Value"][0] for one in studies if one["00201208"]["Value"] == [len(slices)]]
    got, sent = client.retrieve_study(study), {one.ImagePositionPatient[2]: one for one in slices}
    assert len(got) == len(slices) and not any("Doe" in str(one.PatientName) for one in got)
    for one in got:
        origin = sent[one.ImagePositionPatient[2]]
        assert np.array_equal(one.pixel_array, origin.pixel_array * origin.RescaleSlope + origin.RescaleIntercept)
    assert not any("dicom/images" in file["path"] for file in administrator("GET", f"/api/cases/{case}")["files"])
    administrator("DELETE", f"/api/cases/{case}/jobs")
