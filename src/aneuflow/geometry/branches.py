"""The branches beside a neck: the inflow artery up to it and those that leave it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from aneuflow.geometry.parent_vessel import Tube
from aneuflow.numerics.centerline import arc_length
from aneuflow.types import Cap, Centerline, FloatArray

# Two paths of the same artery part where they are this many radii from each other.
_APART = 0.3


def branches_at(
    neck: FloatArray, center: FloatArray, tubes: tuple[Tube, ...], caps: tuple[Cap, ...]
) -> tuple[Literal["sidewall", "bifurcation"], Centerline, tuple[Centerline, ...]]:
    """The inflow artery up to the neck line (k, 3) around `center`, and the branches that leave it there, the widest first."""
    role = {cap.id: cap.role for cap in caps}
    through = [tube for tube in tubes if role[tube.start] == "inlet" and role[tube.end] == "outlet"]
    main = min(through, key=lambda tube: float(np.linalg.norm(tube.points_mm - center, axis=1).min() / tube.expected_mm.mean()))
    first, last = _beside(neck, main)
    radius = float(main.radius_mm[first])
    length = arc_length(main.points_mm)
    daughters, forks = [(main, last)], [first]
    for other in through:
        if other is main or other.start != main.start:
            continue
        apart = np.linalg.norm(other.points_mm[:, None] - main.points_mm, axis=2)
        leaves = np.flatnonzero(apart.min(axis=1) > _APART * radius)
        if not len(leaves):
            continue
        fork = length[apart[leaves[0]].argmin()]
        if length[first] - radius <= fork <= length[last] + radius:
            daughters.append((other, max(_beside(neck, other)[1], int(leaves[0]))))
            forks.append(int(np.searchsorted(length, fork)))
    parent = _piece(_mean_path(main, [tube for tube, _ in daughters[1:]]), 0, min(forks))
    lines = [_piece(tube, start, len(tube.points_mm) - 1) for tube, start in daughters]
    lines.sort(key=lambda line: -float(line.radius_mm[: max(3, len(line.radius_mm) // 3)].mean()))
    return ("bifurcation" if len(daughters) > 1 else "sidewall"), parent, tuple(lines)


def _mean_path(main: Tube, others: list[Tube]) -> Tube:
    """The path of an artery that several tubes share: each leans toward its own branch, their mean does not."""
    points, radius = [main.points_mm], [main.radius_mm]
    for other in others:
        nearest = cKDTree(other.points_mm).query(main.points_mm)[1]
        points.append(other.points_mm[nearest])
        radius.append(other.radius_mm[nearest])
    return Tube(np.mean(points, axis=0), np.mean(radius, axis=0), main.expected_mm, main.start, main.end)


def _beside(neck: FloatArray, tube: Tube) -> tuple[int, int]:
    """Between which points of its path the neck line lies beside a tube."""
    nearest = cKDTree(tube.points_mm).query(neck)[1]
    low, high = np.percentile(nearest, [5, 95]).astype(int)
    return int(low), int(high)


def _piece(tube: Tube, first: int, last: int) -> Centerline:
    # Three points are the least that have a tangent; a neck at the very end of a segment still gets them.
    first, last = min(first, len(tube.points_mm) - 3), max(last, 2)
    part = slice(max(first, 0), last + 1)
    return Centerline(tube.start, tube.end, tube.points_mm[part], tube.radius_mm[part])
