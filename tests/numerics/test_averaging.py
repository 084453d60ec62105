"""Steps agreed on from sums: the mean is weighted by cases, lengths are bounded, and what is refused does not stand."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.numerics.averaging import Weights, agreed_steps, impossible_update, mean_step, outvoted, update_sums

BEFORE = [np.zeros((2, 2)), np.array([1.0, -1.0])]


def test_the_mean_is_weighted_by_cases() -> None:
    first, second = ([array + by for array in BEFORE] for by in (0.1, -0.2))
    sums = [a + b for a, b in zip(update_sums(BEFORE, first, 0.75, 9.0), update_sums(BEFORE, second, 0.25, 9.0), strict=True)]
    for old, new in zip(BEFORE, mean_step(BEFORE, sums), strict=True):
        np.testing.assert_allclose(new, old + 0.75 * 0.1 - 0.25 * 0.2)
    # Where the second party has dropped out the mean is the first one's, not three quarters of it.
    alone = mean_step(BEFORE, update_sums(BEFORE, first, 0.75, 9.0))
    np.testing.assert_allclose(alone[1], BEFORE[1] + 0.1)


def test_one_party_moves_the_mean_by_its_share_of_the_longest_update() -> None:
    sums = update_sums(BEFORE, [array + 1e9 for array in BEFORE], 0.2, 0.5)
    assert np.sqrt(sum((array**2).sum() for array in sums[1:])) == pytest.approx(0.2 * 0.5)
    assert impossible_update(sums, 0.5) == ""


def test_what_no_parties_can_send_is_refused() -> None:
    fair = update_sums(BEFORE, [array + 0.1 for array in BEFORE], 0.5, 1.0)
    assert impossible_update(fair, 1.0) == ""
    assert "no finite number" in impossible_update([array * np.nan for array in fair], 1.0)
    assert "an update of length" in impossible_update([fair[0], *(100 * array for array in fair[1:])], 1.0)
    assert "a share of" in impossible_update([3 * array for array in fair], 1.0)
    assert outvoted(np.array([0.0, 3.0])) == "" and outvoted(np.array([1.0, 3.0])).startswith("1 of 3 sites")


def test_steps_go_on_until_nothing_moves() -> None:
    def half_way_to_two(accepted: Weights, candidate: Weights) -> tuple[str, Weights]:
        return "", [candidate[0] + (2.0 - candidate[0]) / 2]

    found, log = agreed_steps(half_way_to_two, [np.zeros(1)], 100, 1e-3)
    assert found[0][0] == pytest.approx(2.0, abs=2e-3) and len(log) == 11


def test_a_refused_step_is_halved_three_times_in_all() -> None:
    asked: list[float] = []

    def only_below_one(accepted: Weights, candidate: Weights) -> tuple[str, Weights]:
        asked.append(float(candidate[0][0]))
        return ("too far" if candidate[0][0] > 0.9 else ""), [candidate[0] + 3.0]

    found, log = agreed_steps(only_below_one, [np.zeros(1)], 100, 1e-3)
    # 0 is accepted and leads to 3; 1.5 and 0.75 lie half as far each, 3.75 lies too far again, and so does half of that.
    assert asked == [0.0, 3.0, 1.5, 0.75, 3.75, 2.25]
    assert found[0][0] == 0.75 and [("refused" in line) for line in log] == [False, True, True, False, True, True]


def test_what_is_refused_from_the_start_changes_nothing() -> None:
    found, log = agreed_steps(lambda accepted, candidate: ("no", [candidate[0] + 1]), [np.ones(2)], 100, 1e-3)
    np.testing.assert_array_equal(found[0], 1.0)
    assert len(log) == 4
