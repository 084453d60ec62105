"""Shear over the cardiac cycle from a coarse flow: what is not corrected stays, what is corrected moves TAWSS with its mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aneuflow.numerics.surface import tangents, vertex_areas, vertex_normals
from aneuflow.surrogate.calibrate import conformal_factors
from aneuflow.surrogate.cycle import CYCLE, cycle_errors, cycle_scores, tawss_over_cycle
from aneuflow.surrogate.network import Answer, Ensemble
from aneuflow.surrogate.predict import facts_of, predict, predicts_cycle, still
from aneuflow.surrogate.sample import Scales
from aneuflow.types import REGION_SAC, FlowSolution, LumenModel, OutletCondition, Waveform
from tests.surrogate.test_predict import BOUNDARY, MORPHOLOGY, model, networks, untouched

__all__ = ["model", "networks"]
BEATING = replace(BOUNDARY, waveform=Waveform("beat", 0.9, np.linspace(0, 1, 100, endpoint=False), np.ones(100)))
FACTORS = {
    name: {"factor": factor, "level": 0.9, "patients": 30}
    for name, factor in (("point", 4.0), ("sac_mean", 3.0), ("osi_point", 10.0), ("osi_mean", 6.0))
}


def beating(networks: Ensemble) -> Ensemble:
    """Networks that change nothing, with intervals over the cycle."""
    card = {**networks.card, "intervals": {**networks.card["intervals"], CYCLE: FACTORS}}
    return replace(networks, card=card, members={**networks.members, "coarse": (untouched,)})


def swinging(steady: np.ndarray, swing: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Length of the mean, TAWSS and OSI of shear s + w sin(t) in one direction; s, w (n,), positive."""
    inner = np.clip(steady / swing, 0.0, 1.0)
    # The mean of |s + w sin t|: 2 / pi (s asin(s / w) + w sqrt(1 - (s / w)^2)), s where it never turns.
    tawss = np.where(steady < swing, 2.0 / np.pi * (steady * np.arcsin(inner) + swing * np.sqrt(1.0 - inner**2)), steady)
    return steady, tawss, 0.5 * (1.0 - steady / tawss)


@pytest.fixture(scope="module")
def coarse(model: LumenModel) -> FlowSolution:
    """Shear that swings along one direction, more than it goes on in half of the points."""
    bare = still(model)
    normals = vertex_normals(bare.wall.points, bare.wall.triangles)
    normals[~normals.any(axis=1)] = [1.0, 0.0, 0.0]  # of points in slivers
    mean, tawss, osi = swinging(np.linspace(0.2, 2.0, len(normals)), np.full(len(normals), 1.1))
    fields = {
        **bare.wall_fields,
        "WSS_mean": mean[:, None] * tangents(normals)[0],
        "TAWSS": tawss,
        "OSI": osi,
        "RRT": 1.0 / ((1.0 - 2.0 * osi) * tawss),
    }
    kept = {name: np.asarray(values, dtype=np.float32) for name, values in fields.items()}
    return FlowSolution(bare.wall, bare.region, kept, bare.volume, (), {}, {"resolution_mm": 0.4})


def test_what_the_networks_leave_stays_as_the_coarse_flow_has_it(
    model: LumenModel, networks: Ensemble, coarse: FlowSolution
) -> None:
    made = predict(beating(networks), model, BEATING, MORPHOLOGY, coarse)
    for name in ("TAWSS", "OSI", "RRT"):
        np.testing.assert_allclose(made.wall_fields[name], coarse.wall_fields[name], rtol=2e-3, atol=1e-5)
    sac = coarse.region == REGION_SAC
    areas = vertex_areas(coarse.wall.points, coarse.wall.triangles)[sac]
    osi = coarse.wall_fields["OSI"][sac].astype(np.float64)
    mean = np.average(osi, weights=areas)
    found = {measure.id: measure for measure in made.measures}
    tawss = np.average(coarse.wall_fields["TAWSS"][sac], weights=areas)
    assert found["sac_tawss_mean"].value == pytest.approx(tawss, rel=1e-3)
    # An interval of factor 6 and a spread of nothing: six times 5 % of the value to either side.
    assert found["sac_osi_mean"].value == pytest.approx(mean, rel=1e-5)
    assert found["sac_osi_mean"].high == pytest.approx(1.3 * mean, rel=1e-5)
    assert found["sac_osi_mean"].low == pytest.approx(0.7 * mean, rel=1e-5)
    np.testing.assert_allclose(made.wall_fields["OSI_high"][sac], np.minimum(osi + 0.5 * np.maximum(osi, mean), 0.5), rtol=1e-4)
    assert made.wall_fields["OSI_low"].min() >= 0.0
    assert made.method["cycle"] is True and not made.steady
    assert {note.code for note in made.notes} == {"surrogate_trained", "surrogate_cycle"}


def test_a_steady_flow_or_one_without_intervals_has_no_oscillation(
    model: LumenModel, networks: Ensemble, coarse: FlowSolution
) -> None:
    assert not predicts_cycle(networks.card, BEATING)
    for given, boundary in ((beating(networks), BOUNDARY), (networks, BEATING)):
        made = predict(given, model, boundary, MORPHOLOGY, coarse)
        assert made.steady and "OSI" not in made.wall_fields
        assert "sac_osi_mean" not in {measure.id for measure in made.measures}
        assert ("surrogate_steady" in {note.code for note in made.notes}) is (boundary is BEATING)


