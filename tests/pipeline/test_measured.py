"""Records of Doppler and pressure through the whole chain, by the command line: the flow and the pressure come out again."""

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from aneuflow.case import store
from aneuflow.pipeline.run import run_stage
from aneuflow.types import PA_PER_MMHG
from tests.boundary.beats import Heart, write_csv
from tests.cli.run import run

HEART = Heart(period_s=0.4, mean_ml_s=1.6, diameter_mm=3.0)
RADIUS_MM, LENGTH_MM = 1.5, 8.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tube, a Doppler record of five beats at 40 degrees, and a pressure record of four."""
    folder = tmp_path_factory.mktemp("measured")
    profile = np.column_stack([np.full(41, RADIUS_MM), np.linspace(0, LENGTH_MM, 41)])
    closed = np.vstack([[0.0, 0.0], profile, [0.0, LENGTH_MM]])
    trimesh.creation.revolve(closed, sections=40).export(folder / "tube.stl")
    along_beam = np.cos(np.radians(40.0)) * 100.0 * HEART.center_velocity()
    facts = "# diameter_mm: 3.0\n# angle_deg: 40\n"
    write_csv(folder / "doppler.csv", "t_s,peak_velocity_cm_s", *HEART.over(along_beam, 5.4, 200.0), facts=facts)
    write_csv(folder / "wire.csv", "t_s,pressure_mmHg", *HEART.over(HEART.pressure_pa() / PA_PER_MMHG, 4.7, 250.0))
    quick = "[simulate]\ncycles = 1\n[model]\ninlet_extension_diameters = 0.5\noutlet_extension_diameters = 0.5\n"
    (folder / "settings.toml").write_text(quick)
    return folder


def course(values: np.ndarray, wanted: np.ndarray) -> float:
    """Relative L2 difference of two periodic curves at the best shift in time."""
    fine = np.interp(np.arange(100) / 100, np.arange(len(wanted)) / len(wanted), wanted, period=1.0)
    return min(float(np.linalg.norm(np.roll(values, k) - fine) / np.linalg.norm(fine)) for k in range(100))


@pytest.mark.slow
def test_flow_and_pressure_come_out_as_they_were_measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = folder / "case"
    given = ["--doppler", str(folder / "doppler.csv"), "--pressure", str(folder / "wire.csv"), "--outlets", "windkessel"]
    shared = ["--settings", str(folder / "settings.toml"), "--resolution", "0.35", "--threads", "1"]
    code, _, err = run(capsys, "assess", str(folder / "tube.stl"), "-o", str(case), *shared, *given)
    assert code == 0, err
    flow = store.read_flow(case / "flow")
    inflow = next(values for name, values in flow.history.items() if name.startswith("inflow_"))
    outflow = next(values for name, values in flow.history.items() if name.startswith("outflow_"))
    assert course(inflow, HEART.flow_ml_s()) < 0.02
    assert course(outflow, HEART.flow_ml_s()) < 0.03
    boundary = store.read_boundary(case / "boundary")
    outlet = boundary.outlets[0]
    assert outlet.kind == "windkessel"
    pressure = flow.history[f"pressure_{outlet.cap_id}"]
    assert pressure.mean() == pytest.approx(HEART.pressure_pa().mean(), rel=0.01)
    assert course(pressure, HEART.pressure_pa()) < 0.02
    measures = {measure.id: measure.value for measure in flow.measures}
    assert measures["arterial_pressure_mean"] == pytest.approx(HEART.pressure_pa().mean() / PA_PER_MMHG, rel=0.01)
    assert measures["mean_flow"] == pytest.approx(HEART.mean_ml_s, rel=0.01)
    notes = {note["code"]: note["kind"] for note in json.loads((case / "boundary/boundary.json").read_text())["notes"]}
    assert {"inflow_doppler_peak", "doppler_angle", "record_beats", "outlets_fitted_windkessel"} <= notes.keys()
    assert notes["venous_pressure_assumed"] == "assumption"
    report = (case / "report/report.html").read_text("utf-8")
    assert "velocity envelope of doppler-1" in report
    assert "Windkessel" in report and "Systolic pressure" in report
    assert "doppler.csv" not in (case / "case.json").read_text()
    ends = {end.stage: end.state for end in run_stage(case, "report")}
    assert ends["boundary"] == "kept" and ends["simulate"] == "kept"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("t_s,velocity_cm_s\n0,40\n0.1,45\n0.1,50\n0.2,40\n", "Time repeats in row 3"),
        ("t_s,velocity_cm_s\n0,40\n0.1,nan\n0.2,50\n0.3,40\n", "row 2"),
        ("t_s,peak_velocity_m_s\n" + "".join(f"{0.01 * k},{40 + k % 9}\n" for k in range(99)), "check its unit"),
    ],
)
def test_a_bad_record_ends_before_anything_runs(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, sentence: str
) -> None:
    (tmp_path / "bad.csv").write_text(text)
    code, _, err = run(
        capsys, "assess", str(folder / "tube.stl"), "-o", str(tmp_path / "case"), "--doppler", str(tmp_path / "bad.csv")
    )
    assert code == 2
    assert sentence in err and "bad.csv" in err
    assert not (tmp_path / "case/model").exists()
