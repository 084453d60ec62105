"""Developed steady flow in straight tubes: how a solution differs from the exact one in the tube's middle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import simulate
from aneuflow.types import (
    Blood,
    BoundaryConditions,
    FloatArray,
    FlowSolution,
    InletCondition,
    OutletCondition,
    Waveform,
)
from aneuflow.verification.compare import cap_pressure, relative_l2
from aneuflow.verification.shapes import INLET, OUTLET, frame_along, tube_model
from aneuflow.verification.trial import Means

RADIUS_MM = 2.0
_CONVERGENCE_PERCENT = 0.2
PLASMA = Blood(1060.0, "newtonian", {"viscosity": 0.0035})


def tube_conditions(flow_ml_s: float, blood: Blood, waveform: Waveform | None = None) -> BoundaryConditions:
    """All of the flow in at one end, with the profile of developed Newtonian flow, and zero pressure at the other."""
    profile = "parabolic" if waveform is None else "womersley"
    outlet = OutletCondition(OUTLET, "pressure", pressure=0.0)
    return BoundaryConditions((InletCondition(INLET, flow_ml_s, profile),), (outlet,), blood, waveform)  # type: ignore[arg-type]


def solve_tube(
    means: Means,
    axis: FloatArray,
    diameters: float,
    cells_across: float,
    flow_ml_s: float,
    blood: Blood,
    max_mach: float = 0.0,
) -> FlowSolution:
    """Steady flow in a tube of `diameters` length with `cells_across` lattice cells in its diameter."""
    model = tube_model(RADIUS_MM, 2.0 * RADIUS_MM * diameters, axis)
    settings = FlowSettings(
        resolution_mm=2.0 * RADIUS_MM / cells_across,
        steady=True,
        threads=means.threads,
        convergence_percent=_CONVERGENCE_PERCENT,
        max_mach=max_mach,
    )
    return simulate(model, tube_conditions(flow_ml_s, blood), settings, means.progress, means.checkpoint)


def tube_errors(
    solution: FlowSolution,
    axis: FloatArray,
    part: tuple[float, float],
    exact_velocity: Callable[[FloatArray], FloatArray],
    exact_shear_pa: float,
) -> dict[str, float]:
    """Errors between two heights (mm) of the tube, in %: velocity L2, mean wall shear, its scatter, direction of the shear.

    exact_velocity: axial velocity in m/s at radii (n,) in mm.
    """
    w = frame_along(axis)[2]
    points = solution.volume.points_mm
    height = points @ w
    radius = np.linalg.norm(points - height[:, None] * w, axis=1)
    inside = (height > part[0]) & (height < part[1]) & (np.abs(solution.volume.velocity).sum(axis=1) > 0.0)
    exact = exact_velocity(radius[inside])[:, None] * w
    on_wall = solution.wall.points @ w
    shear = solution.wall_fields["WSS_mean"][(on_wall > part[0]) & (on_wall < part[1])].astype(np.float64)
    size = np.linalg.norm(shear, axis=1)
    numbers = {
        "velocity_l2_percent": 100.0
        * relative_l2(solution.volume.velocity[inside].astype(np.float64), exact, np.ones(len(exact))),
        "shear_percent": 100.0 * (float(size.mean()) / exact_shear_pa - 1.0),
        "shear_scatter_percent": 100.0 * float(size.std()) / exact_shear_pa,
        "shear_direction_deg": float(np.degrees(np.arccos(np.clip((shear @ w / size).mean(), -1.0, 1.0)))),
    }
    return numbers | settings_reached(solution)


def settings_reached(solution: FlowSolution) -> dict[str, float]:
    """What the solver chose, and how far it came: cells, relaxation time, steps, change in %."""
    numerics = solution.numerics
    kept = ("cells", "relaxation_time", "steps", "change_percent", "mass_imbalance_percent")
    return {name: float(numerics[name]) for name in kept}


def pressure_gradient(solution: FlowSolution, axis: FloatArray, part: tuple[float, float]) -> float:
    """Fall of the pressure along the tube between two heights (mm), Pa per mm: slope of a line through all its nodes."""
    height = solution.volume.points_mm @ frame_along(axis)[2]
    chosen = (height > part[0]) & (height < part[1]) & (np.abs(solution.volume.velocity).sum(axis=1) > 0.0)
    return -float(np.polyfit(height[chosen], solution.volume.pressure[chosen].astype(np.float64), 1)[0])


def outlet_offset(solution: FlowSolution, axis: FloatArray, length_mm: float) -> float:
    """Pressure carried to the outlet's plane, where zero is prescribed, Pa."""
    spacing = float(solution.numerics["resolution_mm"])
    return cap_pressure(solution.volume, tube_model(RADIUS_MM, length_mm, axis).caps[1], spacing)
