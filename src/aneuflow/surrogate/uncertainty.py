"""What uncertain inflow, blood, outlets and place of the wall mean for the flow: the design, and the share of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pydantic
from scipy.stats import qmc

from aneuflow.numerics.chaos import expansion
from aneuflow.quantities import quantity
from aneuflow.surrogate.design import Axis
from aneuflow.types import FloatArray

# What is asked of: with the cycle's flow, and with a steady one, which does not oscillate.
ASKED = ("sac_tawss_mean", "sac_osi_mean", "low_shear_area", "pressure_loss")
WALL = "outward_mm"
UNCERTAIN = (
    Axis("flow_factor", 2 / 3, 1.5, 1.0, "inflow over that which follows from the artery's size", ratio=True),
    Axis("viscosity_mpa_s", 3.0, 4.5, 3.5, "viscosity of the blood, mPa s"),
    Axis("outlet_exponent", 2.0, 3.0, 3.0, "of the radius in the outlets' shares"),
    Axis(WALL, -0.13, 0.13, 0.0, "the whole wall moved along its normals, mm"),
)
_DEGREE = 3
_TRUSTED = 0.8  # of the variance, foretold where points are left out


class UncertaintySettings(pydantic.BaseModel, frozen=True, extra="forbid"):
    """How many shapes, at how many points of the design each, and how the flow is solved."""

    shapes: int = pydantic.Field(12, ge=1, le=1000, description="Real shapes with a sac and two outlets or more.")
    points: int = pydantic.Field(32, ge=16, le=4096, description="Simulations of each, a power of two.")
    steady: bool = pydantic.Field(False, description="The steady flow at the mean inflow alone, which does not oscillate.")
    resolution_mm: float = pydantic.Field(0.3, ge=0.1, le=0.5, description="Lattice spacing, mm.")
    seed: int = pydantic.Field(11, ge=0, description="Seed of the choice of shapes and of the design.")


def design(settings: UncertaintySettings) -> FloatArray:
    """Points (n, axes) in [0, 1] of a scrambled Sobol sequence, the same for every shape."""
    sobol = qmc.Sobol(len(UNCERTAIN), rng=np.random.default_rng(settings.seed))
    return np.asarray(sobol.random_base2(settings.points.bit_length() - 1))


def values_at(point: Sequence[float]) -> dict[str, float]:
    """The value of each axis at a point of the design, by name."""
    return {axis.name: axis.value(float(part)) for axis, part in zip(UNCERTAIN, point, strict=True)}


def shares(points: FloatArray, found: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """By quantity: mean, spread (standard deviation over the mean), first-order and total Sobol indices by axis, and the part
    of the variance that the expansion foretells at points left out; points (n, axes), found: the answers there.
    """
    made = {}
    for id in ASKED:
        values = np.array([mine.get(id, np.nan) for mine in found])
        known = np.isfinite(values)
        if known.sum() < len(values) or np.ptp(values) == 0.0:
            continue
        fitted = expansion(points, values, _DEGREE)
        made[id] = {
            "mean": fitted.mean,
            "spread": float(np.sqrt(fitted.variance) / abs(fitted.mean)),
            "explained": fitted.explained,
            "first": dict(zip((axis.name for axis in UNCERTAIN), fitted.first_order().tolist(), strict=True)),
            "total": dict(zip((axis.name for axis in UNCERTAIN), fitted.total().tolist(), strict=True)),
        }
    return made


def page(settings: UncertaintySettings, results: Mapping[str, Any]) -> str:
    """Results by shape (`pipeline.uncertainty`) as Markdown: medians over the shapes, then each shape."""
    shapes = results["shapes"]
    how = "the steady flow" if settings.steady else "the flow over a cardiac cycle"
    lines = [
        f"{len(shapes)} vessels, {settings.points} simulations each of {how} at {settings.resolution_mm:g} mm.",
        "",
        "| varied, evenly likely | from | to |",
        "|---|---|---|",
        *(
            f"| {axis.name}: {axis.meaning}{', by ratios' if axis.ratio else ''} | {axis.low:.3g} | {axis.high:.3g} |"
            for axis in UNCERTAIN
        ),
        "",
        "Total Sobol index: the share of the variance that is due to this alone and together with the others. Median over the "
        "vessels (least to most). Spread: standard deviation over the mean.",
        "",
        "| | spread, % | " + " | ".join(axis.name for axis in UNCERTAIN) + " | foretold |",
        "|---|---|" + "---|" * (len(UNCERTAIN) + 1),
    ]
    for id in ASKED:
        known = [found[id] for found in shapes.values() if found.get(id, {}).get("explained", 0.0) >= _TRUSTED]
        if known:
            cells = [_range([100 * one["spread"] for one in known], 0)]
            cells += [_range([one["total"][axis.name] for one in known], 2) for axis in UNCERTAIN]
            cells += [_range([one["explained"] for one in known], 2) + f", {len(known)} of {len(shapes)}"]
            lines.append(f"| {quantity(id).name_en} | " + " | ".join(cells) + " |")
    lines += ["", f"Vessels whose expansion foretells less than {_TRUSTED:g} of the variance are left out of a line.", ""]
    lines += [
        "First order and total by vessel:",
        "",
        "| vessel | quantity | mean | spread, % | first order | total | foretold |",
    ]
    lines += ["|---|---|---|---|---|---|---|"]
    for name, found in shapes.items():
        for id, one in found.items():
            first, total = (" ".join(f"{one[kind][axis.name]:.2f}" for axis in UNCERTAIN) for kind in ("first", "total"))
            cells = [name, id, f"{one['mean']:.3g}", f"{100 * one['spread']:.0f}", first, total, f"{one['explained']:.2f}"]
            lines.append("| " + " | ".join(cells) + " |")
    if results["left_out"]:
        lines += ["", "Left out:", "", *(f"- {name}: {reason}" for name, reason in results["left_out"].items())]
    return "\n".join(lines) + "\n"


def _range(values: Sequence[float], digits: int) -> str:
    return f"{np.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
