"""Records given through the API reach a case as those named in a command do, and nothing of their files but curves."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from aneuflow.boundary import read_record, record_to_json
from aneuflow.case.files import write_json
from aneuflow.case.folder import CaseFolder, StageRecord
from aneuflow.errors import InputError
from aneuflow.pipeline.run import assess, run_stage
from aneuflow.service.accounts import add_user
from aneuflow.service.api.cases import checked_settings
from aneuflow.service.models import Job, Membership
from aneuflow.service.publish import Finding, publish
from aneuflow.service.records import read_given, with_records
from aneuflow.service.system import System
from tests.boundary.test_records import csv_text, dicom
from tests.service.made_cases import add_case, case_of, write_case
from tests.service.running import OWN_PASSWORD, Person
from tests.service.test_publish import _kept

LUMEN = Path(__file__).parents[2] / "examples" / "aneumo-case4" / "lumen.nii.gz"
CURVES = {
    "time": {"unit": "s", "values": [0.0, 0.2, 0.4, 0.6, 0.8]},
    "velocity": {"unit": "cm/s", "kind": "peak", "values": [30, 80, 60, 40, 30]},
}


def _in_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _sent(record: dict[str, Any], kind: str = "doppler") -> dict[str, Any]:
    return {"boundary": {kind: [record]}}


def test_a_file_is_read_for_its_curves_alone(tmp_path: Path) -> None:
    file = dicom(tmp_path / "record.dcm")
    found = read_given(_in_base64(file.read_bytes()), tmp_path)
    assert found == record_to_json(read_record(file)) and "Someone" not in json.dumps(found)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("content", "why"),
    [("no base64!", "base64"), (_in_base64(b"t_s,velocity_cm_s\n0,1\n1,2\n"), "2 rows"), (_in_base64(b"\xff\xfe"), "neither")],
)
def test_what_is_no_record_is_refused_in_one_sentence(tmp_path: Path, content: str, why: str) -> None:
    with pytest.raises(InputError, match=why) as refused:
        read_given(content, tmp_path)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("records", "why"),
    [
        (["/etc/passwd"], "cannot name files"),
        ("/etc/passwd", "cannot name files"),
        ([{"cap": "1=/etc/passwd", **CURVES}], "has the cap"),
        ([{"cap": 1, **CURVES}] * 2, "Two records"),
        ([{"time": CURVES["time"]}], "no velocity"),
        ([{}], "lacks"),
        ([CURVES] * 17, "at most 16"),
    ],
)
def test_wrong_records_in_settings_are_refused(records: Any, why: str) -> None:
    with pytest.raises(InputError, match=why):
        checked_settings({"boundary": {"doppler": records}})


def test_of_a_record_in_settings_only_the_curves_go_on() -> None:
    record = {"cap": 1, **CURVES, "patient": "Doe^Jane", "diameter": {"unit": "mm", "value": 3.0}}
    given = {"simulate": {"steady": True}, "boundary": {"doppler": [record], "pressure": []}}
    found = checked_settings(given)
    (kept,) = found["boundary"]["doppler"]
    assert kept["cap"] == 1 and kept["velocity"][0]["values"] == [0.3, 0.8, 0.6, 0.4, 0.3] and kept["diameter"]["value"] == 3.0
    assert "Doe" not in json.dumps(found) and found["boundary"]["pressure"] == []
    assert checked_settings(found) == found


def test_a_job_holds_curves_and_no_more(system: System, address: str) -> None:
    case_id = add_case(system)
    with system.database.writing() as session:
        user = add_user(session, "editor.1", OWN_PASSWORD, must_change=False)
        session.add(Membership(project_id=case_of(system, case_id).project_id, user_id=user.id, role="editor"))
        session.merge(case_of(system, case_id)).manifest = {"input": {"kind": "mask"}}
    person = Person(address, "editor.1", OWN_PASSWORD)
    read = person("POST", "/api/records", json={"content": _in_base64(csv_text().encode())})
    assert read["diameter"] == {"unit": "mm", "value": 3.5} and {"time", "velocity", "pressure", "angle"} < set(read)
    settings = _sent({**read, "patient": "Doe^Jane"})
    person("POST", f"/api/cases/{case_id}/jobs", json={"settings": settings})
    with system.database.reading() as session:
        assert session.scalars(select(Job.settings)).one() == _sent(read)
    person.http.close()


def test_a_case_gets_the_same_boundary_as_by_command(tmp_path: Path) -> None:
    """Which is the stage that reads them; and nothing before it is made again."""
    (tmp_path / "record.csv").write_text(csv_text())
    assess(LUMEN, tmp_path / "command", {"input": {"kind": "mask"}}, last="measure")
    shutil.copytree(tmp_path / "command", tmp_path / "api")
    file, more = str(tmp_path / "record.csv"), {"period_s": 1.0}
    commanded = {"boundary": {"doppler": [file], "pressure": [file], **more}}
    run_stage(tmp_path / "command", "boundary", commanded)
    read = read_given(_in_base64(csv_text().encode()), tmp_path)
    sent = checked_settings({"boundary": {"doppler": [read], "pressure": [read], **more}})
    ends = run_stage(tmp_path / "api", "boundary", with_records(sent, tmp_path / "records"))
    assert [end.state for end in ends] == ["kept", "kept", "done"]
    one, other = (CaseFolder(tmp_path / name) for name in ("command", "api"))
    for folder in ("doppler", "pressure", "boundary"):
        assert one.outputs(folder) == other.outputs(folder) != {}
    assert one.manifest().settings == other.manifest().settings
    (removed,) = [end for end in run_stage(tmp_path / "api", "boundary", {"boundary": {"doppler": []}}) if end.state == "done"]
    assert removed.stage == "boundary" and other.outputs("doppler") == {}


def _with_record(folder: Path, content: str, stages: tuple[str, ...], names: bool = True) -> Finding:
    """A case folder with these stages and a record that its settings name or not."""
    settings = {"boundary": {"doppler": ["doppler-1.json"]}} if names else {}
    case = write_case(folder, {f"{name}/made.txt": f"{name} of {content}" for name in stages}, settings)
    (case.path / "doppler").mkdir()
    write_json(case.path / "doppler" / "doppler-1.json", {"of": content})
    case.record("doppler", StageRecord("done", "key", "doppler", case.outputs("doppler"), 0.0))
    return Finding(folder, stages)


def test_a_record_stays_with_its_case_for_the_next_computation(system: System, tmp_path: Path) -> None:
    case_id = add_case(system)
    publish(system, case_id, _with_record(tmp_path / "a", "one", ("model", "boundary")))
    assert json.loads(_kept(system, case_id)["doppler/doppler-1.json"]) == {"of": "one"}
    manifest = case_of(system, case_id).manifest
    assert manifest is not None and "doppler" in manifest["stages"]
    publish(system, case_id, _with_record(tmp_path / "b", "one", ("model", "boundary"), names=False))
    assert "doppler/doppler-1.json" not in _kept(system, case_id), "the settings no longer name it"


def test_a_computation_that_fails_leaves_the_record_of_before(system: System, tmp_path: Path) -> None:
    case_id = add_case(system)
    publish(system, case_id, _with_record(tmp_path / "a", "one", ("model",)))
    failed = _with_record(tmp_path / "b", "another", ("model",))
    publish(system, case_id, Finding(failed.folder, failed.current, is_done=False))
    assert json.loads(_kept(system, case_id)["doppler/doppler-1.json"]) == {"of": "one"}
