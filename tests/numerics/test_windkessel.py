"""Circuits beyond an outlet: against the differential equation, in parallel, and fitted back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from aneuflow.numerics.windkessel import Circuit, fit_resistance, fit_windkessel, periodic_flows, shared_out

PERIOD_S, SAMPLES = 0.9, 256
PHASE = np.arange(SAMPLES) / SAMPLES
FLOW = 1e-6 * (3.0 + 1.5 * np.sin(2 * np.pi * PHASE) + 0.6 * np.cos(4 * np.pi * PHASE))
BODY = Circuit(4e8, 3e-10, 3.2e9, 900.0)


def test_periodic_pressure_solves_the_differential_equation() -> None:
    def rate(t: float, stored: np.ndarray) -> np.ndarray:
        flow = np.interp(t / PERIOD_S, PHASE, FLOW, period=1.0)
        return (flow - (stored - BODY.distal_pressure) / BODY.distal_resistance) / BODY.compliance

    times = PERIOD_S * (19 + PHASE)
    solved = solve_ivp(rate, (0.0, 20 * PERIOD_S), [1e4], t_eval=times, rtol=1e-8, max_step=PERIOD_S / SAMPLES)
    pressure = periodic_flows([BODY], FLOW, PERIOD_S)[1]
    np.testing.assert_allclose(pressure, solved.y[0] + BODY.resistance * FLOW, rtol=2e-4)


def test_the_step_of_a_constant_flow_is_exact() -> None:
    stored, step = 5000.0, 0.01
    keep = BODY.keep(step)
    once = keep * stored + (1.0 - keep) * (BODY.distal_pressure + BODY.distal_resistance * 2e-6)
    time_constant = BODY.distal_resistance * BODY.compliance
    final = BODY.distal_pressure + BODY.distal_resistance * 2e-6
    assert once == pytest.approx(final + (stored - final) * np.exp(-step / time_constant), rel=1e-12)
    assert Circuit(1e9).keep(step) == 0.0


def test_two_outlets_share_as_their_resistances_do() -> None:
    flows, pressure = periodic_flows([Circuit(1e9, distal_pressure=100.0), Circuit(3e9, distal_pressure=100.0)], FLOW, PERIOD_S)
    np.testing.assert_allclose(flows[0], 0.75 * FLOW, rtol=1e-9)
    np.testing.assert_allclose(pressure, 100.0 + 0.75e9 * FLOW, rtol=1e-9)


def test_circuits_shared_out_act_as_the_whole() -> None:
    shares = np.array([0.5, 0.3, 0.2])
    flows, pressure = periodic_flows(shared_out(BODY, shares), FLOW, PERIOD_S)
    np.testing.assert_allclose(flows, shares[:, None] * FLOW, rtol=1e-9)
    np.testing.assert_allclose(pressure, periodic_flows([BODY], FLOW, PERIOD_S)[1], rtol=1e-9)


@pytest.mark.parametrize("circuit", [BODY, Circuit(1.2e9, 1e-10, 1.1e9, 0.0), Circuit(5e7, 5e-11, 5e9, 1500.0)])
def test_a_windkessel_is_found_again_from_its_pressure(circuit: Circuit) -> None:
    pressure = periodic_flows([circuit], FLOW, PERIOD_S)[1]
    found, left = fit_windkessel(FLOW, pressure, PERIOD_S, circuit.distal_pressure)
    assert left < 1e-3 * np.ptp(pressure)
    assert found.resistance == pytest.approx(circuit.resistance, rel=0.01)
    assert found.compliance == pytest.approx(circuit.compliance, rel=0.01)
    assert found.distal_resistance == pytest.approx(circuit.distal_resistance, rel=0.01)


def test_a_fit_keeps_the_mean_of_a_pressure_no_circuit_gives() -> None:
    pressure = 12e3 + 3e3 * np.sin(2 * np.pi * PHASE + 2.0)
    found, left = fit_windkessel(FLOW, pressure, PERIOD_S, 500.0)
    assert periodic_flows([found], FLOW, PERIOD_S)[1].mean() == pytest.approx(12e3, rel=1e-9)
    assert left > 100.0
    assert fit_resistance(FLOW, pressure, 500.0).resistance == pytest.approx(11.5e3 / FLOW.mean())
