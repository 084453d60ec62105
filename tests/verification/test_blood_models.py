"""Shear-thinning blood in a tube against the one-dimensional solution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import simulate
from aneuflow.types import Blood, BoundaryConditions, FlowSolution, InletCondition, OutletCondition
from tests.bloods import CARREAU_YASUDA, CASSON
from tests.flow.tubes import INLET, OUTLET, frame_along, tube_model

RADIUS_MM, LENGTH_MM, FLOW_ML_S = 1.5, 12.0, 0.3
AXIS = np.array([1.0, 2.0, 3.0])
BLOODS = [Blood(1060.0, "carreau-yasuda", CARREAU_YASUDA), Blood(1060.0, "casson", CASSON)]


def apparent_viscosity(rate: np.ndarray, blood: Blood) -> np.ndarray:
    """Pa s; written down here anew, so that the product's formula is checked too."""
    p = blood.parameters
    if blood.model == "casson":
        return (np.sqrt(p["viscosity"]) + np.sqrt(p["yield_stress_pa"] / np.maximum(rate, 0.01))) ** 2
    thinning = (1.0 + (p["time_constant_s"] * rate) ** 2.0) ** ((p["power_index"] - 1.0) / 2.0)
    return p["viscosity"] + (p["zero_shear_viscosity"] - p["viscosity"]) * thinning


def exact(blood: Blood) -> tuple[np.ndarray, np.ndarray, float]:
    """Radii in m, axial velocity in m/s and wall shear in Pa of the developed flow.

    The stress is linear in the radius; the shear rate follows from it at each radius, the velocity by integration from the
    wall, and the wall shear is the one that gives the flow.
    """
    radius = np.linspace(0.0, 1e-3 * RADIUS_MM, 401)
    rates = np.concatenate([[0.0], np.geomspace(1e-4, 1e5, 4000)])
    stresses = apparent_viscosity(rates, blood) * rates

    def velocity(wall_shear: float) -> np.ndarray:
        rate = np.interp(wall_shear * radius / radius[-1], stresses, rates)
        inward = np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(radius))])
        return inward[-1] - inward

    def flow(wall_shear: float) -> float:
        return float(np.trapezoid(2 * np.pi * radius * velocity(wall_shear), radius))

    wall_shear = brentq(lambda stress: flow(stress) - 1e-6 * FLOW_ML_S, 1e-3, 20.0)
    return radius, velocity(wall_shear), wall_shear


@pytest.fixture(scope="module", params=BLOODS, ids=lambda blood: blood.model)
def developed(request: pytest.FixtureRequest) -> tuple[Blood, FlowSolution]:
    outlet = OutletCondition(OUTLET, "pressure", pressure=0.0)
    boundary = BoundaryConditions((InletCondition(INLET, FLOW_ML_S, "parabolic"),), (outlet,), request.param, None)
    settings = FlowSettings(resolution_mm=0.3, steady=True, threads=1)
    return request.param, simulate(tube_model(RADIUS_MM, LENGTH_MM, AXIS), boundary, settings)


def downstream(points: np.ndarray) -> np.ndarray:
    """Where the inlet's parabola has turned into the blood's own profile, and the outlet is not yet felt."""
    along = points @ frame_along(AXIS)[2]
    return (along > 0.55 * LENGTH_MM) & (along < 0.85 * LENGTH_MM)


def test_wall_shear(developed: tuple[Blood, FlowSolution]) -> None:
    blood, solution = developed
    shear = solution.wall_fields["TAWSS"][downstream(solution.wall.points)]
    newtonian = 4e3 * 0.0035 * FLOW_ML_S / (np.pi * RADIUS_MM**3)
    expected = exact(blood)[2]
    assert expected > 1.1 * newtonian
    assert shear.mean() == pytest.approx(expected, rel=0.05)


def test_velocity(developed: tuple[Blood, FlowSolution]) -> None:
    blood, solution = developed
    radii, profile, _ = exact(blood)
    axis, points = frame_along(AXIS)[2], solution.volume.points_mm
    radius = 1e-3 * np.linalg.norm(points - (points @ axis)[:, None] * axis, axis=1)
    inside = downstream(points) & (radius < radii[-1]) & (np.abs(solution.volume.velocity).sum(axis=1) > 0)
    expected = np.interp(radius[inside], radii, profile)
    error = solution.volume.velocity[inside] @ axis - expected
    assert np.sqrt((error**2).sum() / (expected**2).sum()) < 0.03


def test_the_profile_is_blunter_than_a_parabola(developed: tuple[Blood, FlowSolution]) -> None:
    solution = developed[1]
    speed = np.linalg.norm(solution.volume.velocity[downstream(solution.volume.points_mm)], axis=1)
    assert speed.max() < 0.97 * 2.0 * FLOW_ML_S / (np.pi * RADIUS_MM**2)
