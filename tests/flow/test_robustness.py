"""What may go wrong while a flow is solved: a step too long, a divergence, an interruption, blood that flows back."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.errors import MethodError, ResourceError
from aneuflow.flow.checkpoint import SolverState
from aneuflow.flow.problem import Problem
from aneuflow.flow.result import Averages
from aneuflow.flow.run import MACH_MARGIN, Run, TooFast
from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import simulate
from aneuflow.flow.steady import CHECKS_PER_FLOW_THROUGH
from aneuflow.types import BoundaryConditions, InletCondition, OutletCondition, Waveform
from tests.flow.trees import BLOOD, sine
from tests.flow.tubes import INLET, OUTLET, tube_model

COARSE = FlowSettings(resolution_mm=0.4, threads=1, cycles=2)
STEADY = COARSE.model_copy(update={"steady": True})
AXIS = np.array([1.0, 2.0, 3.0])
FLOW_ML_S = 0.8


ZERO = OutletCondition(OUTLET, "pressure", pressure=0.0)
WINDKESSEL = OutletCondition(OUTLET, "windkessel", None, 500.0, resistance=1e9, compliance=5e-11, distal_resistance=8e9)


def conditions(waveform: Waveform | None = None, outlet: OutletCondition = ZERO) -> BoundaryConditions:
    inlet = InletCondition(INLET, FLOW_ML_S, "womersley")
    return BoundaryConditions((inlet,), (outlet,), BLOOD, waveform)


def problem() -> Problem:
    return Problem.of(tube_model(1.5, 6.0, AXIS), conditions(), STEADY, 1)


def test_a_speed_guessed_too_low_is_put_right(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tube_model(1.5, 6.0, AXIS)
    expected = simulate(model, conditions(), STEADY)
    monkeypatch.setattr("aneuflow.flow.steady._INSIDE", 0.4)
    corrected = simulate(model, conditions(), STEADY)
    assert corrected.numerics["mach_peak"] < MACH_MARGIN * 0.2
    assert corrected.wall_fields["TAWSS"].mean() == pytest.approx(expected.wall_fields["TAWSS"].mean(), rel=0.02)


def test_a_pulsatile_speed_guessed_too_low_is_put_right(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tube_model(1.5, 6.0, AXIS)
    monkeypatch.setattr("aneuflow.flow.problem.Problem.lumen_speed", lambda self, run: 0.05)
    monkeypatch.setattr("aneuflow.flow.solve.opening_speed", lambda model, boundary: 0.05)
    result = simulate(model, conditions(sine(0.2, 0.5)), COARSE)
    assert result.numerics["converged"]
    assert result.numerics["mach_peak"] < MACH_MARGIN * 0.2


def test_a_flow_that_never_fits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aneuflow.flow.problem.MACH_MARGIN", 1e-3)
    with pytest.raises(MethodError, match=r"0\.4 mm.*--resolution"):
        simulate(tube_model(1.5, 6.0, AXIS), conditions(), STEADY)


@pytest.mark.parametrize("harm", [np.nan, np.inf, 1e6])
def test_a_divergence_is_noticed_within_a_hundred_steps(harm: float) -> None:
    case = problem()
    run = case.begin(case.time_step_s(0.5), None)
    run.advance(100)
    populations = run.lattice.populations
    populations[3, run.domain.voxels.count // 2] = harm
    run.lattice.populations = populations
    with pytest.raises(TooFast) as caught:
        run.advance(10_000)
    assert np.isnan(caught.value.speed)
    assert run.steps <= 200 + 100


class Interrupted(Exception):
    """Stands for a user who stops the run."""


class Memory:
    """A checkpoint in memory."""

    def __init__(self) -> None:
        self.state: SolverState | None = None

    def load(self) -> SolverState | None:
        return self.state

    def save(self, state: SolverState) -> None:
        self.state = state


@pytest.mark.parametrize(
    "boundary",
    [conditions(), conditions(sine(0.1, 0.4)), conditions(sine(0.1, 0.4), WINDKESSEL)],
    ids=["steady", "pulsatile", "windkessel"],
)
def test_an_interrupted_run_goes_on_and_ends_alike(monkeypatch: pytest.MonkeyPatch, boundary: BoundaryConditions) -> None:
    monkeypatch.setattr("aneuflow.flow.problem._SAVE_EVERY_S", 0.0)
    model, memory = tube_model(1.5, 5.0, AXIS), Memory()
    whole = simulate(model, boundary, COARSE)

    def stop_midway(fraction: float, message: str) -> None:
        if fraction > 0.4 and memory.state is not None:
            raise Interrupted

    with pytest.raises(Interrupted):
        simulate(model, boundary, COARSE, stop_midway, memory)
    resumed = simulate(model, boundary, COARSE, checkpoint=memory)
    assert resumed.numerics["steps"] == whole.numerics["steps"]
    for name, values in whole.wall_fields.items():
        np.testing.assert_allclose(resumed.wall_fields[name], values, rtol=1e-5, atol=1e-7)


def test_a_flow_that_swings_is_averaged_over_the_flow_throughs_that_agree_also_when_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aneuflow.flow.problem._SAVE_EVERY_S", 0.0)
    monkeypatch.setattr("aneuflow.flow.steady._led", lambda *_: None)
    monkeypatch.setattr("aneuflow.flow.steady.settled", lambda *_: (False, 0.1, 10.0))
    model, boundary, memory = tube_model(1.5, 5.0, AXIS), conditions(), Memory()
    counts, as_one = [], Averages.as_one

    def counted(averages: Averages) -> Averages:
        counts.append(averages.count)
        return as_one(averages)

    monkeypatch.setattr(Averages, "as_one", counted)
    whole = simulate(model, boundary, COARSE)
    assert whole.numerics["wavers"]
    assert set(counts) == {2 * CHECKS_PER_FLOW_THROUGH}

    def stop_midway(fraction: float, message: str) -> None:
        if memory.state is not None and len(memory.state.arrays["history"]) == CHECKS_PER_FLOW_THROUGH + 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        simulate(model, boundary, COARSE, stop_midway, memory)
    resumed = simulate(model, boundary, COARSE, checkpoint=memory)
    assert resumed.numerics["steps"] == whole.numerics["steps"]
    for name, values in whole.wall_fields.items():
        np.testing.assert_allclose(resumed.wall_fields[name], values, rtol=1e-5, atol=1e-7)


def test_a_resumed_run_can_still_shorten_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aneuflow.flow.problem._SAVE_EVERY_S", 0.0)
    model, memory, boundary = tube_model(1.5, 5.0, AXIS), Memory(), conditions(sine(0.1, 0.4))
    whole = simulate(model, boundary, COARSE, checkpoint=memory)
    look, looks = Run._look, []

    def too_fast_at_first(run: Run) -> None:
        looks.append(run.steps)
        if len(looks) == 1:
            raise TooFast(2.0 * run.peak * run.units.velocity)
        look(run)

    monkeypatch.setattr(Run, "_look", too_fast_at_first)
    resumed = simulate(model, boundary, COARSE, checkpoint=memory)
    assert resumed.numerics["time_step_s"] < 0.6 * whole.numerics["time_step_s"]
    np.testing.assert_allclose(resumed.wall_fields["TAWSS"].mean(), whole.wall_fields["TAWSS"].mean(), rtol=0.03)


def test_flow_that_reverses_stays_stable_and_in_balance() -> None:
    settings = COARSE.model_copy(update={"cycles": 1})
    result = simulate(tube_model(1.5, 4.0, AXIS), conditions(sine(0.2, 1.4)), settings)
    inflow, outflow = result.history[f"inflow_{INLET}"], result.history[f"outflow_{OUTLET}"]
    assert inflow.min() < -0.35 * FLOW_ML_S
    # The lattice is slightly compressible: at a moment it may hold some of the flow back, over a cycle none.
    np.testing.assert_allclose(outflow, inflow, atol=0.06 * FLOW_ML_S)
    assert result.numerics["mass_imbalance_percent"] < 0.2
    assert result.numerics["change_percent"] < 5.0
    assert result.wall_fields["OSI"].max() > 0.05


def test_flow_that_reverses_three_times_its_mean_needs_no_shorter_steps() -> None:
    settings = COARSE.model_copy(update={"cycles": 1, "resolution_mm": 0.35})
    result = simulate(tube_model(1.5, 5.0, AXIS), conditions(sine(0.2, 4.0)), settings)
    inflow, outflow = result.history[f"inflow_{INLET}"], result.history[f"outflow_{OUTLET}"]
    exact = FLOW_ML_S * (1.0 + 4.0 * np.sin(2 * np.pi * (np.arange(100) / 100 - 0.005)))
    np.testing.assert_allclose(inflow, exact, atol=0.01 * FLOW_ML_S)
    np.testing.assert_allclose(outflow, inflow, atol=0.3 * FLOW_ML_S)
    # Where the inlet let single cells run away, the step had to be shortened to a twentieth.
    assert result.numerics["steps"] < 20_000


@pytest.mark.parametrize("waveform", [None, sine(0.2, 0.5)])
def test_progress_never_goes_back_and_ends_at_one(waveform: Waveform | None) -> None:
    fractions: list[float] = []
    simulate(tube_model(1.5, 5.0, AXIS), conditions(waveform), COARSE, lambda fraction, message: fractions.append(fraction))
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    assert (np.diff(fractions) >= 0.0).all()


def test_a_lattice_larger_than_the_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: 1 if name == "SC_PAGE_SIZE" else 100_000)
    with pytest.raises(ResourceError, match=r"million cells.*--resolution"):
        simulate(tube_model(1.5, 6.0, AXIS), conditions(), STEADY)
