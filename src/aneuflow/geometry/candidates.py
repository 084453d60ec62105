"""Candidate aneurysms of a whole artery tree: what its wall holds beyond the tubes of its arteries, ranked by shape.

In a segment the radius of the artery without its sac is interpolated between the ends. A tree tapers over a decimeter, so
there it is read along each path from an inlet to an end instead, with widenings shorter than a sac's length leveled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.sparse import csgraph
from scipy.spatial import ConvexHull, cKDTree
from scipy.spatial.distance import pdist

from aneuflow.geometry.neck_cut import BoolArray, cut_sac, fullness, stability, wall_of
from aneuflow.geometry.parent_vessel import (
    TOO_DEEP,
    TOO_SHALLOW,
    Excess,
    LumenGrid,
    Tube,
    at_ends,
    blind_branches,
    excess,
    lumen_grid,
    tube_along,
    walk,
)
from aneuflow.geometry.sac import CANDIDATE, near_part, outside_parts
from aneuflow.numerics import surface as sf
from aneuflow.types import WALL_PATCH, ByteArray, Cap, FloatArray, PatchedSurface, Surface

# Dips of the depth along a path shorter than the first are noise, rises shorter than the second may be sacs.
_DIP_MM, _RISE_MM, _TAPER_MM = 3.0, 12.0, 2.0
_BLIND_TRIES, _PARTS = 40, 16
# Contrast may fill a large sac as a shell only, which is far from full.
_LEAST_FULLNESS = 0.1
# The least sac: its largest diameter and its depth.
_LEAST_DIAMETER_MM, _LEAST_DEPTH_MM = 2.0, 0.7
# The radius and the depth that speak neither for a sac nor against one.
_SMALL_MM, _SHALLOW_MM = 1.5, 1.0
_HELD_RIM = 0.25  # of an end's rim


@dataclass(frozen=True, eq=False)
class TreeSac:
    """One candidate: its points (n,) bool of the lumen's wall, its voxels (k,) of the grid, and what it looks like.

    score in [0, 1] ranks; features are what the score is made from, by name.
    """

    points: BoolArray
    voxels: Any
    center_mm: FloatArray
    diameter_mm: float
    parent_radius_mm: float
    confidence: float
    score: float
    features: dict[str, float]


@dataclass(frozen=True, eq=False)
class ArteryTree:
    """One connected tree: its wall, which of its points (n,) are labeled as aneurysm if any is, its voxels and tubes."""

    lumen: PatchedSurface
    labeled: ByteArray | None
    grid: LumenGrid
    tubes: tuple[Tube, ...]


def artery_tree(lumen: PatchedSurface, caps: tuple[Cap, ...], labeled: ByteArray | None = None) -> ArteryTree:
    grid = lumen_grid(lumen, caps)
    return ArteryTree(lumen, labeled, grid, tree_tubes(grid, caps))


def tree_tubes(grid: LumenGrid, caps: tuple[Cap, ...]) -> tuple[Tube, ...]:
    """Tubes in the direction of the flow from the inlets along the widest ways to all outlets, each part of a way once.

    The ways are drawn twice: along the greatest depth, which leads through sacs, then at the depth expected of the artery.
    """
    depth = np.maximum(grid.depth_mm, 0.5 * grid.spacing_mm)
    paths = _paths(grid, caps, 1 / depth**2)
    expected = np.zeros(len(depth))
    for path in paths:
        expected[path] = np.maximum(expected[path], _caliber(grid, path))
    known = np.flatnonzero(expected)
    if not len(known):
        return ()
    expected = expected[known[cKDTree(grid.points_mm[known]).query(grid.points_mm)[1]]]
    offset = depth / expected - 1
    tubes, taken = [], np.zeros(len(depth), dtype=bool)
    for path in _paths(grid, caps, 1 + np.where(offset > 0, TOO_DEEP, TOO_SHALLOW) * offset**2):
        fresh = np.flatnonzero(~taken[path])
        taken[path] = True
        # Each begins inside the tube it leaves, so that the smoothed line does not start beside it.
        first = max(0, int(fresh[0]) - round(2 * expected[path[fresh[0]]] / grid.spacing_mm)) if len(fresh) else len(path)
        if len(path) - first > 2:
            tubes.append(tube_along(grid, path[first:], expected[path[first:]], -1, -1))
    return tuple(tubes)


def _paths(grid: LumenGrid, caps: tuple[Cap, ...], cost: FloatArray) -> list[Any]:
    """Voxels from an inlet to each outlet on the cheapest way, that to the widest outlet first."""
    inlets = tuple(cap for cap in caps if cap.role == "inlet")
    outlets = tuple(sorted((cap for cap in caps if cap.role == "outlet"), key=lambda cap: -cap.radius_mm))
    starts, ends = (at_ends(grid.points_mm, group, grid.spacing_mm) for group in (inlets, outlets))
    reach, before, _ = csgraph.dijkstra(grid.weighted(cost), indices=starts, min_only=True, return_predecessors=True)
    return [walk(before, end) for end in ends if np.isfinite(reach[end])]


def _caliber(grid: LumenGrid, path: Any) -> FloatArray:
    """The depth (n,) mm along a path without its dips and without rises shorter than a sac."""
    step = max(float(np.linalg.norm(np.diff(grid.points_mm[path], axis=0), axis=1).mean()), 1e-6) if len(path) > 1 else 1.0
    odd = [2 * round(0.5 * width / step) + 1 for width in (_DIP_MM, _RISE_MM)]
    smooth = ndimage.median_filter(grid.depth_mm[path], odd[0], mode="nearest")
    level = ndimage.grey_opening(smooth, (odd[1],), mode="nearest")
    return np.asarray(np.maximum(ndimage.gaussian_filter1d(level, _TAPER_MM / step, mode="nearest"), 0.5 * grid.spacing_mm))


def find_candidates(tree: ArteryTree) -> tuple[TreeSac, ...]:
    """The candidate aneurysms of a tree, the likeliest first."""
    lumen, grid, tubes = tree.lumen, tree.grid, tree.tubes
    if not tubes:
        return ()
    inside = excess(grid.points_mm, tubes)
    blind = blind_branches(grid, inside, CANDIDATE, _BLIND_TRIES)
    if blind:
        inside = inside.joined(excess(grid.points_mm, blind))
    sacs: list[TreeSac] = []
    for part in outside_parts(grid, inside)[:_PARTS]:
        if grid.depth_mm[part].max() >= _LEAST_DEPTH_MM:
            sac = _cut_part(lumen, grid, (*tubes, *blind), inside, part)
            if sac is not None and not any((sac.points & other.points).any() for other in sacs):
                sacs.append(sac)
    return tuple(sorted((sac for sac in sacs if not _is_an_end(lumen, sac)), key=lambda sac: -sac.score))


def _is_an_end(lumen: PatchedSurface, sac: TreeSac) -> bool:
    """Whether a sac has in its wall the open end of an artery at least as wide as its own: one that widens where it is cut."""
    triangles, wall = lumen.surface.triangles, lumen.patch == WALL_PATCH
    for patch in np.unique(lumen.patch[~wall]):
        cap = triangles[lumen.patch == patch]
        rim = np.intersect1d(cap, triangles[wall])
        radius = float(np.sqrt(sf.area(lumen.surface.points, cap) / np.pi))
        if radius >= sac.parent_radius_mm and sac.points[rim].mean() > _HELD_RIM:
            return True
    return False


def _cut_part(lumen: PatchedSurface, grid: LumenGrid, tubes: tuple[Tube, ...], inside: Excess, part: Any) -> TreeSac | None:
    """The sac cut around a part of the grid outside the tubes, on the wall near to it; None where no cut pays."""
    radius = float(np.median(inside.expected_mm[part]))
    places, everything = grid.points_mm[part], lumen.surface
    reach = 4 * radius + 3 * grid.spacing_mm
    box = ((everything.points > places.min(axis=0) - reach) & (everything.points < places.max(axis=0) + reach)).all(axis=1)
    near = np.zeros(len(everything.points), dtype=bool)
    boxed = np.flatnonzero(box)
    near[boxed] = cKDTree(places).query(everything.points[boxed])[0] < reach
    faces = everything.triangles[(lumen.patch == WALL_PATCH) & near[everything.triangles].all(axis=1)]
    if not len(faces):
        return None
    points, triangles, kept = sf.compact(everything.points, faces)
    surface = Surface(points, triangles)
    candidate = near_part(grid, part, points)
    pairs, count = sf.edges(triangles)
    candidate[pairs[count == 1].ravel()] = False
    wall = replace(wall_of(surface, excess(points, tubes).value, candidate, radius), least_fullness=_LEAST_FULLNESS)
    chosen = cut_sac(wall)
    if chosen is None:
        return None
    whole = np.zeros(len(everything.points), dtype=bool)
    whole[kept[chosen]] = True
    features = _features(surface, chosen, wall.outside, float(grid.depth_mm[part].max()), radius)
    if features["diameter_mm"] < _LEAST_DIAMETER_MM:
        return None
    confidence = stability(wall, chosen)
    features["stability"] = confidence
    center = np.average(points[chosen], axis=0, weights=wall.area[chosen])
    return TreeSac(whole, part, center, features["diameter_mm"], radius, confidence, _score(features), features)


def _features(surface: Surface, chosen: BoolArray, outside: FloatArray, depth: float, radius: float) -> dict[str, float]:
    triangles = surface.triangles[chosen[surface.triangles].all(axis=1)]
    used = surface.points[np.unique(triangles)]
    hull = ConvexHull(used)
    diameter = float(pdist(used[hull.vertices]).max())
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(used[hull.vertices].T)))
    loops = sf.boundary_loops(triangles)
    neck = max((float(np.linalg.norm(sf.polygon_area_vector(surface.points[loop]))) for loop in loops), default=0.0)
    return {
        "diameter_mm": diameter,
        "depth_mm": depth,
        "radius_mm": radius,
        "fullness": fullness(surface, chosen),
        "roundness": 2 * depth / diameter,
        "hull_roundness": float(36 * np.pi * hull.volume**2 / hull.area**3),
        "hull_radius_mm": float(np.cbrt(0.75 * hull.volume / np.pi)),
        "flatness": float(spread[0] / spread[2]),
        "dome": float(outside[chosen].max()),
        "neck": float(np.sqrt(4 * neck / np.pi)) / diameter,
    }


def _score(features: dict[str, float]) -> float:
    """How much a cut part looks like a sac, in [0, 1]: the geometric mean of eight signs, each in [0, 1].

    It is deep, in mm and against its hull, which is large, in mm and against its artery, round and not flat; its neck is
    narrow, and other weights find it too. The hull is looked at and not the wall, because contrast may fill a large sac as a
    shell only. Arteries that touch or wind are shallow, long and flat; stumps of arteries have necks as wide as themselves.
    """
    hull, depth = features["hull_radius_mm"], features["depth_mm"]
    signs = (
        depth**2 / (depth**2 + _SHALLOW_MM**2),
        np.clip(depth / hull, 0, 1),
        hull**2 / (hull**2 + _SMALL_MM**2),
        hull / (hull + features["radius_mm"]),
        np.clip(features["hull_roundness"], 0, 1),
        np.clip(features["flatness"], 0, 1),
        1 - 0.5 * np.clip(features["neck"], 0, 1),
        0.5 + 0.5 * features["stability"],
    )
    return float(np.prod(signs) ** (1 / len(signs)))
