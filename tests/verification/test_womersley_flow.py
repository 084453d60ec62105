"""Pulsatile flow in a tube against Womersley's solution."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import simulate
from aneuflow.numerics.womersley import womersley_number, womersley_wall_shear
from aneuflow.types import BoundaryConditions, FlowSolution, InletCondition, OutletCondition
from tests.flow.trees import BLOOD, sine
from tests.flow.tubes import INLET, OUTLET, frame_along, tube_model

RADIUS_MM, LENGTH_MM, FLOW_ML_S, SWING = 1.5, 6.0, 0.5, 0.8
AXIS = np.array([1.0, 2.0, 3.0])
NU, MU = 0.0035 / 1060.0, 0.0035
POISEUILLE_PA = 4e3 * MU * FLOW_ML_S / (np.pi * RADIUS_MM**3)


def period_of(alpha: float) -> float:
    return float(2 * np.pi * (1e-3 * RADIUS_MM) ** 2 / NU / alpha**2)


@pytest.fixture(scope="module", params=[2.0, 4.0])
def pulse(request: pytest.FixtureRequest) -> tuple[float, FlowSolution]:
    alpha = request.param
    waveform = sine(period_of(alpha), SWING)
    assert womersley_number(1e-3 * RADIUS_MM, waveform.period_s, NU) == pytest.approx(alpha)
    outlet = OutletCondition(OUTLET, "pressure", pressure=0.0)
    boundary = BoundaryConditions((InletCondition(INLET, FLOW_ML_S, "womersley"),), (outlet,), BLOOD, waveform)
    settings = FlowSettings(resolution_mm=0.3, cycles=2, threads=1)
    return alpha, simulate(tube_model(RADIUS_MM, LENGTH_MM, AXIS, extension_mm=3.0), boundary, settings)


def exact_shear(alpha: float) -> np.ndarray:
    """Wall shear through the cycle, Pa."""
    flow = 1.0 + SWING * np.sin(2 * np.pi * np.arange(200) / 200)
    return POISEUILLE_PA * womersley_wall_shear(flow, alpha)


def middle(solution: FlowSolution) -> np.ndarray:
    along = solution.wall.points @ frame_along(AXIS)[2]
    return (along > 0.2 * LENGTH_MM) & (along < 0.8 * LENGTH_MM)


def test_time_averaged_wall_shear(pulse: tuple[float, FlowSolution]) -> None:
    alpha, solution = pulse
    shear = solution.wall_fields["TAWSS"][middle(solution)]
    assert shear.mean() == pytest.approx(np.abs(exact_shear(alpha)).mean(), rel=0.04)


def test_wall_shear_at_peak_flow(pulse: tuple[float, FlowSolution]) -> None:
    alpha, solution = pulse
    peak = np.linalg.norm(solution.wall_fields["WSS_peak"][middle(solution)], axis=1)
    assert peak.mean() == pytest.approx(exact_shear(alpha)[50], rel=0.05)


def test_oscillatory_index(pulse: tuple[float, FlowSolution]) -> None:
    alpha, solution = pulse
    exact = exact_shear(alpha)
    expected = 0.5 * (1.0 - abs(exact.mean()) / np.abs(exact).mean())
    assert solution.wall_fields["OSI"][middle(solution)].mean() == pytest.approx(expected, abs=0.01)


def test_pressure_loss_leads_the_flow(pulse: tuple[float, FlowSolution]) -> None:
    """The first harmonic of the pressure drop: inertia makes it larger and earlier than the flow."""
    alpha, solution = pulse
    drop = solution.history[f"pressure_{INLET}"] - solution.history[f"pressure_{OUTLET}"]
    # Pressures are those of an instant; the flows of the history are means over the sample before it.
    flow = FLOW_ML_S * (1.0 + SWING * np.sin(2 * np.pi * solution.history["time_s"] / period_of(alpha)))
    measured = np.fft.rfft(drop)[1] / np.fft.rfft(flow)[1]
    area, omega = np.pi * (1e-3 * RADIUS_MM) ** 2, 2 * np.pi / period_of(alpha)
    shear = np.fft.rfft(exact_shear(alpha))[1] / (0.5 * 200 * SWING / 1j) / (1e-6 * FLOW_ML_S)
    # Momentum balance of the tube: A dp = rho L dQ/dt + 2 pi R L tau.
    impedance = 1j * omega * 1060.0 / area + 2.0 * shear / (1e-3 * RADIUS_MM)
    expected = impedance * 1e-3 * LENGTH_MM * 1e-6
    assert abs(measured) == pytest.approx(abs(expected), rel=0.05)
    assert np.angle(measured / expected) == pytest.approx(0.0, abs=0.04)
