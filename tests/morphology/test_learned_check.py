"""Geometry held against the network that ships: a sphere on a tube, turned, mirrored, misjudged, of a strange size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aneuflow.morphology import MorphologySettings, measure
from aneuflow.morphology.learned.check import learned_check, outside, with_intervals
from aneuflow.morphology.learned.model import corrected, scaled, shipped_model, unscaled
from aneuflow.morphology.learned.names import MEASURES
from aneuflow.types import Measure, Morphology
from tests.morphology.test_measure import SPHERE, model

VALUES = np.array([6.0, 4.0, 5.0, 0.2, 0.1, 1.2, 100.0, 80.0])
CARD = {"correction": np.zeros((8, 8)).tolist(), "intervals": {id: {"factor": 2.0} for id in MEASURES}}


def checked(morphology: Morphology, turned: bool = False, scale: float = 1.0) -> tuple[dict[str, Measure], dict[str, dict]]:
    found, notes = learned_check(model(scale=scale, turned=turned), morphology, shipped_model())
    return {one.id: one for one in found}, {note.code: dict(note.values) for note in notes}


def test_a_sphere_on_a_tube_is_measured_and_agrees() -> None:
    morphology = measure(model(), MorphologySettings())
    found, notes = checked(morphology)
    assert list(found) == list(MEASURES)
    assert not {"learned_length_differs", "learned_angle_differs"} & notes.keys()
    assert found["maximum_diameter"].value == pytest.approx(2 * SPHERE, rel=0.06)
    assert found["width"].value == pytest.approx(2 * SPHERE, rel=0.06)
    assert found["inflow_angle"].value == pytest.approx(90.0, abs=12.0)
    assert found["outflow_angle"].value == pytest.approx(90.0, abs=12.0)
    # A turn leaves the points where they are on the wall, so nothing but rounding changes; on a perfect tube that decides which
    # of the many normals at right angles look the other way, which moves directions a little.
    turned, _ = checked(morphology, turned=True)
    for id, one in found.items():
        assert turned[id].value == pytest.approx(one.value, rel=0.02, abs=4.0 if id.endswith("angle") else 0.02), id


def test_a_wrong_measure_is_told_with_both_values() -> None:
    morphology = measure(model(), MorphologySettings())
    wrong = tuple(_larger(one) if one.id == "height" else one for one in morphology.measures)
    found, notes = checked(replace(morphology, measures=wrong))
    said = notes["learned_length_differs"]
    height = next(one.value for one in wrong if one.id == "height")
    assert said == {
        "quantity": "height",
        "geometric": height,
        "learned": found["height"].value,
        "low": found["height"].low,
        "high": found["height"].high,
    }


def _larger(one: Measure) -> Measure:
    assert one.low is not None and one.high is not None
    return Measure(one.id, 1.8 * one.value, 1.8 * one.low, 1.8 * one.high)


def test_a_vessel_of_another_kind_of_size_is_declined_and_one_without_a_sac_is_no_matter() -> None:
    found, notes = checked(measure(model(scale=6.0), MorphologySettings()), scale=6.0)
    assert not found and list(notes) == ["learned_outside"]
    bare = model(sac=False)
    assert learned_check(bare, measure(bare, MorphologySettings()), shipped_model()) == ((), ())


def test_intervals_follow_the_spread_of_the_clouds_and_stay_in_their_scale() -> None:
    alike = {one.id: one for one in with_intervals(np.stack([VALUES, VALUES]), CARD)}
    assert (alike["height"].low, alike["height"].high) == pytest.approx((4.0 * 0.94, 4.0 * 1.06))
    assert (alike["inflow_angle"].low, alike["inflow_angle"].high) == pytest.approx((92.0, 108.0))
    assert alike["nonsphericity_index"].low == pytest.approx(0.17)
    apart = VALUES + np.array([0, 0, 0, 0, 0, 0, 0, 20.0])
    wide = {one.id: one for one in with_intervals(np.stack([VALUES, apart]), CARD)}
    assert wide["outflow_angle"].value == pytest.approx(90.0)
    assert wide["outflow_angle"].high == pytest.approx(90.0 + 2 * np.hypot(10.0, 4.0))
    steep = VALUES + np.array([0, 0, 0, 0, 0, 0, 76.0, 0])
    assert next(one for one in with_intervals(np.stack([steep, steep]), CARD) if one.id == "inflow_angle").high == 180.0


def test_the_correction_is_linear_in_what_no_scale_changes() -> None:
    np.testing.assert_allclose(unscaled(scaled(VALUES)), VALUES)
    correction = np.zeros((8, 8))
    correction[1, 0], correction[6, 0] = np.log(1.1), 5.0
    expected = VALUES * [1, 1.1, 1, 1, 1, 1, 1, 1] + [0, 0, 0, 0, 0, 0, 5.0, 0]
    np.testing.assert_allclose(corrected(VALUES, correction), expected)
    rng = np.random.default_rng(0)
    correction = 0.1 * rng.normal(size=(8, 8))
    larger = np.array([3.0, 3.0, 3.0, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(corrected(VALUES * larger, correction), corrected(VALUES, correction) * larger)


def test_what_lies_outside_of_the_range_is_named() -> None:
    limits = {"low": (VALUES - 1.0).tolist(), "high": (VALUES + 1.0).tolist()}
    assert outside(limits, VALUES) is None
    assert outside(limits, VALUES + np.eye(8)[2] * 2) == {"quantity": "width", "value": 7.0, "low": 4.0, "high": 6.0}
