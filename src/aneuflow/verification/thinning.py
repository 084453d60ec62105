"""Shear-thinning blood in a tube against the one-dimensional solution."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from aneuflow.types import Blood, FloatArray
from aneuflow.verification.exact import flow_ml_s, power_law_shear_pa, thinning_flow
from aneuflow.verification.shapes import frame_along
from aneuflow.verification.trial import Case, Found, Gate, Means, Plot, Row, Trial
from aneuflow.verification.tubes import PLASMA, RADIUS_MM, solve_tube, tube_errors

AXIS = np.array([1.0, 2.0, 3.0])
CELLS_ACROSS, DIAMETERS = 20, 6.0
REYNOLDS = 30.0  # by the viscosity at high shear: the inlet's parabola has turned into the blood's profile within half the tube
_PART = (0.55, 0.85)  # of the length
CONSISTENCY, EXPONENT = 0.0285, 0.6
BLOODS: Mapping[str, Blood] = {
    "carreau-yasuda": Blood(
        1060.0,
        "carreau-yasuda",
        {
            "viscosity": 0.0035,
            "zero_shear_viscosity": 0.056,
            "time_constant_s": 3.313,
            "yasuda_exponent": 2.0,
            "power_index": 0.3568,
        },
    ),
    "casson": Blood(1060.0, "casson", {"viscosity": 0.0035, "yield_stress_pa": 0.005}),
    # Carreau-Yasuda's law between its plateaus, which lie at 0.01 1/s and beyond 1e5 1/s.
    "power-law": Blood(
        1060.0,
        "carreau-yasuda",
        {
            "viscosity": 1e-4,
            "zero_shear_viscosity": CONSISTENCY * 100.0 ** (1.0 - EXPONENT),
            "time_constant_s": 100.0,
            "yasuda_exponent": 2.0,
            "power_index": EXPONENT,
        },
    ),
}


def developed_flow(means: Means, model: str, cells_across: int) -> Found:
    """The errors of one viscosity law, and how much its wall shear differs from Newtonian blood's."""
    blood, flow = BLOODS[model], flow_ml_s(REYNOLDS, RADIUS_MM, PLASMA)
    radii, profile, shear = thinning_flow(blood, RADIUS_MM, flow)
    solution = solve_tube(means, AXIS, DIAMETERS, cells_across, flow, blood)
    length = 2.0 * RADIUS_MM * DIAMETERS

    def exact(r_mm: FloatArray) -> FloatArray:
        return np.asarray(np.interp(r_mm, radii, profile))

    numbers = tube_errors(solution, AXIS, (_PART[0] * length, _PART[1] * length), exact, shear)
    numbers["exact_shear_pa"] = shear
    if model == "power-law":
        closed = power_law_shear_pa(CONSISTENCY, EXPONENT, RADIUS_MM, flow)
        numbers["exact_over_closed_form_percent"] = 100.0 * (shear / closed - 1.0)
    w = frame_along(AXIS)[2]
    points, axial = solution.volume.points_mm, solution.volume.velocity @ w
    height = points @ w
    layer = np.abs(height - 0.7 * length) < 0.5 * float(solution.numerics["resolution_mm"])
    radius = np.linalg.norm(points - height[:, None] * w, axis=1)[layer & (axial > 0.0)]
    curves = {
        "exact": (radii.tolist(), profile.tolist()),
        "computed": (radius.tolist(), axial[layer & (axial > 0.0)].astype(float).tolist()),
    }
    return Found(numbers, curves)


def _judge(found: Mapping[str, Found]) -> tuple[Row, ...]:
    if not found:
        return (Row("mean wall shear", "%", Gate(2.0, 1.0), None),)
    rows = []
    for name, one in found.items():
        model = name.removeprefix("thinning-")
        rows += [
            Row(f"{model}: mean wall shear", "%", Gate(2.0, 1.0), one.numbers["shear_percent"]),
            Row(f"{model}: velocity L2", "%", Gate(), one.numbers["velocity_l2_percent"]),
        ]
    return tuple(rows)


def _plots(found: Mapping[str, Found]) -> tuple[Plot, ...]:
    return tuple(
        Plot(f"Axial velocity, {name.removeprefix('thinning-')}", "radius, mm", "m/s", one.curves, ("computed",))
        for name, one in found.items()
    )


def cases() -> tuple[Case, ...]:
    trials = tuple(
        Trial(
            f"thinning-{model}",
            {"model": model, "cells_across": CELLS_ACROSS, "parameters": dict(blood.parameters), "reynolds": REYNOLDS},
            partial(developed_flow, model=model, cells_across=CELLS_ACROSS),
        )
        for model, blood in BLOODS.items()
    )
    note = "Power-law fluid as Carreau-Yasuda's law between its plateaus; the exact solution is that of the law as it is run."
    title = f"Shear-thinning blood, {CELLS_ACROSS} cells per diameter, tube along (1,2,3)"
    return (Case("thinning", title, trials, _judge, _plots, (trials[1].name,), note),)
