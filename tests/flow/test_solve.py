"""The flow of a whole case: developed flow in a tube, a split, resuming, bad conditions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aneuflow.errors import InputError, MethodError
from aneuflow.flow.checkpoint import SolverState
from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import coarse_flow, notes_on, simulate, spacing_with_coarse
from aneuflow.types import Blood, BoundaryConditions, FlowSolution, InletCondition, Measure, OutletCondition, Waveform
from tests.flow.tubes import INLET, OUTLET, frame_along, tube_model

RADIUS_MM, LENGTH_MM, FLOW_ML_S = 1.5, 9.0, 0.8
AXIS = np.array([1.0, 2.0, 3.0])
MU = 0.0035
PULSE = Waveform("test", 0.1, np.arange(8) / 8, 1.0 + 0.4 * np.sin(2 * np.pi * np.arange(8) / 8))


def conditions(waveform: Waveform | None = None, blood: Blood | None = None) -> BoundaryConditions:
    return BoundaryConditions(
        (InletCondition(INLET, FLOW_ML_S, "parabolic"),),
        (OutletCondition(OUTLET, "pressure", pressure=0.0),),
        blood or Blood(1060.0, "newtonian", {"viscosity": MU}),
        waveform,
    )


STEADY = FlowSettings(resolution_mm=0.2, steady=True, threads=1)


@pytest.fixture(scope="module")
def steady() -> FlowSolution:
    return simulate(tube_model(RADIUS_MM, LENGTH_MM, AXIS), conditions(), STEADY)


def test_a_coarse_flow_has_the_same_wall_and_nearly_the_same_shear(steady: FlowSolution) -> None:
    coarse = coarse_flow(
        tube_model(RADIUS_MM, LENGTH_MM, AXIS), conditions(PULSE), STEADY.model_copy(update={"resolution_mm": 0.3})
    )
    assert np.array_equal(coarse.wall.points, steady.wall.points)
    assert coarse.numerics["resolution_mm"] == pytest.approx(0.3)
    inside = middle(steady.wall.points)
    means = [flow.wall_fields["TAWSS"][inside].mean() for flow in (coarse, steady)]
    assert means[0] == pytest.approx(means[1], rel=0.06)
    assert not coarse.wall_fields["OSI"].any()


def test_the_spacing_gives_a_lattice_of_twice_of_it_three_cells_across_the_narrowest_opening() -> None:
    model = tube_model(RADIUS_MM, LENGTH_MM, AXIS)
    assert 3 * 2 * spacing_with_coarse(model, 1.0) == pytest.approx(2 * RADIUS_MM, rel=0.02)
    assert spacing_with_coarse(model, 0.3) == 0.3


@pytest.mark.parametrize(("ratio", "told"), [(2e-6, True), (0.019, False)])
def test_a_sac_without_flow_is_called_what_it_may_be(steady: FlowSolution, ratio: float, told: bool) -> None:
    notes = notes_on(tube_model(RADIUS_MM, LENGTH_MM, AXIS), steady.numerics, (Measure("tawss_ratio", ratio),))
    assert ("sac_without_flow" in {note.code for note in notes}) is told


def middle(points: np.ndarray) -> np.ndarray:
    along = points @ frame_along(AXIS)[2]
    return (along > 0.4 * LENGTH_MM) & (along < 0.8 * LENGTH_MM)


def test_wall_shear_is_poiseuilles(steady: FlowSolution) -> None:
    exact = 4 * MU * FLOW_ML_S * 1e-6 / (np.pi * (RADIUS_MM * 1e-3) ** 3)
    shear = steady.wall_fields["TAWSS"][middle(steady.wall.points)]
    assert shear.mean() == pytest.approx(exact, rel=0.06)
    assert shear.std() < 0.1 * exact


def test_wall_shear_points_downstream(steady: FlowSolution) -> None:
    shear = steady.wall_fields["WSS_mean"][middle(steady.wall.points)]
    along = shear @ frame_along(AXIS)[2]
    assert (along > 0.95 * np.linalg.norm(shear, axis=1)).all()


def test_velocity_is_poiseuilles(steady: FlowSolution) -> None:
    axis = frame_along(AXIS)[2]
    points, velocity = steady.volume.points_mm, steady.volume.velocity
    radius = np.linalg.norm(points - (points @ axis)[:, None] * axis, axis=1)
    inside = middle(points) & (radius < RADIUS_MM) & (np.abs(velocity).sum(axis=1) > 0)
    exact = 2 * FLOW_ML_S / (np.pi * RADIUS_MM**2) * (1 - (radius / RADIUS_MM) ** 2)
    error = velocity[inside] - exact[inside, None] * axis
    assert np.sqrt((error**2).sum() / (exact[inside] ** 2).sum()) < 0.04


def test_a_parabolic_inlet_gives_developed_flow_at_once() -> None:
    axis, flow = np.array([1.0, 1.0, 0.0]), 4.0 * FLOW_ML_S
    inflow = replace(conditions(), inlets=(InletCondition(INLET, flow, "parabolic"),))
    settings = FlowSettings(resolution_mm=0.2, steady=True, threads=1)
    solution = simulate(tube_model(RADIUS_MM, LENGTH_MM, axis), inflow, settings)
    along = solution.wall.points @ frame_along(axis)[2]
    shear = solution.wall_fields["TAWSS"][(along > 0.08 * LENGTH_MM) & (along < 0.3 * LENGTH_MM)]
    assert shear.mean() == pytest.approx(4 * MU * flow * 1e-6 / (np.pi * (RADIUS_MM * 1e-3) ** 3), rel=0.04)


def test_mass_balance_and_the_pressure_gauge(steady: FlowSolution) -> None:
    assert steady.numerics["converged"]
    assert steady.numerics["mass_imbalance_percent"] < 0.5
    exact = 8 * MU * LENGTH_MM * 1e-3 * FLOW_ML_S * 1e-6 / (np.pi * (RADIUS_MM * 1e-3) ** 4)
    assert abs(steady.history[f"pressure_{OUTLET}"][-1]) < 0.1 * exact


def test_intervals_hold_poiseuilles_values(steady: FlowSolution) -> None:
    area, length = np.pi * (RADIUS_MM * 1e-3) ** 2, LENGTH_MM * 1e-3
    shear = 4 * MU * FLOW_ML_S * 1e-6 / (area * RADIUS_MM * 1e-3)
    measures = {measure.id: measure for measure in steady.measures}
    for id, exact in (("vessel_tawss_mean", shear), ("pressure_loss", 2 * shear * length / (RADIUS_MM * 1e-3))):
        low, high = measures[id].low, measures[id].high
        assert low is not None and high is not None
        assert low < exact < high < 1.5 * exact, id
    assert measures["mean_flow"].low is None  # given, not solved for


def test_steady_flow_does_not_oscillate(steady: FlowSolution) -> None:
    assert (steady.wall_fields["OSI"] == 0).all()
    np.testing.assert_array_equal(steady.wall_fields["WSS_peak"], steady.wall_fields["WSS_mean"])


class Memory:
    """A checkpoint that keeps the first state it is given after `after` saves, as a killed run would leave it."""

    def __init__(self, after: int) -> None:
        self.after, self.states = after, []

    def load(self) -> SolverState | None:
        return self.states[0] if self.states else None

    def save(self, state: SolverState) -> None:
        self.after -= 1
        if self.after == 0:
            self.states.append(state)


def test_resumed_run_equals_the_uninterrupted_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aneuflow.flow.problem._SAVE_EVERY_S", 0.0)
    model, boundary = tube_model(1.5, 5.0, AXIS), conditions(PULSE)
    settings = FlowSettings(resolution_mm=0.4, cycles=1, threads=1)
    memory = Memory(after=60)
    whole = simulate(model, boundary, settings, checkpoint=memory)
    assert memory.states
    resumed = simulate(model, boundary, settings, checkpoint=memory)
    for name, values in whole.wall_fields.items():
        np.testing.assert_allclose(resumed.wall_fields[name], values, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(resumed.volume.velocity, whole.volume.velocity, rtol=1e-6, atol=1e-9)
    bounds = [[(m.low, m.high) for m in solution.measures if m.low is not None] for solution in (resumed, whole)]
    np.testing.assert_allclose(*bounds, rtol=1e-6)
    assert bounds[0]


def test_pulsatile_flow_follows_the_waveform() -> None:
    result = simulate(tube_model(1.5, 5.0, AXIS), conditions(PULSE), FlowSettings(resolution_mm=0.3, cycles=2, threads=1))
    phase = result.history["time_s"] / PULSE.period_s
    wanted = FLOW_ML_S * np.interp(phase, PULSE.phase, PULSE.ratio, period=1.0)
    np.testing.assert_allclose(result.history[f"inflow_{INLET}"], wanted, rtol=0.02)
    assert result.numerics["mass_imbalance_percent"] < 0.5
    assert result.wall_fields["OSI"].max() <= 0.5


def test_carreau_yasuda_blood_shears_more_than_its_high_shear_limit(steady: FlowSolution) -> None:
    parameters = {
        "viscosity": MU,
        "zero_shear_viscosity": 0.056,
        "time_constant_s": 3.313,
        "yasuda_exponent": 2.0,
        "power_index": 0.3568,
    }
    blood = Blood(1060.0, "carreau-yasuda", parameters)
    settings = FlowSettings(resolution_mm=0.3, steady=True, threads=1)
    thick = simulate(tube_model(RADIUS_MM, LENGTH_MM, AXIS), conditions(blood=blood), settings)
    thin = steady.wall_fields["TAWSS"][middle(steady.wall.points)].mean()
    assert 1.05 * thin < thick.wall_fields["TAWSS"][middle(thick.wall.points)].mean() < 2.0 * thin


def test_unknown_cap_is_refused() -> None:
    boundary = replace(conditions(), outlets=(OutletCondition(7, "pressure", pressure=0.0),))
    with pytest.raises((InputError, MethodError), match="7"):
        simulate(tube_model(1.5, 5.0, AXIS), boundary, FlowSettings(resolution_mm=0.4, steady=True, threads=1))
