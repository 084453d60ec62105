"""Calibre, length and winding of the vessels."""

from __future__ import annotations

import numpy as np

from aneuflow.numerics import surface as sf
from aneuflow.numerics.centerline import arc_length
from aneuflow.types import Centerline, FloatArray, IntArray

_UPSTREAM_DIAMETERS = 1.5
# Curvature and torsion: over this many diameters upstream of the neck, by polynomials of this degree; shorter arteries than
# the least have no bend to speak of.
_BEND_DIAMETERS, _BEND_DEGREE, _BEND_LEAST = 3.0, 5, 1.0


def parent_diameter(parent: Centerline) -> tuple[float, bool]:
    """Mean of the artery's diameter at the neck and 1.5 diameters upstream, mm (Dhar 2008); whether it reaches that far.

    A shorter artery gives the diameter at its far end instead.
    """
    back = arc_length(parent.points_mm[::-1])
    radius = parent.radius_mm[::-1]
    upstream = _UPSTREAM_DIAMETERS * 2 * float(radius[0])
    return float(radius[0] + np.interp(upstream, back, radius)), bool(back[-1] >= upstream)


def volume(points: FloatArray, triangles: IntArray) -> float:
    """Volume in the closed surface of points (n, 3) mm and triangles (m, 3); mm3."""
    return abs(sf.signed_volume(points, triangles))


def area(points: FloatArray, wall: IntArray) -> float:
    """Area of the wall's triangles (m, 3), mm2."""
    return sf.area(points, wall)


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


def parent_bend(parent: Centerline) -> tuple[float, float] | None:
    """Mean curvature (1/mm) and torsion (1/mm, right-handed positive) of the artery next to the neck; None if too short.

    Polynomials of the arc length are fitted to the last three diameters. Torsion is weighted by the squared curvature, for
    it has no meaning where the artery is straight.
    """
    back = arc_length(parent.points_mm[::-1])
    diameter = 2 * float(parent.radius_mm[-1])
    near = np.flatnonzero(back <= _BEND_DIAMETERS * diameter)
    if back[near[-1]] < _BEND_LEAST * diameter or len(near) <= _BEND_DEGREE + 1:
        return None
    length = float(back[near[-1]])
    place = 2 * back[near] / length - 1
    line = parent.points_mm[::-1][near]
    fit = [np.polynomial.Polynomial.fit(place, line[:, k], _BEND_DEGREE, domain=[-1, 1]) for k in range(3)]
    # A fit is least sure at its ends, which therefore are left out. Reversing the line changes the sign of odd derivatives,
    # and neither of the two quantities.
    inner = np.linspace(-0.85, 0.85, 60)
    first, second, third = (np.stack([curve.deriv(k)(inner) for curve in fit], axis=1) * (2 / length) ** k for k in (1, 2, 3))
    turn = np.cross(first, second)
    speed = np.linalg.norm(first, axis=1)
    square = (turn**2).sum(axis=1)
    curvature = np.sqrt(square) / speed**3
    return float(curvature.mean()), float((turn * third).sum() / max(float(square.sum()), 1e-12))
