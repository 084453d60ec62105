"""Grid refinement on real sacs: how far the sac's mean wall shear still moves, and where it heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from scipy.optimize import brentq

from aneuflow.boundary import BoundarySettings, set_boundary
from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import simulate
from aneuflow.geometry.model import build_model
from aneuflow.geometry.settings import ModelSettings
from aneuflow.types import Surface
from aneuflow.verification.trial import Case, Found, Gate, Means, Plot, Row, Trial
from aneuflow.verification.tubes import settings_reached

SACS = ("AN1", "AN142", "AN158", "AN164", "AN168-2")
RESOLUTIONS_MM = (0.2, 0.15, 0.1)
MEASURES = ("sac_tawss_mean", "parent_tawss_mean")
_ORDERS = (0.5, 4.0)  # an observed order outside of it says that the grids are not yet in their asymptotic range


def refined_flow(means: Means, sac: str, resolution_mm: float) -> Found:
    """Steady flow at the cycle-mean inflow in a segment as `aneuflow assess` sets it up, extensions and all."""
    with np.load(means.data / f"intra/annotated/{sac}.npz") as content:
        surface = Surface(content["points"].astype(np.float64), content["triangles"].astype(np.int32))
    model = build_model(surface, ModelSettings())
    boundary = set_boundary(model, BoundarySettings(), steady=True)
    settings = FlowSettings(resolution_mm=resolution_mm, steady=True, threads=means.threads)
    solution = simulate(model, boundary, settings, means.progress, means.checkpoint)
    numbers = settings_reached(solution)
    for measure in solution.measures:
        if measure.id in MEASURES and measure.low is not None and measure.high is not None:
            numbers |= {measure.id: measure.value, f"{measure.id}_low": measure.low, f"{measure.id}_high": measure.high}
    return Found(numbers)


def richardson(spacings: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Value at zero spacing and observed order from three grids, coarse to fine.

    Where the values are not monotone, or the order lies outside 0.5 to 4, the order is NaN and the value is extrapolated
    from the finer two at first order, the cautious one. Source: Celik et al. 2008, J. Fluids Eng. 130:078001.
    """
    h1, h2, h3 = spacings
    f1, f2, f3 = values

    def excess(p: float) -> float:
        return float((f1 - f2) * (h2**p - h3**p) - (f2 - f3) * (h1**p - h2**p))

    low, high = _ORDERS
    if (f1 - f2) * (f2 - f3) <= 0.0 or excess(low) * excess(high) > 0.0:
        return f3 + (f3 - f2) * h3 / (h2 - h3), float("nan")
    order = float(brentq(excess, low, high))
    return f3 + (f3 - f2) * h3**order / (h2**order - h3**order), order


def trial_name(sac: str, resolution_mm: float) -> str:
    return f"refinement-{sac}-{1e3 * resolution_mm:.0f}um"


def _series(found: Mapping[str, Found], sac: str, measure: str) -> list[float] | None:
    names = [trial_name(sac, h) for h in RESOLUTIONS_MM]
    if any(name not in found or measure not in found[name].numbers for name in names):
        return None
    return [found[name].numbers[measure] for name in names]


def _judge(found: Mapping[str, Found]) -> tuple[Row, ...]:
    rows = []
    for sac in SACS:
        for measure, what in zip(MEASURES, ("sac", "parent"), strict=True):
            values = _series(found, sac, measure)
            if values is None:
                rows.append(Row(f"{sac}: mean wall shear of the {what}", "%", Gate(), None, "needs all three grids"))
                continue
            limit, order = richardson(RESOLUTIONS_MM, values)
            seen = "not in the asymptotic range" if np.isnan(order) else f"observed order {order:.1f}"
            for h, value in zip(RESOLUTIONS_MM, values, strict=True):
                line = f"{sac}: {what} mean at {h:g} mm over the extrapolated {limit:.3g} Pa"
                rows.append(Row(line, "%", Gate(), 100.0 * (value / limit - 1.0), seen))
    return (*rows, *_coverage(found))


def _coverage(found: Mapping[str, Found]) -> tuple[Row, ...]:
    """How many of the means on the coarsest grid have intervals that hold what the finest grid gives, or is heading to."""
    held: dict[str, list[bool]] = {"the value at the finest": [], "the extrapolated value": []}
    for sac in SACS:
        for measure in MEASURES:
            values = _series(found, sac, measure)
            if values is not None:
                coarse = found[trial_name(sac, RESOLUTIONS_MM[0])].numbers
                for of, wanted in zip(held.values(), (values[-1], richardson(RESOLUTIONS_MM, values)[0]), strict=True):
                    of.append(coarse[f"{measure}_low"] <= wanted <= coarse[f"{measure}_high"])
    line = f"means at {RESOLUTIONS_MM[0]:g} mm whose interval holds"
    return tuple(
        Row(f"{line} {what}", "%", Gate(), 100.0 * float(np.mean(of)) if of else None, f"of {len(of)}" if of else "")
        for what, of in held.items()
    )


def _plots(found: Mapping[str, Found]) -> tuple[Plot, ...]:
    curves = {}
    for sac in SACS:
        values = _series(found, sac, MEASURES[0])
        if values is not None:
            limit = richardson(RESOLUTIONS_MM, values)[0]
            curves[sac] = ([0.0, *RESOLUTIONS_MM[::-1]], [1.0, *(value / limit for value in values[::-1])])
    return (Plot("Sac mean of wall shear over its extrapolated value", "spacing, mm", "ratio", curves),) if curves else ()


def cases() -> tuple[Case, ...]:
    trials = tuple(
        Trial(
            trial_name(sac, h),
            {"sac": sac, "resolution_mm": h},
            partial(refined_flow, sac=sac, resolution_mm=h),
            (f"intra/annotated/{sac}.npz",),
        )
        for sac in SACS
        for h in RESOLUTIONS_MM
    )
    note = "Steady flow at the cycle-mean inflow, set up as `aneuflow assess` does it."
    return (Case("refinement", "Grid refinement on five real sacs", trials, _judge, _plots, note=note),)
