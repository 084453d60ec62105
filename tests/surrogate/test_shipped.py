"""The networks that ship, on the bundled case: a vessel that they were not trained on, and flows that their solver computes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from aneuflow.case import store
from aneuflow.case.prediction_store import FOLDER, read_prediction
from aneuflow.pipeline.run import assess, run_stage
from aneuflow.surrogate.cycle import CYCLE
from aneuflow.surrogate.network import load_ensemble, shipped_networks
from aneuflow.types import REGION_SAC

LUMEN = Path(__file__).parents[2] / "examples" / "aneumo-case4" / "lumen.nii.gz"
DOCS = Path(__file__).parents[2] / "docs"
# The spacing of the database that they were trained on.
LIKE_THE_DATABASE = {"input": {"kind": "mask"}, "simulate": {"steady": True, "resolution_mm": 0.24}}


def test_they_are_whole_small_and_say_what_they_warrant() -> None:
    folder = shipped_networks()
    ensemble = load_ensemble(folder)
    assert sum(file.stat().st_size for file in folder.iterdir()) < 20e6
    assert ensemble.card["training_sha256"] in (DOCS / "surrogate-card.md").read_text("utf-8")
    for kind, intervals in ensemble.card["intervals"].items():
        asked = "coarse" if kind == CYCLE else kind
        assert len(ensemble.members[asked]) == ensemble.card["members"][asked] >= 3
        assert {"sac_mean", "point", "pressure_loss", "inflow_fraction"} <= set(intervals)
        assert all(0.5 < entry["level"] <= 0.9 and entry["factor"] > 0 for entry in intervals.values())


@pytest.mark.slow
def test_a_fast_case_is_what_a_simulation_gives_within_its_intervals(tmp_path: Path) -> None:
    case = tmp_path / "case"
    tables = {**LIKE_THE_DATABASE, "predict": {"fast": True}}
    assert [end.stage for end in assess(LUMEN, case, tables)][-3:] == ["predict", "grade", "report"]
    assert not (case / "flow").exists()
    corrected = read_prediction(case / FOLDER)
    networks = json.loads((case / "risk" / "risk.json").read_text("utf-8"))["flow_networks"]
    assert networks == {"sha256": corrected.method["networks"], "training_sha256": corrected.method["training_sha256"]}
    assert "predicted by networks, not simulated" in (case / "report" / "report.html").read_text("utf-8")
    run_stage(case, "simulate")
    flow = store.read_flow(case / "flow")
    simulated = {measure.id: measure.value for measure in flow.measures}
    for measure in corrected.measures:
        assert measure.low is not None and measure.high is not None
        assert measure.low <= simulated[measure.id] <= measure.high, measure.id
    sac, true, fields = flow.region == REGION_SAC, flow.wall_fields["TAWSS"], corrected.wall_fields
    assert np.mean(((fields["TAWSS_low"] <= true) & (true <= fields["TAWSS_high"]))[sac]) > 0.8
    # 0.34 when they were shipped: this vessel is of another source than those they learned from (docs/surrogate-card.md).
    assert np.linalg.norm((fields["TAWSS"] - true)[sac]) / np.linalg.norm(true[sac]) < 0.36


@pytest.mark.slow
def test_a_fast_case_over_the_cycle_oscillates_as_its_simulation_does(tmp_path: Path) -> None:
    case = tmp_path / "case"
    tables = {**LIKE_THE_DATABASE, "simulate": {"resolution_mm": 0.24}, "predict": {"fast": True}}
    assert [end.stage for end in assess(LUMEN, case, tables)][-3:] == ["predict", "grade", "report"]
    predicted = read_prediction(case / FOLDER)
    assert not predicted.steady
    assert "Mean oscillatory shear index of the sac" in (case / "report" / "report.html").read_text("utf-8")
    run_stage(case, "simulate")
    flow = store.read_flow(case / "flow")
    simulated, found = ({m.id: m.value for m in measures} for measures in (flow.measures, predicted.measures))
    # 4, 13 and 6 % when this was written.
    for id, most in (("sac_osi_mean", 0.1), ("sac_tawss_mean", 0.2), ("pressure_loss", 0.1)):
        assert found[id] == pytest.approx(simulated[id], rel=most), id
    sac, true, fields = flow.region == REGION_SAC, flow.wall_fields, predicted.wall_fields
    assert spearmanr(fields["OSI"][sac], true["OSI"][sac])[0] > 0.65  # 0.71
    assert spearmanr(fields["RRT"][sac], true["RRT"][sac])[0] > 0.8  # 0.87
