"""Where a project asks for it, nothing of a grade is shown to who has not judged, and judgements are kept for good."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from aneuflow.report.text import catalogue
from aneuflow.service import accounts
from aneuflow.service.accounts import add_token, add_user
from aneuflow.service.client import Client
from aneuflow.service.judgement import cleared, is_shown_before
from aneuflow.service.models import AuditEntry, Case, Judgement, Membership, User
from aneuflow.service.publish import Finding, publish
from aneuflow.service.retention import purge_deleted
from aneuflow.service.system import System
from tests.cli.run import run
from tests.service.made_cases import add_case, case_of, write_case
from tests.service.running import OWN_PASSWORD, Person

GRADE = {"grade": {"grade": "moderate"}}
SCENE = {
    "points": "…",
    "fields": [{"name": name} for name in ("TAWSS", "pressure", "region", "low_shear_region")],
    "spots": [{"field": "low_shear_region"}],
}
NOTES = [["warning", "Low contrast.", "import"], ["information", "Every grade is possible.", "grade"], ["warning", "Untold."]]
OWN = {"risk": "high", "confidence": 4, "sentence": "=Irregular, with a bleb"}
STAGES = {
    "model/model.txt": "model",
    "morphology/morphology.json": '{"quantities": []}',
    "flow/flow.txt": "flow",
    "risk/risk.json": json.dumps(GRADE),
    "report/report.html": "the report",
}


def _packed(view: dict[str, Any]) -> bytes:
    return gzip.compress(json.dumps(view).encode())


@pytest.fixture
def case_id(system: System, tmp_path: Path) -> str:
    """A graded case with its views."""
    made = add_case(system)
    write_case(tmp_path, STAGES)
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "scene.en.json.gz").write_bytes(_packed(SCENE))
    (tmp_path / "views" / "summary.en.json.gz").write_bytes(_packed({"headline": ["A sac."], "notes": NOTES}))
    publish(system, made, Finding(tmp_path, [path.partition("/")[0] for path in STAGES]))
    return made


@pytest.fixture
def people(system: System, address: str, case_id: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Person]]:
    """One signed-in person a role in the case's project, which asks for judgements first."""
    # What is tested here is not the passwords.
    monkeypatch.setattr(accounts, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    project_id, people = case_of(system, case_id).project_id, {}
    for role in ("reader", "editor", "administrator", "auditor"):
        with system.database.writing() as session:
            user = add_user(session, f"{role}.1", OWN_PASSWORD, must_change=False)
            session.add(Membership(project_id=project_id, user_id=user.id, role=role))
        people[role] = Person(address, f"{role}.1", OWN_PASSWORD)
    assert people["reader"]("GET", f"/api/cases/{case_id}/risk") == GRADE
    people["editor"]("PUT", f"/api/projects/{project_id}/judgement-first", json={"asked": True})
    yield people
    for person in people.values():
        person.http.close()


def test_nothing_of_a_grade_is_shown_before(system: System, people: dict[str, Person], case_id: str) -> None:
    for role in ("reader", "editor", "administrator"):
        person = people[role]
        seen = person("GET", f"/api/cases/{case_id}")
        assert seen["judgement"] == "asked" and seen["grade"] == ""
        paths = {file["path"] for file in seen["files"]}
        assert paths == {"model/model.txt", "morphology/morphology.json", "flow/flow.txt"} | {
            f"views/{name}.en.json.gz" for name in ("scene", "summary")
        }
        listed = person("GET", "/api/cases")["cases"][0]
        assert listed["judgement"] == "asked" and listed["grade"] == ""
        for path in ("risk", "grade", "files/risk/risk.json", "files/report/report.html", "files/none"):
            refused = person.http.get(f"/api/cases/{case_id}/{path}")
            assert refused.status_code == 403, path
            assert refused.json()["code"] == "judgement_first" and "judgement of your own" in refused.json()["detail"]
        for path in paths:
            answer = person.http.get(f"/api/cases/{case_id}/files/{path}")
            assert answer.status_code == 200 and "moderate" not in answer.text and "low_shear_region" not in answer.text
    changed = people["editor"]("PATCH", f"/api/cases/{case_id}", json={"priority": 1})
    assert changed["grade"] == "" and "moderate" not in json.dumps(changed)
    assert "refusal.judgement_first" in catalogue("zh")


def test_a_token_is_refused_like_its_user(system: System, people: dict[str, Person], case_id: str, address: str) -> None:
    reader = people["reader"]
    with system.database.writing() as session:
        user = session.scalars(select(User).where(User.name == "reader.1")).one()
        bearer = {"authorization": f"Bearer {add_token(session, user.id, 'script', 1.0)[1]}"}
    reader.http.cookies.clear()
    assert reader.http.get(f"/api/cases/{case_id}/grade", headers=bearer).status_code == 403
    assert reader.http.get(f"/api/cases/{case_id}/files/report/report.html", headers=bearer).status_code == 403
    assert reader.http.get(f"/api/cases/{case_id}/measures", headers=bearer).status_code == 200
    assert reader.http.post(f"/api/cases/{case_id}/judgements", json=OWN, headers=bearer).status_code == 201
    assert reader.http.get(f"/api/cases/{case_id}/risk", headers=bearer).json() == GRADE


def test_who_has_judged_is_shown_the_grade_and_no_one_else(people: dict[str, Person], case_id: str) -> None:
    for wrong in ({**OWN, "risk": "very high"}, {**OWN, "confidence": 6}, {**OWN, "sentence": "x" * 501}, {}):
        assert people["editor"].status("POST", f"/api/cases/{case_id}/judgements", json=wrong) == 422
    people["editor"]("POST", f"/api/cases/{case_id}/judgements", json=OWN)
    assert people["editor"]("GET", f"/api/cases/{case_id}")["grade"] == "moderate"
    assert people["editor"]("GET", f"/api/cases/{case_id}/risk") == GRADE
    assert people["editor"].http.get(f"/api/cases/{case_id}/files/report/report.html").text == "the report"
    scene = people["editor"]("GET", f"/api/cases/{case_id}/files/views/scene.en.json.gz")
    assert scene == SCENE
    assert people["administrator"].status("GET", f"/api/cases/{case_id}/risk") == 403
    assert people["administrator"]("GET", f"/api/cases/{case_id}/judgements") == []
    assert people["auditor"].status("GET", f"/api/cases/{case_id}/judgements") == 403


def test_a_script_states_a_judgement_as_the_terminal_does(
    people: dict[str, Person],
    case_id: str,
    address: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    editor, server = people["editor"], ("--server", address)
    monkeypatch.setenv("ANEUFLOW_TOKEN", editor("POST", "/api/tokens", json={"name": "script"})["secret"])
    code, _, err = run(capsys, "client", "show", case_id, *server)
    assert code == 2 and "judgement of your own" in err
    judged = ("client", "judge", case_id, "--risk", "high", "--sentence", "A bleb", *server)
    code, out, _ = run(capsys, *judged, "--confidence", "4")
    assert code == 0 and out.strip() == "Kept: high, confidence 4, blind"
    assert run(capsys, *judged, "--confidence", "6")[0] == 2
    (kept,) = Client(address, os.environ["ANEUFLOW_TOKEN"]).judgements(case_id)
    assert (kept["risk"], kept["confidence"], kept["sentence"], kept["is_blind"]) == ("high", 4, "A bleb", True)
    assert editor("GET", f"/api/cases/{case_id}/risk") == GRADE


def test_an_outcome_is_kept_back_like_the_grade(people: dict[str, Person], case_id: str) -> None:
    path = f"/api/cases/{case_id}/outcomes"
    people["editor"]("POST", path, json={"ruptured": True, "day": "2026-05-31"})
    assert people["reader"].status("GET", path) == 403
    people["reader"]("POST", f"/api/cases/{case_id}/judgements", json=OWN)
    assert [found["ruptured"] for found in people["reader"]("GET", path)] == [True]


def test_judgements_are_added_and_never_changed(system: System, people: dict[str, Person], case_id: str) -> None:
    editor, path = people["editor"], f"/api/cases/{case_id}/judgements"
    first = editor("POST", path, json=OWN)
    second = editor("POST", path, json={"risk": "moderate", "confidence": 5})
    assert editor("GET", path) == [first, second]
    assert (first["is_blind"], second["is_blind"]) == (True, False)
    for method in ("PUT", "PATCH", "DELETE"):
        assert editor.status(method, path, json=OWN) == 405
    with system.database.reading() as session:
        kept = session.scalars(select(Judgement).order_by(Judgement.created)).all()
        graded = [judgement.grade for judgement in kept]
        deeds = session.scalars(select(AuditEntry).where(AuditEntry.action == "state_judgement")).all()
    assert graded == ["moderate", "moderate"] and len(kept[0].grade_sha256) == 64
    assert [deed.detail for deed in deeds] == [
        f"{risk} {sure} beside {kept[0].grade_sha256}" for risk, sure in (("high", 4), ("moderate", 5))
    ]


def test_who_saw_a_grade_before_the_project_asked_is_not_blind(people: dict[str, Person], case_id: str) -> None:
    """The reader did, while the people came in."""
    assert people["reader"]("POST", f"/api/cases/{case_id}/judgements", json=OWN)["is_blind"] is False


def test_the_table_has_each_judgement_beside_the_grade_it_preceded(
    system: System, people: dict[str, Person], case_id: str, tmp_path: Path
) -> None:
    project_id = case_of(system, case_id).project_id
    stated = people["editor"]("POST", f"/api/cases/{case_id}/judgements", json=OWN)
    write_case(tmp_path / "again", {**STAGES, "risk/risk.json": '{"grade": {"grade": "low"}}'})
    publish(system, case_id, Finding(tmp_path / "again", [path.partition("/")[0] for path in STAGES]))
    path = f"/api/projects/{project_id}/judgements.csv"
    assert [people[role].status("GET", path) for role in ("reader", "editor")] == [403, 403]
    for role in ("auditor", "administrator"):
        (row,) = csv.DictReader(io.StringIO(people[role].http.get(path).text.removeprefix("\ufeff")))
        assert row["reader"] == "editor.1" and row["risk"] == "high" and row["confidence"] == "4"
        assert (
            row["machine_grade"] == "moderate" and row["grade_sha256"] == stated["grade_sha256"] and row["is_blind"] == "True"
        )
        assert row["sentence"] == "'=Irregular, with a bleb", "a spreadsheet must not compute it"
    later = people["administrator"]("POST", f"/api/cases/{case_id}/judgements", json=OWN)
    assert later["is_blind"] is False, "the table showed a grade of the case"


def test_a_judgement_needs_a_grade_and_a_project_that_asks(system: System, people: dict[str, Person], case_id: str) -> None:
    project_id = case_of(system, case_id).project_id
    with system.database.writing() as session:
        early = Case(project_id=project_id, label="Study 2", created_by="editor")
        session.add(early)
    assert people["reader"]("GET", f"/api/cases/{early.id}")["judgement"] == "waits"
    refused = people["reader"].http.post(f"/api/cases/{early.id}/judgements", json=OWN)
    assert refused.status_code == 409 and refused.json()["code"] == "judgement_early"
    setting = f"/api/projects/{project_id}/judgement-first"
    assert people["reader"].status("PUT", setting, json={"asked": False}) == 403
    people["administrator"]("PUT", setting, json={"asked": False})
    assert people["reader"].status("POST", f"/api/cases/{case_id}/judgements", json=OWN) == 409
    assert people["reader"]("GET", f"/api/cases/{case_id}")["grade"] == "moderate"
    (project,) = people["editor"]("GET", "/api/projects")
    assert project["judgement_first"] is False


def test_judgements_go_with_their_case(system: System, people: dict[str, Person], case_id: str) -> None:
    people["editor"]("POST", f"/api/cases/{case_id}/judgements", json=OWN)
    people["administrator"]("DELETE", f"/api/cases/{case_id}")
    assert purge_deleted(system, 1e12) == 1
    with system.database.reading() as session:
        assert session.scalar(select(Judgement.id)) is None


def test_only_what_says_nothing_of_the_grade_is_shown_before() -> None:
    shown = (
        "dicom/images/0001.dcm",
        "dicom/segmentation.dcm",
        "dicom/measurements.dcm",
        "model/lumen.vtp",
        "flow/hemodynamics.json",
        "views/image.nii.gz",
        "views/model.zh.json.gz",
        "views/painting.zh.json.gz",
        "views/scene.zh.json.gz",
    )
    dicom = ("dicom/report.dcm", "dicom/regions.dcm", "dicom/index.json.gz")
    hidden = (
        *dicom,
        "risk/wall.vtp",
        "report/report.pdf",
        "later/anything.json",
        "views/later.json.gz",
        "case.json",
        "views",
        "",
    )
    assert all(map(is_shown_before, shown)) and not any(map(is_shown_before, hidden))


def test_a_view_is_cleared_of_regions_and_of_notes_that_may_be_the_grades() -> None:
    scene = json.loads(gzip.decompress(cleared(_packed(SCENE))))
    assert [field["name"] for field in scene["fields"]] == ["TAWSS", "pressure", "region"] and scene["spots"] == []
    assert scene["points"] == SCENE["points"]
    summary = json.loads(gzip.decompress(cleared(_packed({"headline": ["A sac."], "notes": NOTES}))))
    assert summary == {"headline": ["A sac."], "notes": [["warning", "Low contrast.", "import"]]}
