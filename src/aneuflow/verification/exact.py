"""Exact flows in a round tube, and curved-tube correlations."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from aneuflow.numerics.rheology import viscosity
from aneuflow.types import Blood, FloatArray

_RADII = 401


def poiseuille_shear_pa(flow_ml_s: float, radius_mm: float, viscosity_pa_s: float) -> float:
    """4 mu Q / (pi r^3)."""
    return 4e3 * viscosity_pa_s * flow_ml_s / (np.pi * radius_mm**3)


def poiseuille_velocity(flow_ml_s: float, radius_mm: float, r_mm: FloatArray) -> FloatArray:
    """Axial velocity in m/s at the radii `r_mm` (n,)."""
    return 2.0 * flow_ml_s / (np.pi * radius_mm**2) * (1.0 - (r_mm / radius_mm) ** 2)


def flow_ml_s(reynolds: float, radius_mm: float, blood: Blood) -> float:
    """The flow at which rho U D / mu, with the mean velocity and the viscosity at high shear, is `reynolds`."""
    return 1e3 * reynolds * np.pi * 1e-3 * radius_mm / 2.0 * blood.parameters["viscosity"] / blood.density * 1e3


def thinning_flow(blood: Blood, radius_mm: float, flow_ml_s: float) -> tuple[FloatArray, FloatArray, float]:
    """Radii in mm (n,), axial velocity in m/s (n,) and wall shear in Pa of developed flow of any viscosity law.

    The stress is linear in the radius; the shear rate follows from it at each radius, the velocity by integration from the
    wall, and the wall shear is the one that gives the flow.
    """
    radius = np.linspace(0.0, 1e-3 * radius_mm, _RADII)
    rates = np.concatenate([[0.0], np.geomspace(1e-5, 1e6, 8000)])
    stresses = viscosity(rates, blood.model, blood.parameters) * rates

    def velocity(wall_shear: float) -> FloatArray:
        rate = np.interp(wall_shear * radius / radius[-1], stresses, rates)
        inward = np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(radius))])
        return np.asarray(inward[-1] - inward)

    def excess(wall_shear: float) -> float:
        return float(np.trapezoid(2.0 * np.pi * radius * velocity(wall_shear), radius)) - 1e-6 * flow_ml_s

    wall_shear = float(brentq(excess, 1e-4, 100.0))
    return 1e3 * radius, velocity(wall_shear), wall_shear


def power_law_shear_pa(consistency: float, exponent: float, radius_mm: float, flow_ml_s: float) -> float:
    """Wall shear of a power-law fluid, stress = consistency * rate^exponent (SI): Rabinowitsch's closed form."""
    rate = 4e3 * flow_ml_s / (np.pi * radius_mm**3) * (3.0 * exponent + 1.0) / (4.0 * exponent)
    return float(consistency * rate**exponent)