def test_no_interval_of_oscillation_goes_beyond_what_can_be(
    model: LumenModel, networks: Ensemble, coarse: FlowSolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FACTORS, "osi_mean", {"factor": 200.0, "level": 0.9, "patients": 30})
    (found,) = (m for m in predict(beating(networks), model, BEATING, MORPHOLOGY, coarse).measures if m.id == "sac_osi_mean")
    assert (found.low, found.high) == (0.0, 0.5)


def test_outlets_set_by_pressures_share_the_flow_as_they_do_over_the_cycle(model: LumenModel, coarse: FlowSolution) -> None:
    caps = (*model.caps, replace(model.caps[1], id=3))
    outlets = tuple(OutletCondition(id, "resistance", resistance=1e9) for id in (2, 3))
    boundary, shape = replace(BEATING, outlets=outlets), {measure.id: measure.value for measure in MORPHOLOGY.measures}
    flows = {"outflow_2": np.array([2.0, 4.0, 0.0]), "outflow_3": np.array([1.0, 1.0, 1.0])}
    steady = {name: values for name, values in coarse.wall_fields.items() if name != "OSI"}
    for fields, shares in ((coarse.wall_fields, [2 / 3, 1 / 3]), (steady, [0.0, 1.0])):
        given = replace(coarse, history=flows, wall_fields=fields)
        facts = facts_of(replace(model, caps=caps), boundary, shape, Scales.of(3.0, boundary), given)
        assert facts.outlet_shares == pytest.approx(shares)


def test_tawss_follows_the_mean_of_shear_that_never_turns() -> None:
    mean, tawss, _ = swinging(np.array([2.0, 3.0]), np.array([1.0, 1.0]))
    corrected = np.array([2.6, 2.4])
    assert tawss_over_cycle(corrected, mean, tawss) == pytest.approx(corrected)


def test_tawss_is_near_the_truth_where_a_coarse_flow_is_a_fifth_low_throughout() -> None:
    true_mean, true, _ = swinging(np.linspace(0.1, 2.0, 50), np.full(50, 1.0))
    found = tawss_over_cycle(true_mean, 0.8 * true_mean, 0.8 * true)
    assert (found >= true_mean).all()
    assert (np.abs(found - true) <= 0.2 * (true - true_mean) + 1e-12).all()  # what of it is swing stays a fifth low
    assert np.abs(found - true).sum() < 0.35 * np.abs(0.8 * true - true).sum()


def one_case(off: float) -> tuple[Answer, dict[str, np.ndarray]]:
    """A wall of even points, half of them sac, whose TAWSS and OSI are `off` under the truth in parts of what is predicted."""
    count = 400
    region = (np.arange(count) % 2).astype(np.uint8)
    tawss = np.linspace(0.5, 1.5, count)
    osi = np.linspace(0.01, 0.1, count)
    shear = np.stack([tawss, 0 * tawss, 0 * tawss], axis=1)
    case = {
        "area": np.ones(count), "region": region, "coarse_shear_base": shear, "coarse_tawss": tawss, "coarse_osi": osi,
        "tawss": (1 + off) * tawss, "osi": (1 + off) * osi, "numbers": np.array([2.0 * (1 + off), np.nan]),
        "shear_pa": np.array(0.4),
    }  # fmt: skip
    spread = {"size": np.zeros(count), "numbers": np.zeros(2)}
    return Answer({"shear": shear, "numbers": np.array([2.0, 1.0])}, spread), case


def test_scores_and_errors_are_those_that_were_put_in() -> None:
    answer, case = one_case(0.2)
    found = cycle_scores(answer, case)
    # Half widths of factor 1 are 5 % of the value.
    for name in ("sac_mean", "osi_mean", "pressure_loss"):
        assert found[name] == pytest.approx(0.2 / 0.05, rel=1e-6), name
    # Within a sac's lower half the interval is that of its mean.
    assert 3.9 < found["point"] <= 4.0 + 1e-9 and 3.9 < found["osi_point"] <= 4.0 + 1e-9
    off = cycle_errors(case["coarse_tawss"], case["coarse_osi"], answer.mean["numbers"], case)
    assert off["sac_mean"] == pytest.approx(1 - 1 / 1.2) and off["sac_l2"] == pytest.approx(1 - 1 / 1.2)
    assert off["pressure_loss"] == pytest.approx(1 - 1 / 1.2) and "inflow_fraction" not in off
    assert off["true_osi"] == pytest.approx(1.2 * off["osi"]) and off["osi_points"] == pytest.approx(1.0)
    assert off["osi_off"] == pytest.approx(0.2 * off["osi"])
    # TAWSS from 0.5 to 1.5 in units of 0.4 Pa: half of it is low, and of the true one, a fifth higher, a third.
    assert off["low_shear"] == pytest.approx(0.5, abs=0.01) and off["true_low_shear"] == pytest.approx(1 / 3, abs=0.01)


def test_intervals_over_the_cycle_hold_what_they_warrant() -> None:
    rng = np.random.default_rng(4)
    offs = rng.normal(0.0, 0.15, 400)
    known = [cycle_scores(*one_case(off)) for off in offs[:40]]
    factors = conformal_factors(known, [f"p{k}" for k in range(40)])
    new = [cycle_scores(*one_case(off)) for off in offs[40:]]
    for name in ("sac_mean", "osi_mean", "point", "osi_point"):
        assert np.mean([mine[name] <= factors[name]["factor"] for mine in new]) == pytest.approx(0.9, abs=0.06), name
