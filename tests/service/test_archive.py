"""Examinations ordered from a hospital's archive become cases like uploads, and who they are of is kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from aneuflow.errors import ResourceError
from aneuflow.pacs import Found, Query, archive_at, store
from aneuflow.service import jobs, retrieval
from aneuflow.service.accounts import add_user
from aneuflow.service.models import AuditEntry, Case, Membership, Upload
from aneuflow.service.settings import ServiceSettings
from aneuflow.service.system import System, open_system
from tests.cli.run import run
from tests.imaging.dicom_series import slice_writer
from tests.pacs.conftest import Orthanc, orthanc  # noqa: F401 - a fixture
from tests.service.browser import browsing, needs_browser
from tests.service.made_cases import Made, add_case, case_of, identify, taking, wait_until, work
from tests.service.running import OWN_PASSWORD, Person, serving

NAME, NUMBER, STUDY, SERIES = "Doe^Jane", "PAT-4711", "1.2.826.0.1.99.7", "1.2.826.0.1.99.7.1"


class _Archive:
    """Has one study of three images; gives them one after the other, or fails."""

    def __init__(self, error: Exception | None = None, endless: bool = False) -> None:
        self.error, self.endless, self.asked = error, endless, list[Any]()

    def find(self, query: Query) -> list[Found]:
        self.asked.append(query)
        return [Found(SERIES if query.study_uid else STUDY, "20260102", "CT", "Angiography", 3, NUMBER, NAME)]

    def get(self, study_uid: str, series_uid: str, keep: Any) -> None:
        self.asked.append((study_uid, series_uid))
        if self.error is not None:
            raise self.error
        keep(b"image 1")
        while self.endless:
            keep(b"and another")
        keep(b"image 2")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    system = open_system(ServiceSettings(data=tmp_path / "data", pacs="PACS@archive.invalid:104"))
    yield system
    system.database.engine.dispose()


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> _Archive:
    made = _Archive()
    monkeypatch.setattr(retrieval, "archive_at", lambda *_: made)
    return made


@pytest.fixture
def editor(system: System, address: str) -> Iterator[Person]:
    case_id = add_case(system)
    with system.database.writing() as session:
        user = add_user(session, "editor.1", OWN_PASSWORD, must_change=False)
        session.add(Membership(project_id=case_of(system, case_id).project_id, user_id=user.id, role="editor"))
    person = Person(address, "editor.1", OWN_PASSWORD)
    yield person
    person.http.close()


def _path(person: Person, name: str) -> str:
    return f"/api/projects/{person('GET', '/api/projects')[0]['id']}/archive/{name}"


def _order(person: Person, **more: Any) -> str:
    given = {"label": "Ordered 1", "study_uid": STUDY, "series_uid": SERIES, "settings": {"simulate": {"steady": True}}, **more}
    case_id: str = person("POST", _path(person, "cases"), json=given)["id"]
    return case_id


def _files_with(data: Path, *words: str) -> list[Path]:
    kept = [file for file in data.rglob("*") if file.is_file()]
    return [file for file in kept if any(word.encode() in file.read_bytes() for word in words)]


def test_who_is_found_is_shown_and_not_written_down(system: System, editor: Person, archive: _Archive) -> None:
    assert editor("GET", "/api/archive") == {"configured": True}
    (study,) = editor("POST", _path(editor, "search"), json={"patient_id": NUMBER, "modality": "CT"})
    assert study["patient_name"] == NAME and study["uid"] == STUDY
    (series,) = editor("POST", _path(editor, "search"), json={"study_uid": STUDY})
    assert series["uid"] == SERIES
    assert archive.asked == [Query(patient_id=NUMBER, modality="CT"), Query(study_uid=STUDY)]
    for wrong in ({}, {"date": "yesterday"}, {"study_uid": "1.2; drop"}, {"patient_id": "*"}):
        assert editor.status("POST", _path(editor, "search"), json=wrong) == 422
    with system.database.reading() as session:
        deeds = session.scalars(select(AuditEntry).where(AuditEntry.action == "search_archive")).all()
    assert len(deeds) == 6 and {deed.detail for deed in deeds} == {""}
    assert _files_with(system.settings.data, NAME, NUMBER, STUDY) == []


def test_what_is_ordered_is_got_and_read_like_an_upload(system: System, editor: Person, archive: _Archive) -> None:
    case_id = _order(editor)
    (order,) = _files_with(system.settings.data, STUDY)
    assert order.parent == system.settings.incoming and order.stat().st_mode & 0o077 == 0
    got: list[bytes] = []

    def read(folder: Path) -> None:
        got.extend(file.read_bytes() for file in sorted((folder / "archived").iterdir()))
        identify(folder)

    work(system, Made(read, ("import",)), jobs.INTAKE)
    assert got == [b"image 1", b"image 2"] and archive.asked == [(STUDY, SERIES)]
    assert case_of(system, case_id).state == "queued", "to be assessed"
    assert system.pseudonyms.open(case_id) == {"PatientName": NAME}
    assert _files_with(system.settings.data, NAME, STUDY) == [] and list(system.settings.incoming.iterdir()) == []


def test_a_script_finds_and_orders_as_the_terminal_does(
    system: System,
    editor: Person,
    archive: _Archive,
    address: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANEUFLOW_TOKEN", editor("POST", "/api/tokens", json={"name": "script"})["secret"])
    code, out, err = run(capsys, "client", "archive", "--patient", NUMBER, "--server", address)
    assert (code, out.split("\t")[0], NAME in out) == (0, STUDY, False) and "1 studies found" in err
    code, out, _ = run(capsys, "client", "archive", "--study", STUDY, "--show-patient", "--server", address)
    assert out.split("\t")[0] == SERIES and out.strip().endswith(f"{NUMBER}\t{NAME}")
    code, _, err = run(capsys, "client", "archive", "--server", address)
    assert code == 2 and "names no patient" in err
    ordered = ("client", "order", STUDY, "--series", SERIES, "--label", "Ordered 2", "--priority", "urgent", "--steady")
    code, case_id, _ = run(capsys, *ordered, "--server", address)
    case = case_of(system, case_id.strip())
    assert (code, case.label, case.priority) == (0, "Ordered 2", 1)
    with system.database.reading() as session:
        assert session.scalars(select(Upload)).one().settings == {"simulate": {"steady": True}}
    work(system, Made(identify, ("import",)), jobs.INTAKE)
    assert archive.asked[-1] == (STUDY, SERIES)
    code, _, err = run(capsys, "client", "order", "no uid", "--label", "x", "--server", address)
    assert code == 2 and "study_uid" in err


def test_getting_ends_when_the_case_is_canceled(system: System, editor: Person, archive: _Archive) -> None:
    archive.endless = True
    case_id = _order(editor)
    with taking(system, Made(), jobs.INTAKE):
        wait_until(lambda: bool(archive.asked))
        assert editor("DELETE", f"/api/cases/{case_id}/jobs")["canceled"]
    assert case_of(system, case_id).state == "canceled"
    assert list(system.settings.incoming.iterdir()) == [] and list(system.settings.work.iterdir()) == []


def test_an_archive_that_does_not_answer_is_said_to(system: System, editor: Person, archive: _Archive) -> None:
    archive.error = ResourceError("Archive PACS cannot be reached; check titles, host and port.")
    case_id = _order(editor, series_uid=None)
    work(system, Made(), jobs.INTAKE)
    case = case_of(system, case_id)
    assert case.state == "failed" and "cannot be reached" in case.reason and archive.asked == [(STUDY, "")]
    assert list(system.settings.incoming.iterdir()) == []


def test_without_an_archive_there_is_none(tmp_path: Path, system: System, editor: Person) -> None:
    object.__setattr__(system, "settings", ServiceSettings(data=system.settings.data))
    assert editor("GET", "/api/archive") == {"configured": False}
    for name, given in (("search", {"patient_id": NUMBER}), ("cases", {"label": "x", "study_uid": STUDY})):
        refused = editor.http.post(_path(editor, name), json=given)
        assert refused.status_code == 409 and "No archive is configured" in refused.json()["detail"]
    with system.database.reading() as session:
        assert session.scalars(select(Upload)).all() == [] and len(session.scalars(select(Case)).all()) == 1


@needs_browser
@pytest.mark.slow
def test_from_the_archive_to_a_case_in_the_browser(orthanc: Orthanc, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "scanner").mkdir()
    write = slice_writer(tmp_path / "scanner")
    pixels = [np.full((32, 32), 40 * k, np.int16) for k in range(24)]
    header = {"PatientName": NAME, "PatientID": NUMBER, "StudyDate": "20260102", "StudyInstanceUID": STUDY}
    for k in range(24):
        write(f"{k}.dcm", k, [0, 0, 0.5 * k], pixels[k], **header)
    assert store(archive_at(orthanc.dimse), [tmp_path / "scanner"], lambda fraction, message: None) == 24
    with serving(tmp_path / "data", pacs=orthanc.dimse) as server:
        person = server.administrator()
        with browsing(server.address, 60) as page:
            page.fill("input[name=name]", "administrator")
            page.fill("input[name=password]", OWN_PASSWORD)
            page.press("input[name=password]", "Enter")
            page.click("button[name=archive]")
            page.fill("input[name=archive_patient]", NUMBER)
            page.press("input[name=archive_patient]", "Enter")
            page.locator("dialog tbody tr", has_text="Doe Jane").get_by_role("button", name="Series").click()
            page.locator("dialog tbody tr", has_text="24").get_by_role("button", name="Take").click()
            page.fill("dialog input[name=label]", "Ordered 1")
            page.locator("dialog button[type=submit]").click()
            page.get_by_role("link", name="Ordered 1").click()
            page.get_by_role("heading", name="Ordered 1").wait_for()
        (case,) = person("GET", "/api/cases")["cases"]
        read = person.wait(case["id"], ("read", "queued", "running", "done", "failed", "canceled"))
        assert "views/image.nii.gz" in [file["path"] for file in read["files"]], read["reason"]
        assert person("GET", f"/api/cases/{case['id']}/identity")["PatientName"] == NAME
        person.wait(case["id"])
    assert _files_with(tmp_path / "data", NAME, NUMBER, STUDY) == []
    assert not any(word in server.log.read_text() for word in (NAME, "Doe Jane", NUMBER))
