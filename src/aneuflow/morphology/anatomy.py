"""One lumen as it is measured: its wall, its sac, the lines of its vessels, the size of its inlet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aneuflow.morphology import blebs, size
from aneuflow.numerics.surface import LongArray
from aneuflow.types import REGION_SAC, WALL_PATCH, Centerline, FloatArray, IntArray, LumenModel


@dataclass(frozen=True, eq=False)
class SacAnatomy:
    """The sac and the branches beside it.

    members (k,): the lumen points that are the sac's, in its order; rise_mm (k,): how far each rises over what a ball rolled
    inside reaches; parent ends at the neck, daughters start there, as in `types.Aneurysm`.
    """

    sac: size.Sac
    members: LongArray
    rise_mm: FloatArray
    parent: Centerline
    daughters: tuple[Centerline, ...]


@dataclass(frozen=True, eq=False)
class Anatomy:
    """points (n, 3) mm; triangles (m, 3) of the closed lumen, of which wall (k, 3) leaves out the caps; lines cap to cap.

    inlet_rim: the points on the rim of the widest inlet.
    """

    points: FloatArray
    triangles: IntArray
    wall: IntArray
    lines: tuple[Centerline, ...]
    inlet_radius_mm: float
    inlet_rim: LongArray
    sac: SacAnatomy | None


def anatomy_of(model: LumenModel) -> Anatomy:
    """What of a lumen model is measured. Raises MethodError where its sac has no neck line."""
    lumen, aneurysm = model.lumen, model.aneurysm
    points, triangles = lumen.surface.points, lumen.surface.triangles
    wall = triangles[lumen.patch == WALL_PATCH]
    sac = None
    if aneurysm is not None:
        own = sac_triangles(model)
        members = np.unique(own).astype(np.int64)
        rise = blebs.rise_over_ball(points, triangles, members)
        sac = SacAnatomy(size.sac_of(points, own), members, rise, aneurysm.parent_line, aneurysm.daughter_lines)
    inlet = max((cap for cap in model.caps if cap.role == "inlet"), key=lambda cap: cap.radius_mm)
    rim = np.intersect1d(triangles[lumen.patch == inlet.id], wall).astype(np.int64)
    return Anatomy(points, triangles, wall, model.centerlines, inlet.radius_mm, rim, sac)


def sac_triangles(model: LumenModel) -> IntArray:
    """The sac's wall, (m, 3)."""
    lumen = model.lumen
    chosen = (lumen.region[lumen.surface.triangles] == REGION_SAC).all(axis=1) & (lumen.patch == WALL_PATCH)
    return np.asarray(lumen.surface.triangles[chosen], dtype=np.int32)
