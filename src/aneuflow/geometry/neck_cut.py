"""The neck as the cheapest line around a dome, short and concave: a minimum cut of the lumen's wall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from aneuflow.numerics import surface as sf
from aneuflow.numerics.graph_cut import minimum_cut
from aneuflow.types import FloatArray, Surface

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

# In expected radii outside the tubes: where wall is as likely sac as artery, the least dome.
_EVEN, _DOME = 0.8, 1.2
# Gain of area against cost of neck length: small values let concavity decide; raised until a sac remains.
_GAINS = (0.5, 1.0, 2.0, 4.0)
_CONCAVITY, _LEAST_COST, _MOST_COST = 1.5, 0.1, 2.0
# Log-odds from which a network is as sure as it counts.
_SURE_ODDS = 2.0
_NORMAL_SMOOTHING, _NECK_SMOOTHING = 0.35, 0.25
# 36 pi V^2 / S^3, 1 for a sphere: 0.44 or more in the sacs of 71 real segments, 0.3 in a sinus that touched an artery.
FULLNESS = 0.35
# The same of a sac that a network sees: 0.63 or more in 73 real segments, 0.48 in that sinus, which it takes for a sac.
_LEARNED_FULLNESS = 0.55


@dataclass(frozen=True, eq=False)
class Wall:
    """What the cut needs of a surface: edges (k, 2), the neck's cost across each (k,), area (n,), excess (n,), radius.

    outside (n,): how far each point lies outside the tubes, in expected radii; candidate (n,): where a sac may be;
    least_fullness: that of a sac (`fullness`).
    """

    surface: Surface
    pairs: Any
    cost: FloatArray
    area: FloatArray
    outside: FloatArray
    candidate: BoolArray
    radius_mm: float
    least_fullness: float = FULLNESS


def wall_of(surface: Surface, outside: FloatArray, candidate: BoolArray, radius_mm: float) -> Wall:
    """The wall with its costs; radius_mm: that expected of the artery at the candidate."""
    pairs, cost = _neck_costs(surface, radius_mm)
    return Wall(surface, pairs, cost, sf.vertex_areas(surface.points, surface.triangles), outside, candidate, radius_mm)


def cut_sac(wall: Wall, even: float = _EVEN, factor: float = 1.0) -> BoolArray | None:
    """The points (n,) of the sac, or None where no line around a dome pays."""
    for gain in _GAINS:
        worth = gain * factor / wall.radius_mm * wall.area
        liking = np.clip(wall.outside - even, -1, 1)
        liking = np.where(wall.candidate | (liking < 0), liking, -0.3)
        chosen = minimum_cut(wall.pairs, wall.cost, worth * liking)
        if chosen.any():
            top = int(np.argmax(np.where(chosen, wall.outside, -np.inf)))
            triangles = wall.surface.triangles
            label = sf.vertex_components(len(chosen), triangles[chosen[triangles].all(axis=1)])
            chosen &= label == label[top]
            area = float(wall.area[chosen].sum())
            if wall.outside[top] > _DOME and area > wall.radius_mm**2:
                # A strip along arteries that touch, or a plate, is no sac, however far outside of the tubes.
                return chosen if fullness(wall.surface, chosen) > wall.least_fullness else None
    return None


def cut_learned(wall: Wall, odds: FloatArray) -> BoolArray | None:
    """The points (n,) of the sac that a network sees by its log-odds (n,), cut like that of `cut_sac`; None without one."""
    for gain in _GAINS[1:]:
        chosen = minimum_cut(wall.pairs, wall.cost, gain / wall.radius_mm * wall.area * np.clip(odds / _SURE_ODDS, -1, 1))
        triangles = wall.surface.triangles
        label = sf.vertex_components(len(chosen), triangles[chosen[triangles].all(axis=1)])
        area = np.bincount(label[chosen], wall.area[chosen])
        if len(area) and area.max() > wall.radius_mm**2:
            chosen &= label == area.argmax()
            # Trained on vessels with a sac alone, a network sees one in a healthy bend now and then, but one without a dome.
            stands_out = bool(wall.outside[chosen].max() > _DOME)
            return chosen if stands_out and fullness(wall.surface, chosen) > _LEARNED_FULLNESS else None
    return None


def fullness(surface: Surface, chosen: BoolArray) -> float:
    """36 pi V^2 / S^3 of the wall between the points chosen, closed over its neck; S without the neck."""
    triangles = surface.triangles[chosen[surface.triangles].all(axis=1)]
    area = sf.area(surface.points, triangles)
    volume = sf.signed_volume(*sf.fill_openings(surface.points, triangles))
    return 36 * np.pi * volume**2 / area**3 if area > 0 else 0.0


def stability(wall: Wall, chosen: BoolArray) -> float:
    """Mean overlap (Dice, by area) of the sac with those found under other weights: 1 where the neck is unmistakable."""
    overlaps = []
    for even, factor in ((_EVEN - 0.25, 1.0), (_EVEN + 0.25, 1.0), (_EVEN, 0.5), (_EVEN, 2.0)):
        other = cut_sac(wall, even, factor)
        both = 0.0 if other is None else wall.area[chosen & other].sum()
        total = wall.area[chosen].sum() + (0.0 if other is None else wall.area[other].sum())
        overlaps.append(2 * both / total)
    return float(np.mean(overlaps))


def smooth_field(surface: Surface, chosen: BoolArray, radius_mm: float) -> FloatArray:
    """A field (n,) below zero on the chosen points whose zero line is their border without its zigzag."""
    return _diffused(surface, np.where(chosen, -1.0, 1.0)[:, None], _NECK_SMOOTHING * radius_mm)[:, 0]


def _neck_costs(surface: Surface, radius: float) -> tuple[Any, FloatArray]:
    """Edges (k, 2) and what a neck line across each costs, mm: its length there, less where the wall is concave."""
    points, triangles = surface.points, surface.triangles
    pairs, _ = sf.edges(triangles)
    normals = _diffused(surface, sf.vertex_normals(points, triangles), _NORMAL_SMOOTHING * radius)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    step = points[pairs[:, 0]] - points[pairs[:, 1]]
    bend = ((normals[pairs[:, 0]] - normals[pairs[:, 1]]) * step).sum(axis=1) / np.maximum((step**2).sum(axis=1), 1e-12)
    across = np.sort(sf.directed_edges(triangles), axis=1)
    place = np.searchsorted(pairs @ [len(points), 1], across @ [len(points), 1])
    reach = np.linalg.norm(np.repeat(points[triangles].mean(axis=1), 3, axis=0) - points[across].mean(axis=1), axis=1)
    length = np.bincount(place, reach, minlength=len(pairs))
    return pairs, length * np.clip(1 + _CONCAVITY * bend * radius, _LEAST_COST, _MOST_COST)


def _diffused(surface: Surface, values: FloatArray, width_mm: float) -> FloatArray:
    """Values at the points (n, d) averaged with their neighbors until the spread is about width_mm."""
    pairs, _ = sf.edges(surface.triangles)
    n = len(surface.points)
    edge = float(np.median(np.linalg.norm(surface.points[pairs[:, 0]] - surface.points[pairs[:, 1]], axis=1)))
    half = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n)).tocsr()
    near: Any = half + half.T + sparse.identity(n, format="csr")
    mean = sparse.diags(1 / np.asarray(near.sum(axis=1)).ravel()) @ near
    for _ in range(max(1, round((width_mm / edge) ** 2))):
        values = mean @ values
    return values
