"""Flow into resistances and Windkessels against the network solved exactly."""

from __future__ import annotations

import json

import numpy as np
import pytest

from aneuflow.errors import InputError
from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import simulate
from aneuflow.numerics.windkessel import Circuit, periodic_flows
from aneuflow.types import Blood, BoundaryConditions, FloatArray, FlowSolution, InletCondition, OutletCondition, Waveform
from tests.conftest import shared_data
from tests.flow.trees import BLOOD, NARROW, TRUNK, WIDE, fork, sine
from tests.flow.tubes import INLET, OUTLET, tube_model

AT = np.arange(100) / 100
BETWEEN = AT - 0.005  # a sample's flow is the mean since the sample before
SI_OF_CGS_RESISTANCE = 1e5


def loaded(cap: int, circuit: Circuit) -> OutletCondition:
    kind = "windkessel" if circuit.compliance else "resistance"
    parts = (circuit.resistance, circuit.compliance or None, circuit.distal_resistance or None)
    return OutletCondition(cap, kind, None, circuit.distal_pressure, *parts)


def network(boundary: BoundaryConditions, circuits: list[Circuit]) -> tuple[FloatArray, FloatArray]:
    """Flows (k, 100) in mL/s and pressure (100,) in Pa without the lumen, at the times of a history."""
    assert boundary.waveform is not None
    fine, wave = np.arange(800) / 800, boundary.waveform
    inflow = 1e-6 * boundary.inlets[0].mean_flow_ml_s * np.interp(fine, wave.phase, wave.ratio, period=1.0)
    flows, pressure = periodic_flows(circuits, inflow, wave.period_s)
    at_samples = np.stack([np.interp(BETWEEN, fine, flow, period=1.0) for flow in flows])
    return 1e6 * at_samples, np.interp(AT, fine, pressure, period=1.0)


def off(found: FloatArray, exact: FloatArray) -> float:
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def test_the_pipe_with_a_windkessel_of_svmultiphysics() -> None:
    """Its inflow, blood and circuit; of its mesh only the file names are known, so radius and length are chosen here."""
    facts = json.loads(shared_data("svfsi/pipe_RCR_3d.json").read_text())
    rows = np.loadtxt(shared_data("svfsi/pipe_RCR_3d_lumen_inlet.flow"), skiprows=1)
    rcr = facts["outlet_RCR"]
    circuit = Circuit(
        SI_OF_CGS_RESISTANCE * rcr["proximal_resistance_dyn_s_per_cm5"],
        rcr["capacitance_cm5_per_dyn"] / SI_OF_CGS_RESISTANCE,
        SI_OF_CGS_RESISTANCE * rcr["distal_resistance_dyn_s_per_cm5"],
        0.1 * rcr["distal_pressure"],
    )
    blood = Blood(1000.0 * facts["density"], "newtonian", {"viscosity": 0.1 * facts["viscosity"]})
    flow = -rows[:-1, 1]
    waveform = Waveform("svfsi", float(rows[-1, 0]), rows[:-1, 0], flow / flow.mean())
    inlet = InletCondition(INLET, float(flow.mean()), "parabolic")
    boundary = BoundaryConditions((inlet,), (loaded(OUTLET, circuit),), blood, waveform)
    # Far coarser than an artery may be set to: the pipe is 4 cm wide. A small Mach number, because the flow is so slow that
    # sound would need a tenth of the cycle for its length.
    chosen = FlowSettings(cycles=2, threads=1, max_mach=0.05).model_copy(update={"resolution_mm": 2.0})
    solution = simulate(tube_model(20.0, 40.0, np.array([0.0, 0.0, 1.0])), boundary, chosen)
    flows, pressure = network(boundary, [circuit])
    assert off(solution.history[f"outflow_{OUTLET}"], flows[0]) < 0.01
    assert off(solution.history[f"pressure_{OUTLET}"], pressure) < 0.005
    # Over the pipe: the blood's inertia, and friction that is an order smaller.
    drop = solution.history[f"pressure_{INLET}"] - solution.history[f"pressure_{OUTLET}"]
    rate = np.gradient(np.tile(np.interp(AT, waveform.phase, flow, period=1.0), 3))[100:200] * 1e2 * 1e-6
    inertia = blood.density * 0.04 / (np.pi * 0.02**2) * rate
    assert np.abs(drop - inertia).max() < 0.25 * np.abs(inertia).max()


