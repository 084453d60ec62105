"""Calibre, length and winding of the vessels."""

from __future__ import annotations

import numpy as np

from aneuflow.numerics import surface as sf
from aneuflow.numerics.centerline import arc_length
from aneuflow.types import WALL_PATCH, Cap, Centerline, FloatArray, PatchedSurface

_UPSTREAM_DIAMETERS = 1.5


def parent_diameter(parent: Centerline) -> tuple[float, bool]:
    """Mean of the artery's diameter at the neck and 1.5 diameters upstream, mm (Dhar 2008); whether it reaches that far.

    A shorter artery gives the diameter at its far end instead.
    """
    back = arc_length(parent.points_mm[::-1])
    radius = parent.radius_mm[::-1]
    upstream = _UPSTREAM_DIAMETERS * 2 * float(radius[0])
    return float(radius[0] + np.interp(upstream, back, radius)), bool(back[-1] >= upstream)


def inlet_diameter(caps: tuple[Cap, ...]) -> float:
    """Diameter of the circle as large as the widest inlet, mm."""
    return 2 * max(cap.radius_mm for cap in caps if cap.role == "inlet")


def lumen_volume(points: FloatArray, lumen: PatchedSurface) -> float:
    """Volume of the closed lumen, sac included, with its points at (n, 3) mm; mm3."""
    return abs(sf.signed_volume(points, lumen.surface.triangles))


def lumen_area(points: FloatArray, lumen: PatchedSurface) -> float:
    """Area of the wall, sac included, caps left out, with its points at (n, 3) mm; mm2."""
    return sf.area(points, lumen.surface.triangles[lumen.patch == WALL_PATCH])


def longest_line(centerlines: tuple[Centerline, ...]) -> Centerline:
    """The longest of the lines from an inlet to an outlet."""
    return max(centerlines, key=lambda line: float(arc_length(line.points_mm)[-1]))


def length(line: Centerline) -> float:
    """Length of a line, mm."""
    return float(arc_length(line.points_mm)[-1])


def tortuosity(line: Centerline) -> float:
    """Length of a line over the distance of its ends, less one: 0 for a straight one."""
    chord = float(np.linalg.norm(line.points_mm[-1] - line.points_mm[0]))
    return length(line) / max(chord, 1e-9) - 1


def minimum_diameter(centerlines: tuple[Centerline, ...]) -> float:
    """Twice the least radius of the inscribed spheres, a diameter's length at the ends of each line left out, mm."""
    least = []
    for line in centerlines:
        along = arc_length(line.points_mm)
        inside = (along > 2 * line.radius_mm[0]) & (along < along[-1] - 2 * line.radius_mm[-1])
        least.append(float((line.radius_mm[inside] if inside.any() else line.radius_mm).min()))
    return 2 * min(least)
