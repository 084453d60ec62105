"""What `make demo` runs, run as it does, and its physics."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from aneuflow.case import store
from aneuflow.numerics.surface import vertex_areas
from aneuflow.types import REGION_PARENT, REGION_SAC, FlowSolution, LumenModel

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "case"
    done = subprocess.run(["make", "demo", f"CASE={folder}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"Report: {folder / 'report/report.html'}" in done.stdout
    return folder


@pytest.fixture(scope="module")
def flow(case: Path) -> FlowSolution:
    return store.read_flow(case / "flow")


@pytest.fixture(scope="module")
def model(case: Path) -> LumenModel:
    return store.read_model(case / "model")


def values(case: Path, file: str) -> dict[str, float]:
    return {entry["id"]: entry["value"] for entry in json.loads((case / file).read_text())["quantities"]}


def test_mass_is_kept(flow: FlowSolution) -> None:
    into = sum(series for name, series in flow.history.items() if name.startswith("inflow_"))
    out = sum(series for name, series in flow.history.items() if name.startswith("outflow_"))
    assert abs(np.mean(out) / np.mean(into) - 1) < 0.005
    assert np.mean(into) == pytest.approx(1.9048, rel=0.005)
    assert flow.numerics["converged"]


def test_wall_shear_away_from_the_sac_is_poiseuilles(flow: FlowSolution, model: LumenModel) -> None:
    """In the artery's straight lead; the lumen itself narrows and bends right behind its inlet, where shear rises."""
    (lead,) = flow.numerics["upstream_shear_over_poiseuille"].values()
    assert lead == pytest.approx(1.0, abs=0.15)
    inlet = next(cap for cap in model.caps if cap.role == "inlet")
    depth = -(flow.wall.points - inlet.center_mm) @ inlet.normal
    aside = np.linalg.norm(flow.wall.points - inlet.center_mm + depth[:, None] * inlet.normal, axis=1)
    ring = (depth < 0.2) & (aside < 1.5 * inlet.radius_mm) & (flow.region == REGION_PARENT)
    assert ring.sum() > 30
    exact = 4 * 0.00345 * 1.9048e-6 / (np.pi * (inlet.radius_mm * 1e-3) ** 3)
    assert 1.0 < flow.wall_fields["TAWSS"][ring].mean() / exact < 1.3


def test_fields_are_in_range(flow: FlowSolution) -> None:
    fields = flow.wall_fields
    assert all(np.isfinite(values).all() for values in fields.values())
    assert fields["OSI"].min() >= 0 and fields["OSI"].max() <= 0.5
    assert (np.linalg.norm(fields["WSS_mean"], axis=1) <= fields["TAWSS"] * (1 + 1e-5) + 1e-6).all()
    rrt = 1 / ((1 - 2 * fields["OSI"]) * fields["TAWSS"])
    ordinary = fields["OSI"] < 0.49
    np.testing.assert_allclose(fields["RRT"][ordinary], rrt[ordinary], rtol=1e-3)
    assert np.linalg.norm(flow.volume.velocity, axis=1).max() < 3.0


def test_the_sac_is_sheared_less_than_its_artery(flow: FlowSolution, case: Path) -> None:
    areas = vertex_areas(flow.wall.points, flow.wall.triangles)
    sac, parent = (
        np.average(flow.wall_fields["TAWSS"][flow.region == region], weights=areas[flow.region == region])
        for region in (REGION_SAC, REGION_PARENT)
    )
    assert 0 < sac < parent
    assert values(case, "flow/hemodynamics.json")["sac_tawss_mean"] == pytest.approx(sac, rel=0.02)


def test_the_shape_is_that_of_the_case(case: Path) -> None:
    shape = values(case, "morphology/morphology.json")
    assert 4.5 < shape["maximum_diameter"] < 6.2
    assert shape["aspect_ratio"] == pytest.approx(shape["height"] / shape["neck_diameter"])
    assert 0 < shape["nonsphericity_index"] < 0.5


def test_the_report_stands_alone(case: Path) -> None:
    html = (case / "report/report.html").read_text("utf-8")
    assert "CC BY 4.0" in html and "deformed" in html
    assert not re.search(r"""(?:src|href)=["']https?:""", html)
    assert (case / "report/report.pdf").read_bytes().startswith(b"%PDF")
