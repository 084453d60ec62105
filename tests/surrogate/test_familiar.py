"""Vessels unlike those of the training are declined, like ones are not, and a mirror image is its vessel's like."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.surrogate.calibrate import limits_of
from aneuflow.surrogate.familiar import FAMILIAR, distance, familiar_of, summary_of, unlike_training
from aneuflow.surrogate.points import SCALARS


def drawn(rng: np.random.Generator, patient: np.ndarray, count: int) -> np.ndarray:
    """Cases of a patient about his own mean, in 3 directions of 30."""
    return patient + rng.standard_normal((count, 3)) @ DIRECTIONS + 0.05 * rng.standard_normal((count, 30))


DIRECTIONS = np.random.default_rng(9).standard_normal((3, 30))


def patients(rng: np.random.Generator, count: int) -> tuple[np.ndarray, list[str]]:
    means = 1.5 * rng.standard_normal((count, 3)) @ DIRECTIONS
    return np.concatenate([drawn(rng, mean, 4) for mean in means]), [f"p{k}" for k in range(count) for _ in range(4)]


def test_of_new_patients_at_most_one_in_twenty_is_declined() -> None:
    declined = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        familiar = familiar_of(*patients(rng, 60))
        new, _ = patients(rng, 40)
        declined.append(np.mean([distance(familiar, one) > familiar["within"] for one in new]))
    assert np.mean(declined) == pytest.approx(1 - FAMILIAR, abs=0.02)


def test_what_lies_off_the_directions_of_the_training_is_far() -> None:
    rng = np.random.default_rng(1)
    familiar = familiar_of(*patients(rng, 60))
    inside = 2.0 * DIRECTIONS[0]
    off = rng.standard_normal(30)
    off -= np.linalg.lstsq(DIRECTIONS.T, off, rcond=None)[0] @ DIRECTIONS
    assert distance(familiar, inside) < familiar["within"] < distance(familiar, inside + 2.0 * off)
    unknown = inside.copy()
    unknown[4] = np.nan
    assert distance(familiar, unknown) < familiar["within"]


def case(seed: int, widening: float = 1.0) -> dict[str, np.ndarray]:
    """A wall of points at random, half of them sac."""
    rng = np.random.default_rng(seed)
    return {
        "wall_vectors": rng.standard_normal((200, 3, 3)) * np.array([widening, 1, 1]),
        "wall_scalars": rng.random((200, 5)),
        "region": np.repeat([0.0, 1.0], 100),
        "area": rng.uniform(0.5, 1.5, 200),
        "scalars": rng.standard_normal(len(SCALARS)),
    }


def test_a_mirror_image_and_other_points_order_change_nothing() -> None:
    one = case(3)
    mirrored = {**one, "wall_vectors": one["wall_vectors"] * np.array([1, -1, 1])}
    np.testing.assert_allclose(summary_of(mirrored), summary_of(one))
    order = np.random.default_rng(0).permutation(200)
    shuffled = {name: values[order] if len(values) == 200 else values for name, values in one.items()}
    np.testing.assert_allclose(summary_of(shuffled), summary_of(one))


def test_a_card_declines_by_ranges_first_then_by_what_is_unfamiliar() -> None:
    cases = [case(seed) for seed in range(40)]
    card = {
        "limits": limits_of(np.stack([one["scalars"] for one in cases])),
        "familiar": familiar_of(np.stack([summary_of(one) for one in cases]), [f"p{k}" for k in range(40)]),
    }
    assert unlike_training(card, cases[0]) is None
    found = unlike_training(card, {**case(0, widening=3.0), "scalars": cases[0]["scalars"]})
    assert found is not None and found[0] == "unfamiliar" and found[1] > found[3] == card["familiar"]["within"]
    beyond = unlike_training(card, {**cases[0], "scalars": cases[0]["scalars"] + 50.0})
    assert beyond is not None and beyond[0] == SCALARS[0]
    del card["familiar"]
    assert unlike_training(card, {**case(0, widening=3.0), "scalars": cases[0]["scalars"]}) is None
