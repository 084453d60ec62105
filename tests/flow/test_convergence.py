"""When a steady run ends: monitored numbers that settle, that swing for ever, that creep."""

import numpy as np

from aneuflow.flow.convergence import checks_left, settled, wavers_about_a_mean

TOLERANCE, LEAST = np.full(2, 0.01), np.full(2, 0.0025)


def test_settled_when_each_number_changes_less_than_its_own_tolerance() -> None:
    history = [(1.0, 2.0), (1.004, 2.0), (1.0, 2.004)]
    assert settled(history, 2, np.array([0.005, 0.005]))[0]
    assert not settled(history, 2, np.array([0.003, 0.005]))[0]
    assert settled(history, 2, np.array([0.005, 0.005]))[1] < 0.0041
    assert not settled(history[:2], 2, np.array([1.0, 1.0]))[0]


def test_fewer_checks_are_left_as_the_changes_fall() -> None:
    falling = [(1.0 + 0.5**k,) for k in range(8)]
    assert checks_left(falling, 2, np.array([1e-3])) < checks_left(falling[:6], 2, np.array([1e-3]))


def test_swings_about_a_mean_that_stays_are_known_from_creeping() -> None:
    step = np.arange(12)
    swinging = np.stack([2.0 + 0.06 * np.sin(np.pi / 2 * step), np.full(12, 3.0)], axis=1)
    assert wavers_about_a_mean(swinging, 4, TOLERANCE, LEAST) == 2
    creeping = swinging + np.array([0.0, 0.02]) * step[:, None]
    assert wavers_about_a_mean(creeping, 4, TOLERANCE, LEAST) == 0
    drifting = swinging * (1.0 + 0.005 * step[:, None])
    assert wavers_about_a_mean(drifting, 4, TOLERANCE, LEAST) == 0
    assert wavers_about_a_mean(swinging[:7], 4, TOLERANCE, LEAST) == 0


def test_a_slow_swing_is_seen_over_as_many_blocks_as_it_takes() -> None:
    swing = 2.0 + 0.2 * np.sin(2.0 * np.pi * np.arange(16) / 8.0)[:, None]
    assert wavers_about_a_mean(swing, 4, TOLERANCE[:1], LEAST[:1]) == 4
    assert wavers_about_a_mean(swing[:12], 4, TOLERANCE[:1], LEAST[:1]) == 0
