"""Flow shared among several outlets, and gathered from several inlets."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import simulate
from aneuflow.types import FlowSolution
from tests.flow.trees import NARROW, TRUNK, WIDE, converging, diverging, fork, sine

STEADY = FlowSettings(resolution_mm=0.3, steady=True, threads=1)


def share(solution: FlowSolution) -> np.ndarray:
    """Of the wide branch, at each moment."""
    wide, narrow = solution.history[f"outflow_{WIDE}"], solution.history[f"outflow_{NARROW}"]
    return wide / (wide + narrow)


@pytest.mark.parametrize("wanted", [0.5, 0.8])
def test_steady_shares_are_the_wanted_ones(wanted: float) -> None:
    solution = simulate(fork(), diverging(wanted), STEADY)
    assert solution.numerics["converged"]
    assert share(solution)[0] == pytest.approx(wanted, rel=0.005)
    assert solution.numerics["mass_imbalance_percent"] < 0.1
    # By their resistances the wide branch would take two thirds; whoever takes more than that has the lower pressure.
    lower = solution.history[f"pressure_{WIDE}"][0] < solution.history[f"pressure_{NARROW}"][0]
    assert lower == (wanted > 0.7)


def test_pulsatile_shares_hold_through_the_cycle_and_do_not_ring() -> None:
    settings = FlowSettings(resolution_mm=0.3, cycles=2, threads=1)
    solution = simulate(fork(), diverging(0.6, sine(0.3, 0.5)), settings)
    assert solution.numerics["converged"]
    assert share(solution).mean() == pytest.approx(0.6, rel=0.005)
    np.testing.assert_allclose(share(solution), 0.6, rtol=0.02)
    assert solution.numerics["mass_imbalance_percent"] < 0.2
    # A controller that rings shows in what changes faster than the flow does: all above the fifth harmonic.
    for name in (f"outflow_{WIDE}", f"pressure_{WIDE}", f"pressure_{TRUNK}"):
        spectrum = np.abs(np.fft.rfft(solution.history[name]))
        assert spectrum[6:].max() < 0.02 * spectrum[1]


def test_two_inlets_meet() -> None:
    model, boundary = converging(0.6, 0.3)
    solution = simulate(model, boundary, STEADY)
    assert solution.numerics["converged"]
    assert solution.history[f"inflow_{WIDE}"][0] == pytest.approx(0.6, rel=1e-3)
    assert solution.history[f"inflow_{NARROW}"][0] == pytest.approx(0.3, rel=1e-3)
    assert solution.history[f"outflow_{TRUNK}"][0] == pytest.approx(0.9, rel=1e-3)
