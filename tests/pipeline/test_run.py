"""The chain on a short tube: what runs again when, and what stays when something fails or is killed."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from aneuflow.case import store
from aneuflow.case.folder import CaseFolder, StageRecord
from aneuflow.case.prediction_store import FOLDER, STAGE, prediction_key, write_prediction
from aneuflow.errors import InputError
from aneuflow.pipeline.run import assess, run_stage
from aneuflow.types import Measure, Prediction

QUICK = {
    "model": {"inlet_extension_diameters": 0.5, "outlet_extension_diameters": 0.5},
    "simulate": {"steady": True, "resolution_mm": 0.35},
}
RADIUS_MM, LENGTH_MM, FLOW_ML_S = 1.5, 12.0, 2.0


@pytest.fixture(scope="module")
def tube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("input") / "tube.stl"
    profile = np.column_stack([np.full(41, RADIUS_MM), np.linspace(0, LENGTH_MM, 41)])
    closed = np.vstack([[0.0, 0.0], profile, [0.0, LENGTH_MM]])
    trimesh.creation.revolve(closed, sections=40).export(path)
    return path


@pytest.fixture(scope="module")
def assessed(tube: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    case = tmp_path_factory.mktemp("cases") / "tube"
    assess(tube, case, {**QUICK, "boundary": {"flow_ml_s": FLOW_ML_S}})
    return case


def states(ends: list) -> dict[str, str]:
    return {end.stage: end.state for end in ends}


def test_poiseuille_through_the_whole_chain(assessed: Path) -> None:
    flow = store.read_flow(assessed / "flow")
    middle = np.abs(flow.wall.points[:, 2] - LENGTH_MM / 2) < LENGTH_MM / 4
    exact = 4 * 0.0035 * FLOW_ML_S * 1e-6 / (np.pi * (RADIUS_MM * 1e-3) ** 3)
    assert flow.wall_fields["TAWSS"][middle].mean() == pytest.approx(exact, rel=0.05)
    assert store.read_model(assessed / "model").aneurysm is None
    assert "aneurysm" not in {measure.id for measure in flow.measures}


def test_nothing_runs_twice(tube: Path, assessed: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in assessed.rglob("*") if file.is_file() and file.name != "case.json"}
    assert set(states(assess(tube, assessed)).values()) == {"kept"}
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_a_changed_setting_runs_what_depends_on_it(assessed: Path) -> None:
    ends = states(run_stage(assessed, "report", {"report": {"language": "zh"}}))
    assert ends.pop("report") == "done"
    assert set(ends.values()) == {"kept"}
    assert 'lang="zh' in (assessed / "report/report.html").read_text("utf-8")


def test_a_tampered_result_is_made_again(assessed: Path) -> None:
    file = assessed / "boundary/boundary.json"
    good = file.read_text()
    file.write_text(good.replace("2.0", "9.0"))
    ends = states(run_stage(assessed, "report"))
    assert ends["boundary"] == "done" and ends["simulate"] == "kept"
    assert file.read_text() == good


def test_a_prediction_is_in_the_report_while_it_is_of_the_case_as_it_is(assessed: Path) -> None:
    case = CaseFolder(assessed)
    flow = store.read_flow(assessed / "flow")
    fields = {"TAWSS": 0.5 * flow.wall_fields["TAWSS"]}
    measures, method = (Measure("pressure_loss", 10.0, 9.0, 11.0),), {"networks": "ab", "members": 3, "coarse_flow": False}
    with case.locked():
        with case.writing(FOLDER) as target:
            write_prediction(target, Prediction(flow.wall, flow.region, fields, measures, method, ()))
        done = StageRecord("done", prediction_key(case, "ab", False), FOLDER, case.outputs(FOLDER), 0.1)
        case.record(STAGE, done)
    for state in ("done", "kept"):
        assert states(run_stage(assessed, "report"))["report"] == state
        assert 'id="prediction"' in (assessed / "report/report.html").read_text("utf-8")
    with case.locked():
        case.record(STAGE, replace(done, key="of another model"))
    ends = states(run_stage(assessed, "report"))
    assert (ends["simulate"], ends["report"]) == ("kept", "done")
    assert 'id="prediction"' not in (assessed / "report/report.html").read_text("utf-8")


def test_a_failure_is_recorded_and_loses_nothing(assessed: Path) -> None:
    before = CaseFolder(assessed).outputs("flow")
    with pytest.raises(InputError, match="inlet"):
        run_stage(assessed, "simulate", {"model": {"inlet_caps": (7,)}})
    case = CaseFolder(assessed)
    record = case.manifest().stages["model"]
    assert record.state == "failed" and "inlet" in record.reason
    assert case.outputs("flow") == before
    assert "inlet_caps" not in case.manifest().settings["model"]
    ends = states(run_stage(assessed, "report"))
    assert ends["model"] == "done" and ends["simulate"] == "kept"


def test_settings_of_a_first_run_that_failed_are_not_kept(tube: Path, tmp_path: Path) -> None:
    plane = {"point_mm": (0.0, 0.0, 99.0), "normal": (0.0, 0.0, 1.0)}
    with pytest.raises(InputError, match="neck plane cuts no sac"):
        assess(tube, tmp_path / "case", {**QUICK, "input": {"units": "mm"}, "model": {"neck_plane": plane}})
    assert CaseFolder(tmp_path / "case").manifest().settings == {"input": {"units": "mm"}}


def test_a_killed_simulation_goes_on(tube: Path, tmp_path: Path) -> None:
    case = tmp_path / "case"
    command = [
        sys.executable,
        "-m",
        "aneuflow.cli.main",
        "assess",
        str(tube),
        "-o",
        str(case),
        "--steady",
        "--resolution",
        "0.12",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (case / "boundary/boundary.json").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.0)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert "simulate" not in CaseFolder(case).manifest().stages
    ends = states(run_stage(case, "simulate", {"simulate": {"resolution_mm": 0.35}}))
    assert ends["model"] == "kept" and ends["simulate"] == "done"
