"""A case's prediction: its files, that it is kept while nothing changes, and what is said where it is declined."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aneuflow.case import store
from aneuflow.case.files import PolyData
from aneuflow.case.folder import CaseFolder, Manifest
from aneuflow.cli.app import app
from aneuflow.errors import MethodError
from aneuflow.flow.settings import FlowSettings
from aneuflow.pipeline import predict as stage
from aneuflow.pipeline import prediction
from aneuflow.surrogate.predict import still
from aneuflow.types import BoundaryConditions, InletCondition, LumenModel, Measure
from tests.surrogate.test_predict import BOUNDARY, MORPHOLOGY, TINY, model

__all__ = ["model"]
SHAPE_ONLY, COARSE = ({"predict": {"networks": str(TINY), "coarse": coarse}} for coarse in (False, True))


@pytest.fixture
def case(model: LumenModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A case with model, shape and boundary conditions, whose chain has nothing left to do."""
    folder = CaseFolder(tmp_path / "case")
    for name in ("model", "morphology", "boundary"):
        (folder.path / name).mkdir(parents=True)
    store.write_model(folder.path / "model", model)
    store.write_morphology(folder.path / "morphology", MORPHOLOGY)
    store.write_boundary(folder.path / "boundary", BOUNDARY)
    folder.save(Manifest({"kind": "surface", "sha256": "0" * 64}, {}))

    def settled(path: Path, last: str, tables: Mapping[str, Any], *_: object) -> list[stage.StageEnd]:
        folder.save(replace(folder.manifest(), settings=dict(tables)))
        return []

    monkeypatch.setattr(stage, "run_stage", settled)
    return folder.path


def states(ends: list[stage.StageEnd]) -> list[tuple[str, str]]:
    return [(end.stage, end.state) for end in ends]


def test_it_is_written_with_intervals_and_kept(case: Path) -> None:
    assert states(stage.predict_case(case, SHAPE_ONLY)) == [("predict", "done")]
    wall = PolyData(case / "prediction" / "wall.vtp")
    assert set(wall.point_arrays) == {"region", "TAWSS", "TAWSS_low", "TAWSS_high", "WSS_mean", "pressure"}
    content = json.loads((case / "prediction" / "hemodynamics.json").read_text())
    found = {entry["id"]: entry for entry in content["quantities"]}
    low_shear = found.pop("low_shear_area_absolute")
    assert all(entry["low"] < entry["value"] < entry["high"] for entry in found.values())
    assert low_shear["low"] <= low_shear["value"] <= low_shear["high"]
    assert content["method"]["coarse_flow"] is False and len(content["method"]["networks"]) == 64
    assert states(stage.predict_case(case, SHAPE_ONLY)) == [("predict", "kept")]
    (case / "prediction" / "wall.vtp").unlink()
    assert states(stage.predict_case(case, SHAPE_ONLY)) == [("predict", "done")]


def test_a_coarse_flow_is_computed_on_the_lattice_of_the_card(
    case: Path, model: LumenModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def flow(model: LumenModel, boundary: BoundaryConditions, settings: FlowSettings, progress: object) -> object:
        asked.append(settings)
        return still(model)

    monkeypatch.setattr(prediction, "flow_to_correct", flow)
    stage.predict_case(case, SHAPE_ONLY)
    assert states(stage.predict_case(case, COARSE)) == [("predict", "done")]
    assert asked[0].resolution_mm == pytest.approx(1.5 * 0.2) and asked[0].steady
    assert json.loads((case / "prediction" / "hemodynamics.json").read_text())["method"]["coarse_flow"] is True


def test_a_declined_case_remembers_why(case: Path) -> None:
    fast = BoundaryConditions((InletCondition(1, 9.0, "parabolic"),), BOUNDARY.outlets, BOUNDARY.blood, None)
    store.write_boundary(case / "boundary", fast)
    with pytest.raises(MethodError, match="declines"):
        stage.predict_case(case, SHAPE_ONLY)
    record = CaseFolder(case).manifest().stages["predict"]
    assert record.state == "failed" and "Reynolds number" in record.reason
    assert not (case / "prediction").exists()


def test_prediction_and_simulation_stand_side_by_side(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (case / "flow").mkdir()
    content = {"quantities": store.measures_to_json([Measure("pressure_loss", 31.5)])}
    (case / "flow" / "hemodynamics.json").write_text(json.dumps(content))
    monkeypatch.setattr(stage, "current_stages", lambda _: {"simulate"})
    done = CliRunner().invoke(app, ["predict", str(case), "--networks", str(TINY), "--shape-only"])
    assert done.exit_code == 0, done.output
    line = next(line for line in done.output.splitlines() if "Pressure loss" in line)
    assert line.split()[-1] == "31.5" and " to " in line
    assert "90 % interval" in done.output and "trained on 0 simulated flows" in done.output
