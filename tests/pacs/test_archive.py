"""Results go to a real archive, are found beside their images, and come back as they were; wrong ways end in a sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

from aneuflow.errors import InputError, ResourceError
from aneuflow.imaging import read_image
from aneuflow.pacs import Query, archive_at, fetch, search, store
from aneuflow.pipeline.export import export_dicom
from aneuflow.types import no_progress
from tests.cli.run import run
from tests.pacs.conftest import PASSWORD, USER, Orthanc, free_port
from tests.report.dicom.sample_case import PERSON, SECRET, case_of_series, original_series

pytest.importorskip("pynetdicom", reason='the extra "dicom" is not installed')


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANEUFLOW_PACS_USER", USER)
    monkeypatch.setenv("ANEUFLOW_PACS_PASSWORD", PASSWORD)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pacs")
    original_series(folder / "series")
    case = case_of_series(folder / "case", folder / "series", graded=True)
    export_dicom(case.path, folder / "results", folder / "series")
    return folder


def datasets(folder: Path) -> dict[str, pydicom.Dataset]:
    return {str(image.SOPInstanceUID): image for image in map(pydicom.dcmread, folder.rglob("*.dcm"))}


def assert_same(sent: dict[str, pydicom.Dataset], got: dict[str, pydicom.Dataset]) -> None:
    """Element by element, in whatever encoding of text and lengths the archive chose."""
    assert sent.keys() == got.keys()
    for uid, image in sent.items():
        other = got[uid]
        assert image.to_json_dict() == other.to_json_dict()


@pytest.mark.parametrize("way", ["C-GET", "C-MOVE", "DICOMweb"])
def test_what_is_sent_is_found_and_comes_back_the_same(orthanc: Orthanc, folder: Path, tmp_path: Path, way: str):
    address = orthanc.web if way == "DICOMweb" else orthanc.dimse
    archive = archive_at(address, receive_port=orthanc.receive_port if way == "C-MOVE" else None)
    images, results = datasets(folder / "series"), datasets(folder / "results")
    assert store(archive, [folder / "series"], no_progress) == len(images)
    assert store(archive, [folder / "results"], no_progress) == len(results) == 4

    [study] = search(archive, Query(patient_id=SECRET))
    assert study.uid == next(iter(images.values())).StudyInstanceUID
    assert (study.date, study.patient_name, study.images) == ("19580305", PERSON["PatientName"], len(images) + 4)
    assert set(study.modality.split("/")) == {"CT", "SEG", "SR", "DOC"}
    series = search(archive, Query(study_uid=study.uid))
    assert sorted((entry.modality, entry.images) for entry in series) == [
        ("CT", len(images)),
        ("DOC", 1),
        ("SEG", 1),
        ("SEG", 1),
        ("SR", 1),
    ]
    assert search(archive, Query(patient_id="nobody")) == []

    assert fetch(archive, study.uid, "", tmp_path / "study", no_progress) == len(images) + 4
    assert_same({**images, **results}, datasets(tmp_path / "study"))
    [computed] = [entry.uid for entry in series if entry.modality == "CT"]
    assert fetch(archive, study.uid, computed, tmp_path / "series", no_progress) == len(images)
    assert_same(images, datasets(tmp_path / "series"))
    before, after = read_image(folder / "series"), read_image(tmp_path / "study")
    np.testing.assert_array_equal(after.values, before.values)
    np.testing.assert_allclose(after.affine, before.affine, atol=1e-9)


def test_commands_say_nothing_of_the_patient_unless_asked(orthanc, folder, tmp_path, capsys, caplog):
    for address in (orthanc.dimse, orthanc.web):
        code, out, err = run(capsys, "pacs", "send", address, str(folder / "results"), str(folder / "series"))
        assert code == 0, err
        said = out + err
        code, out, err = run(capsys, "pacs", "find", address, "--patient", SECRET)
        assert code == 0 and out.count("\n") == 1
        uid = out.split("\t")[0]
        said += out + err
        code, out, err = run(capsys, "pacs", "get", address, uid, "-o", str(tmp_path / address[:4]))
        assert code == 0 and "images in" in out
        said += out + err
        assert SECRET not in said + caplog.text and "Живаго" not in said + caplog.text
        assert SECRET in run(capsys, "pacs", "find", address, "--patient", SECRET, "--show-patient")[1]


def test_wrong_password_unknown_study_and_dead_archive(orthanc, tmp_path, monkeypatch):
    with pytest.raises(ResourceError, match=r"sent no image|could not send the images"):
        fetch(archive_at(orthanc.dimse), "1.2.3", "", tmp_path / "none", no_progress)
    with pytest.raises(ResourceError, match=r"sent no image|no such thing"):
        fetch(archive_at(orthanc.web), "1.2.3", "", tmp_path / "none", no_progress)
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("ANEUFLOW_PACS_PASSWORD", "wrong")
    with pytest.raises(ResourceError, match=r"answered 401.*user and password"):
        search(archive_at(orthanc.web), Query(patient_id=SECRET))
    with pytest.raises(ResourceError, match=r"no DICOMweb|answered 404|cannot be reached"):
        monkeypatch.setenv("ANEUFLOW_PACS_PASSWORD", PASSWORD)
        search(archive_at(orthanc.web.replace("dicom-web", "elsewhere")), Query(patient_id=SECRET))
    for dead in (f"ORTHANC@127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}/dicom-web"):
        with pytest.raises(ResourceError, match=r"cannot be reached") as caught:
            search(archive_at(dead), Query(patient_id=SECRET))
        assert SECRET not in str(caught.value)


def test_an_archive_that_does_not_know_this_program(orthanc, tmp_path):
    with pytest.raises(ResourceError, match=r"refused this program|could not find|broke off"):
        search(archive_at(orthanc.dimse, title="STRANGER"), Query(patient_id=SECRET))


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("localhost:104", "neither TITLE@HOST:PORT nor http"),
        ("A@host:99999", "neither TITLE@HOST:PORT nor http"),
        ("ftp://host", "neither TITLE@HOST:PORT nor http"),
        ("http://doctor:secret@host/dicom-web", "Give no password in the address"),
        ("http://archive.hospital/dicom-web", "unencrypted"),
        ("http://", "names no host"),
        ("https://[::1", "names no host"),
        ("https://doctor:secret@host:99999/", "names no host"),
    ],
)
def test_wrong_addresses(address, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        archive_at(address)
    assert "secret" not in str(caught.value)


def test_wrong_title_and_unknown_host():
    with pytest.raises(InputError, match="no DIMSE title"):
        archive_at("ORTHANC@127.0.0.1:1", title="MUCH TOO LONG FOR A TITLE")
    with pytest.raises(ResourceError, match="cannot be reached"):
        search(archive_at("ORTHANC@no-such-host.invalid:104"), Query(patient_id="1"))


@pytest.mark.parametrize(("module", "address"), [("pynetdicom", "A@host:104"), ("dicomweb_client.api", "https://host/dicom")])
def test_without_the_extra_the_sentence_says_what_to_install(module, address, monkeypatch):
    for name in ("aneuflow.pacs.dimse", "aneuflow.pacs.dicomweb"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ResourceError, match=r'pip install "aneuflow\[dicom\]"'):
        archive_at(address)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (Query(modality="CT"), "names no patient"),
        (Query(patient_id="*", accession="??"), "names no patient"),
        (Query(date="yesterday"), "not YYYYMMDD"),
        (Query(study_uid="1.2/../3"), "no UID"),
    ],
)
def test_wrong_queries(query, sentence):
    with pytest.raises(InputError, match=sentence):
        search(archive_at("ORTHANC@127.0.0.1:1"), query)


def test_only_dicom_files_are_sent(tmp_path):
    archive = archive_at("ORTHANC@127.0.0.1:1")
    with pytest.raises(InputError, match="does not exist"):
        store(archive, [tmp_path / "none"], no_progress)
    with pytest.raises(InputError, match="no files to send"):
        store(archive, [tmp_path], no_progress)
    (tmp_path / "letter.txt").write_text("Dear colleague")
    with pytest.raises(InputError, match=r"letter\.txt is no DICOM file"):
        store(archive, [tmp_path], no_progress)
    (tmp_path / "letter.txt").write_bytes(bytes(128) + b"DICM" + b"not at all")
    with pytest.raises(InputError, match=r"letter\.txt is no DICOM file"):
        store(archive, [tmp_path], no_progress)


class Endless:
    """An archive that never stops sending."""

    def get(self, study_uid, series_uid, keep):
        while True:
            keep(bytes(10))


def test_an_archive_that_sends_without_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("aneuflow.pacs.archive.MAX_IMAGES", 20)
    with pytest.raises(ResourceError, match="over 20 images"):
        fetch(Endless(), "1.2", "", tmp_path / "out", no_progress)
    monkeypatch.setattr("aneuflow.pacs.archive.SPARE_BYTES", 2**60)
    with pytest.raises(ResourceError, match="nearly full"):
        fetch(Endless(), "1.2", "", tmp_path / "out", no_progress)
    assert list(tmp_path.iterdir()) == []
