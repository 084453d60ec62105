"""A fault of the program ends in one sentence, with its traceback in a log and no patient's name anywhere."""

import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import trimesh

from aneuflow.cli import compare, main
from aneuflow.errors import InputError
from aneuflow.pipeline import batch, inputs, stages
from tests.cli.run import run

PATIENT = "DOE^JANE"


@pytest.fixture
def tube(tmp_path: Path) -> str:
    profile = np.column_stack([np.full(41, 1.5), np.linspace(0.0, 12.0, 41)])
    closed = np.vstack([[0.0, 0.0], profile, [0.0, 12.0]])
    trimesh.creation.revolve(closed, sections=40).export(tmp_path / "tube.stl")
    return str(tmp_path / "tube.stl")


def test_of_a_stage(tube: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = tmp_path / "case"
    arguments = ("assess", tube, "-o", str(case))
    with patch.object(stages, "build_model", side_effect=ValueError("shapes (3,) and (4,)")):
        code, out, err = run(capsys, *arguments, "--resolution", "0.3")
    log = case / "failure.log"
    said = [line for line in err.splitlines() if line.startswith("aneuflow: ")]
    assert (code, out, len(said)) == (1, "", 1)
    assert said[0] == f"aneuflow: Stage model failed in an unforeseen way (ValueError); report it with {log}, which says where."
    assert "Traceback" not in err and "in _model" in log.read_text() and "shapes (3,) and (4,)" in log.read_text()
    manifest = (case / "case.json").read_text()
    assert '"failed"' in manifest and "unforeseen" in manifest and "resolution_mm" not in manifest
    assert run(capsys, "model", str(case))[0] == 0
    assert not log.exists()


def test_of_an_import(tube: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("assess", tube, "-o", str(tmp_path / "case"))
    with patch.object(inputs, "read_surface", side_effect=KeyError(PATIENT)):
        code, _, err = run(capsys, *arguments)
    log = tmp_path / "case/failure.log"
    assert code == 1 and str(log) in err and "KeyError" in log.read_text()
    assert PATIENT not in err + log.read_text()
    (tmp_path / "empty.stl").touch()
    assert run(capsys, "assess", str(tmp_path / "empty.stl"), "-o", str(tmp_path / "case"))[0] == 2
    assert not (tmp_path / "case").exists() or not list((tmp_path / "case").iterdir())


def test_of_a_record_read_for_a_later_stage(tube: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with patch.object(stages, "build_model", side_effect=InputError("No model.")):
        run(capsys, "assess", tube, "-o", str(tmp_path / "case"))
    with patch.object(inputs, "read_record", side_effect=ValueError(PATIENT)):
        code, _, err = run(capsys, "boundary", str(tmp_path / "case"), "--doppler", "d.dcm")
    log = (tmp_path / "case/failure.log").read_text()
    assert code == 1 and "Stage boundary" in err and "in import_records" in log and PATIENT not in err + log


def test_of_a_command_without_a_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with patch.object(compare, "compare_cases", side_effect=RuntimeError(PATIENT)):
        code, _, err = run(capsys, "compare", "a", "b", "-o", str(tmp_path / "out"))
    (log,) = tmp_path.glob("aneuflow-*.log")
    assert code == 1 and err.count("\n") == 1 and str(log) in err and "RuntimeError" in err
    assert PATIENT not in err + log.read_text() and "in compare" in log.read_text()


@pytest.mark.parametrize(
    ("error", "code"), [(MemoryError(), 4), (ImportError("no libGL", name="vtk"), 4), (OSError(28, "full"), 4)]
)
def test_of_the_machine(error: Exception, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with patch.object(main, "_run_command", side_effect=error):
        ended, _, err = run(capsys, "bench")
    assert ended == code and err.count("\n") == 1 and err.endswith(".\n")


def test_memory_running_out_in_a_stage_is_recorded(tube: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with patch.object(stages, "build_model", side_effect=MemoryError):
        code, _, err = run(capsys, "assess", tube, "-o", str(tmp_path / "case"))
    assert code == 4 and "Memory ran out in stage model" in err
    assert "Memory ran out in stage model" in (tmp_path / "case/case.json").read_text()


def test_of_a_case_of_a_batch(tube: str, tmp_path: Path) -> None:
    class Answers(list):
        send = list.append

    answers = Answers()
    with patch.object(batch, "assess", side_effect=ValueError(PATIENT)):
        batch._child(batch.BatchEntry(Path(tube), "tube", {}), tmp_path / "case", {}, answers)
    ((code, reason),) = answers
    assert code == 1 and "ValueError" in reason and PATIENT not in reason