def test_two_unequal_windkessels() -> None:
    circuits = [Circuit(1.2e9, 6e-11, 9e9, 0.0), Circuit(3e9, 1.5e-11, 20e9, 0.0)]
    outlets = (loaded(WIDE, circuits[0]), loaded(NARROW, circuits[1]))
    boundary = BoundaryConditions((InletCondition(TRUNK, 1.0, "womersley"),), outlets, BLOOD, sine(0.6, 0.5))
    solution = simulate(fork(), boundary, FlowSettings(resolution_mm=0.35, cycles=3, threads=1))
    flows, pressure = network(boundary, circuits)
    assert solution.numerics["converged"]
    for cap, flow in zip((WIDE, NARROW), flows, strict=True):
        assert off(solution.history[f"outflow_{cap}"], flow) < 0.01
        assert solution.history[f"outflow_{cap}"].mean() == pytest.approx(flow.mean(), rel=0.004)
        # The caps lie before the extensions, which lose some Pa themselves.
        assert off(solution.history[f"pressure_{cap}"], pressure) < 0.01
        spectrum = np.abs(np.fft.rfft(solution.history[f"outflow_{cap}"]))
        assert spectrum[6:].max() < 0.02 * spectrum[1]


def test_resistances_at_steady_flow() -> None:
    """Of a Windkessel in steady flow the two resistances are left, in a row."""
    circuits = [Circuit(2e9, 5e-11, 8e9, 1000.0), Circuit(30e9, distal_pressure=1000.0)]
    outlets = (loaded(WIDE, circuits[0]), loaded(NARROW, circuits[1]))
    boundary = BoundaryConditions((InletCondition(TRUNK, 1.0, "parabolic"),), outlets, BLOOD, None)
    solution = simulate(fork(), boundary, FlowSettings(resolution_mm=0.35, steady=True, threads=1))
    wide, narrow = (float(solution.history[f"outflow_{cap}"][-1]) for cap in (WIDE, NARROW))
    assert wide / (wide + narrow) == pytest.approx(0.75, rel=0.005)
    assert wide + narrow == pytest.approx(1.0, rel=1e-3)
    assert solution.history[f"pressure_{WIDE}"][-1] == pytest.approx(1000.0 + 1e-6 * wide * 10e9, rel=0.005)
    assert solution.wall_fields["pressure"].min() > 8000.0
    assert solution.volume.pressure.mean() == pytest.approx(8550.0, rel=0.01)


def test_a_soft_and_a_stiff_load_stay_stable_with_flow_that_reverses() -> None:
    outlets = (loaded(WIDE, Circuit(1e6, 1e-9, 9e6, 500.0)), loaded(NARROW, Circuit(1e10)))
    boundary = BoundaryConditions((InletCondition(TRUNK, 1.0, "womersley"),), outlets, BLOOD, sine(0.3, 1.4))
    solution = simulate(fork(), boundary, FlowSettings(resolution_mm=0.4, cycles=1, threads=1))
    total = solution.history[f"outflow_{WIDE}"] + solution.history[f"outflow_{NARROW}"]
    np.testing.assert_allclose(total, solution.history[f"inflow_{TRUNK}"], atol=0.08)
    assert solution.numerics["mass_imbalance_percent"] < 0.3
    spectrum = np.abs(np.fft.rfft(solution.history[f"pressure_{NARROW}"]))
    assert spectrum[10:].max() < 0.05 * spectrum[1]


def test_a_fixed_pressure_is_only_added() -> None:
    def at(pressure: float) -> FlowSolution:
        outlets = tuple(OutletCondition(cap, "pressure", pressure=pressure) for cap in (WIDE, NARROW))
        boundary = BoundaryConditions((InletCondition(TRUNK, 1.0, "parabolic"),), outlets, BLOOD, None)
        return simulate(fork(), boundary, FlowSettings(resolution_mm=0.4, steady=True, threads=1))

    zero, high = at(0.0), at(12e3)
    np.testing.assert_allclose(high.wall_fields["TAWSS"], zero.wall_fields["TAWSS"], rtol=0.02)
    np.testing.assert_allclose(high.wall_fields["pressure"] - 12e3, zero.wall_fields["pressure"], atol=2.0)
    assert high.history[f"outflow_{WIDE}"][-1] == pytest.approx(zero.history[f"outflow_{WIDE}"][-1], rel=0.01)


def test_shares_and_resistances_do_not_go_together() -> None:
    outlets = (OutletCondition(WIDE, "flow-split", flow_share=0.6), loaded(NARROW, Circuit(1e10)))
    boundary = BoundaryConditions((InletCondition(TRUNK, 1.0, "parabolic"),), outlets, BLOOD, None)
    with pytest.raises(InputError, match=f"Outlet {WIDE}"):
        simulate(fork(), boundary, FlowSettings(resolution_mm=0.4, steady=True, threads=1))
