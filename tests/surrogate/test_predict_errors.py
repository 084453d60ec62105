"""Errors, intervals and limits of the surrogate, and what it is held against, on flows made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.surrogate.calibrate import (
    COVERAGE,
    conformal_factors,
    errors,
    half_width,
    limits_of,
    outside,
    sac_mean,
    scores,
    summary,
)
from aneuflow.surrogate.network import Answer
from aneuflow.surrogate.points import SCALARS
from aneuflow.surrogate.predict_baselines import coarse_alone, coarse_scaled, nearest_shape, poiseuille


def case(seed: int, count: int = 300) -> dict[str, np.ndarray]:
    """Points on a plane whose upper half is the sac; the coarse flow is 20 % low in the artery and half in the sac."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1, 1, (count, 3)) * [1, 1, 0]
    normal, direction = np.tile([0.0, 0.0, 1.0], (count, 1)), np.tile([0.6, 0.0, 0.8], (count, 1))
    region = (points[:, 1] > 0).astype(float)
    shear = np.column_stack([1.0 + rng.random(count), rng.random(count), np.zeros(count)]) * (1.0 - 0.7 * region)[:, None]
    return {
        "wall_vectors": np.stack([points, normal, direction], axis=1),
        "wall_scalars": np.column_stack([region, np.full(count, 0.4), points[:, 0], np.full(count, np.log(1.953)), region]),
        "region": region,
        "area": rng.uniform(0.5, 1.5, count),
        "scalars": rng.standard_normal(len(SCALARS)),
        "shear": shear,
        "pressure": 2.0 + points[:, 0],
        "pressure_base": 2.0 + points[:, 0],
        "coarse_shear_base": shear * np.where(region == 1, 0.5, 0.8)[:, None],
        "coarse_pressure_base": 1.25 * (2.0 + points[:, 0]),
        "numbers": np.array([3.0, np.nan]),
    }


def test_errors_of_a_flow_that_is_low_by_a_part_are_that_part() -> None:
    one = case(0)
    found = errors(0.9 * one["shear"], 1.2 * one["pressure"], one)
    for name in ("sac_mean", "sac_l2", "sac_l2_vector"):
        assert found[name] == pytest.approx(0.1), name
    assert found["wall_pressure_l2"] == pytest.approx(0.2)
    assert 0.0 < found["sac_l2_of_maximum"] < 0.1
    assert summary([0.1, 0.3, 0.2, np.nan]) == {"median": pytest.approx(0.2), "p90": pytest.approx(0.28), "cases": 3}


def test_only_the_sac_counts_and_by_its_area() -> None:
    one = case(1)
    values = np.where(one["region"] == 1, one["area"], 100.0)
    area = one["area"][one["region"] == 1]
    assert sac_mean(values, one) == pytest.approx(float((area**2).sum() / area.sum()))


def test_the_scaled_coarse_flow_is_right_where_it_is_low_by_a_factor() -> None:
    training = [case(seed) for seed in range(3)]
    shear, pressure = coarse_scaled(case(7), training)
    np.testing.assert_allclose(shear, case(7)["shear"], rtol=1e-6)
    np.testing.assert_allclose(pressure, case(7)["pressure"], rtol=1e-6)
    assert errors(*coarse_alone(case(7)), case(7))["sac_mean"] == pytest.approx(0.5)


def test_poiseuilles_flow_lies_in_the_wall_and_the_nearest_shape_is_found() -> None:
    one = case(2)
    shear, _ = poiseuille(one)
    np.testing.assert_allclose(shear, np.tile([1.953, 0, 0], (300, 1)), rtol=1e-6, atol=1e-9)
    others = [case(seed) for seed in (4, 2, 5)]
    np.testing.assert_allclose(nearest_shape(one, others)[0], one["shear"], rtol=1e-6)


@pytest.mark.parametrize(("alike", "most"), [(0.0, 0.96), (1.0, COVERAGE + 0.03)])
def test_intervals_cover_a_case_of_a_new_patient(alike: float, most: float) -> None:
    """Patients have one case or four: exactly where these have all in common, at least where they have nothing."""
    rng = np.random.default_rng(0)
    patients = [f"p{k}" for k in range(20) for _ in range(1 + 3 * (k % 2))]

    def drawn(names: list[str]) -> list[float]:
        own = {name: rng.standard_normal() for name in sorted(set(names))}
        return [abs(alike * own[name] + (1.0 - alike) * rng.standard_normal()) for name in names]

    covered = []
    for _ in range(400):
        made = conformal_factors([{"sac_mean": value} for value in drawn(patients)], patients)["sac_mean"]
        covered.append(drawn(["new"])[0] <= made["factor"])
        assert made["level"] == COVERAGE and made["patients"] == 20
    assert COVERAGE - 0.03 < np.mean(covered) < most


def test_too_few_patients_are_said() -> None:
    made = conformal_factors([{"a": 1.0}, {"a": 3.0}, {"a": 2.0, "b": 1.0}], ["p", "q", "r"])
    assert made["a"] == {"factor": 3.0, "level": pytest.approx(0.75), "patients": 3}
    assert made["b"]["level"] == pytest.approx(0.5)


def test_a_score_is_the_factor_at_which_the_interval_just_reaches() -> None:
    one = case(3)
    size = np.linalg.norm(one["shear"], axis=1)
    mean = {"shear": 0.8 * one["shear"], "numbers": np.array([2.0, 5.0])}
    answer = Answer(mean, {"size": 0.05 * size, "numbers": np.array([0.1, 0.1])})
    found = scores(answer, one)
    assert set(found) == {"point", "sac_mean", "pressure_loss"}
    given = sac_mean(0.8 * size, one)
    assert given + half_width(given, sac_mean(0.05 * size, one), found["sac_mean"]) == pytest.approx(sac_mean(size, one))
    assert 2.0 + half_width(2.0, 0.1, found["pressure_loss"]) == pytest.approx(3.0)


def test_what_lies_beyond_range_or_far_from_all_is_outside() -> None:
    rng = np.random.default_rng(1)
    scalars = rng.standard_normal((60, len(SCALARS)))
    scalars[:, 1] = scalars[:, 0] + 0.05 * rng.standard_normal(60)
    scalars[0, 3] = np.nan
    limits = limits_of(scalars)
    assert sum(outside(limits, row) is not None for row in scalars) == 0
    unknown = np.where(np.arange(len(SCALARS)) == 3, np.nan, scalars[5])
    assert outside(limits, unknown) is None
    far = scalars[5].copy()
    far[2] = 9.0
    assert outside(limits, far)[0] == SCALARS[2]
    odd = np.zeros(len(SCALARS))
    odd[0], odd[1] = scalars[:, 0].max(), scalars[:, 1].min()  # each within its range, but never together
    assert outside(limits, odd)[0] == "distance"
