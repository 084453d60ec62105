"""The vessel as it would be without a sac: tubes of the expected radius between the ends of the lumen.

A centerline is drawn into a sac, for there it finds the largest radius. Here the radius expected of the vessel is
interpolated between the ends of the lumen, and the path sought stays that deep under the wall: where a sac widens the lumen
it follows the wall of the artery instead. What lies far outside all tubes is a sac.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from aneuflow.errors import MethodError
from aneuflow.numerics import surface as sf
from aneuflow.numerics.centerline import arc_length, inside_grid, tangents, voxel_neighbors
from aneuflow.types import WALL_PATCH, Cap, FloatArray, PatchedSurface

# All pairs of ends are joined up to this many; larger trees only from inlets to outlets.
_ENDS_FOR_ALL_PAIRS = 6
TOO_DEEP, TOO_SHALLOW = 2.0, 24.0
# A blind end is a branch, not a sac, where it is this many times longer than its radius and thinner than this share of the
# parent's.
BRANCH_LENGTH, _BRANCH_RADIUS, _BRANCHES = 4.0, 0.8, 6
_BOX_VOXELS, _LUMEN_VOXELS = 4e7, 1.2e5


@dataclass(frozen=True, eq=False)
class Tube:
    """Path (n, 3) and radius (n,) in mm; `expected_mm` (n,) is the radius interpolated between the ends `start` and `end`."""

    points_mm: FloatArray
    radius_mm: FloatArray
    expected_mm: FloatArray
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class LumenGrid:
    """The voxels inside the lumen: middles (n, 3) mm, depth (n,) under the wall in mm, and their 26-neighbor graph."""

    points_mm: FloatArray
    depth_mm: FloatArray
    neighbors: Any
    spacing_mm: float
    wall: cKDTree

    def weighted(self, cost: FloatArray) -> Any:
        """The graph with each step's length times the mean cost (n,) of its two voxels."""
        graph = self.neighbors.tocoo()
        weight = graph.data * 0.5 * (cost[graph.row] + cost[graph.col])
        return sparse.coo_matrix((weight, (graph.row, graph.col)), shape=graph.shape).tocsr()


@dataclass(frozen=True, eq=False)
class Excess:
    """How far places lie outside the tubes, in expected radii: value (n,), and the expected radius there (n,), mm."""

    value: FloatArray
    expected_mm: FloatArray

    def joined(self, other: Excess) -> Excess:
        nearer = other.value < self.value
        return Excess(np.where(nearer, other.value, self.value), np.where(nearer, other.expected_mm, self.expected_mm))


@dataclass(frozen=True, eq=False)
class Outside:
    """How far a lumen's points lie outside the tubes, and beyond blind branches too; inside: its voxels, beyond both."""

    tubes: Excess
    beyond: Excess
    inside: Excess


def lumen_grid(lumen: PatchedSurface, caps: tuple[Cap, ...]) -> LumenGrid:
    """The voxels of the lumen, as fine as its narrowest end asks for and its size allows."""
    points, triangles = lumen.surface.points, lumen.surface.triangles
    volume = abs(sf.signed_volume(points, triangles))
    extent = np.ptp(points, axis=0)
    spacing = float(np.clip(min(cap.radius_mm for cap in caps) / 4, 0.12, 0.25))
    spacing = max(spacing, float(np.cbrt(volume / _LUMEN_VOXELS)), float(np.cbrt(np.prod(extent) / _BOX_VOXELS)))
    low = points.min(axis=0) - 1.5 * spacing
    shape = np.ceil((extent + 3 * spacing) / spacing).astype(int) + 1
    cells = np.argwhere(inside_grid(points, triangles, low, spacing, shape))
    wall = triangles[lumen.patch == WALL_PATCH]
    corners = points[wall]
    samples = np.concatenate([points[np.unique(wall)], corners.mean(axis=1), corners[:, [0, 1]].mean(axis=1)])
    tree = cKDTree(samples)
    places = low + spacing * cells
    neighbors = voxel_neighbors(cells, shape, spacing)
    # Voxels that no end of the lumen reaches belong to a stray piece.
    piece = csgraph.connected_components(neighbors, directed=False)[1]
    kept = np.flatnonzero(np.isin(piece, piece[at_ends(places, caps, spacing)]))
    places = places[kept]
    return LumenGrid(places, np.asarray(tree.query(places)[0]), neighbors[kept][:, kept], spacing, tree)


def at_ends(places: FloatArray, caps: tuple[Cap, ...], spacing: float) -> Any:
    return cKDTree(places).query([cap.center_mm - cap.normal * spacing for cap in caps])[1]


def parent_tubes(grid: LumenGrid, caps: tuple[Cap, ...]) -> tuple[Tube, ...]:
    """Tubes between the caps (all pairs in a segment, inlets to outlets in a tree); start is an inlet where one takes part.

    Raises MethodError where no path inside the lumen joins two caps.
    """
    caps = tuple(sorted(caps, key=lambda cap: cap.role != "inlet"))
    ends = at_ends(grid.points_mm, caps, grid.spacing_mm)
    reach = csgraph.dijkstra(grid.neighbors, indices=ends)
    radius = [_radius_near(grid, cap, distance) for cap, distance in zip(caps, reach, strict=True)]
    pairs = list(itertools.combinations(range(len(caps)), 2))
    if len(caps) > _ENDS_FOR_ALL_PAIRS:
        pairs = [(a, b) for a, b in pairs if caps[a].role == "inlet" and caps[b].role == "outlet"]
    tubes = []
    for a, b in pairs:
        # A link thinner than the voxels is not there for them; the branches behind it then have no tube from this end.
        if not np.isfinite(reach[a][ends[b]]):
            continue
        way = np.where(np.isfinite(reach[a] + reach[b]), reach[a] + reach[b], np.inf)
        part = np.where(np.isfinite(way), reach[a], 0.0) / np.maximum(way, 1e-9)
        expected = radius[a] * (1 - part) + radius[b] * part
        offset = grid.depth_mm / expected - 1
        cost = 1 + np.where(offset > 0, TOO_DEEP, TOO_SHALLOW) * offset**2
        before = csgraph.dijkstra(grid.weighted(cost), indices=ends[a], return_predecessors=True)[1]
        path = walk(before, ends[b])
        tubes.append(tube_along(grid, path, expected[path], caps[a].id, caps[b].id))
    if not any({tube.start, tube.end} & {cap.id for cap in caps if cap.role == "inlet"} for tube in tubes):
        raise MethodError("No path inside the lumen joins an inlet to another end; check the segmentation there.")
    return tuple(tubes)


def _radius_near(grid: LumenGrid, cap: Cap, distance: FloatArray) -> float:
    """Median of the lumen's largest depth over the first three radii from the cap: a narrow rim does not decide."""
    depths = []
    for step in np.arange(0.5, 3.0, 0.5):
        shell = np.abs(distance - step * cap.radius_mm) < grid.spacing_mm
        depths.append(grid.depth_mm[shell].max() if shell.any() else cap.radius_mm)
    return float(np.median(depths))


def walk(before: Any, end: int) -> Any:
    path = [int(end)]
    while before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    return np.array(path[::-1])


def tube_along(grid: LumenGrid, path: Any, expected: FloatArray, start: int, end: int) -> Tube:
    width = 0.7 * float(expected.mean()) / grid.spacing_mm
    line = gaussian_filter1d(grid.points_mm[path], width, axis=0, mode="nearest")
    depth = grid.wall.query(line)[0]
    return Tube(line, np.clip(depth, 0.8 * expected, 1.3 * expected), expected, start, end)


def excess(places: FloatArray, tubes: tuple[Tube, ...]) -> Excess:
    """How far the places (n, 3) mm lie outside the nearest of the tubes."""
    result = Excess(np.full(len(places), np.inf), np.ones(len(places)))
    for tube in tubes:
        # The tube point that decides is among the nearest ones, for radii change slowly along a tube.
        away, near = cKDTree(tube.points_mm).query(places, k=min(8, len(tube.points_mm)))
        away, near = away.reshape(len(places), -1), near.reshape(len(places), -1)
        outside = (away - tube.radius_mm[near]) / tube.expected_mm[near]
        least = outside.argmin(axis=1)[:, None]
        value = np.take_along_axis(outside, least, axis=1)[:, 0]
        expected = tube.expected_mm[np.take_along_axis(near, least, axis=1)[:, 0]]
        result = result.joined(Excess(value, expected))
    return result


def outside_tubes(grid: LumenGrid, points: FloatArray, tubes: tuple[Tube, ...], threshold: float) -> Outside:
    """Of the points (n, 3) mm of a wall and of its voxels; places over the threshold are tried for blind branches."""
    inside, on_wall = excess(grid.points_mm, tubes), excess(points, tubes)
    blind = blind_branches(grid, inside, threshold)
    if not blind:
        return Outside(on_wall, on_wall, inside)
    return Outside(on_wall, on_wall.joined(excess(points, blind)), inside.joined(excess(grid.points_mm, blind)))


def blind_branches(grid: LumenGrid, outside: Excess, threshold: float, tries: int = _BRANCHES) -> tuple[Tube, ...]:
    """Tubes in thin branches that end closed, so that they are not taken for a sac; outside: of the grid's voxels.

    The places farthest from the tubes are tried first, `tries` of them.
    """
    core = np.flatnonzero(outside.value < 0)
    depth = np.maximum(grid.depth_mm, 0.5 * grid.spacing_mm)
    away = csgraph.dijkstra(grid.neighbors, indices=core, min_only=True)
    before = csgraph.dijkstra(grid.weighted(1 / depth**2), indices=core, min_only=True, return_predecessors=True)[1]
    open_to_try = np.isfinite(away)
    branches: list[Tube] = []
    for _ in range(tries):
        tip = int(np.argmax(np.where(open_to_try & (outside.value > threshold), away, -1)))
        if outside.value[tip] <= threshold or not open_to_try[tip]:
            break
        path = walk(before, tip)[::-1]
        reach = 2 * grid.spacing_mm + depth[path].max()
        open_to_try &= np.linalg.norm(grid.points_mm - grid.points_mm[tip], axis=1) > reach
        branch = _branch_tube(grid, path, outside)
        if branch is not None:
            branches.append(branch)
            outside = outside.joined(excess(grid.points_mm, (branch,)))
    return tuple(branches)


def _branch_tube(grid: LumenGrid, path: Any, outside: Excess) -> Tube | None:
    line, depth = grid.points_mm[path], np.maximum(grid.depth_mm[path], 0.8 * grid.spacing_mm)
    long_enough = np.flatnonzero(arc_length(line) > BRANCH_LENGTH * np.maximum.accumulate(depth))
    if not len(long_enough):
        return None
    radius = float(np.median(depth[: long_enough[0] + 1]))
    wide = np.flatnonzero(depth > 1.6 * radius)
    last = int(wide[0]) - 1 if len(wide) else len(path) - 1
    if last < long_enough[0] // 2 or radius > _BRANCH_RADIUS * outside.expected_mm[path[last]]:
        return None
    smooth = gaussian_filter1d(line[: last + 1], 2, axis=0, mode="nearest")
    within = np.maximum(depth[: last + 1], 0.8 * radius)
    return Tube(smooth, within, np.full(last + 1, max(radius, grid.spacing_mm)), -1, -1)


def centered(tube: Tube, wall: FloatArray) -> Tube:
    """The tube with its middle and radius from circles fitted to the wall (n, 3) mm of the artery, sac left out.

    A circle is fitted to the points within half a radius along the path, by algebraic least squares (Kasa 1976); where
    it strays from the path by more than half a radius, or less than half of the circumference has points, the path stays.
    """
    tree, along = cKDTree(wall), tangents(tube.points_mm)
    line, radius = tube.points_mm.copy(), tube.radius_mm.copy()
    for k, (middle, direction, expected) in enumerate(zip(tube.points_mm, along, tube.expected_mm, strict=True)):
        near = wall[tree.query_ball_point(middle, 1.8 * expected)] - middle
        ahead = near @ direction
        ring = near[np.abs(ahead) < 0.4 * expected]
        fit = _fit_circle(ring, direction) if len(ring) > 8 else None
        if fit is None or np.linalg.norm(fit[0]) > 0.5 * expected or not 0.6 < fit[1] / expected < 1.5:
            continue
        line[k], radius[k] = middle + fit[0], fit[1]
    width = 0.5 * float(tube.expected_mm.mean()) / max(float(np.median(np.diff(arc_length(tube.points_mm)))), 1e-3)
    line = gaussian_filter1d(line, width, axis=0, mode="nearest")
    return replace(tube, points_mm=line, radius_mm=gaussian_filter1d(radius, width, mode="nearest"))


def _fit_circle(ring: FloatArray, direction: FloatArray) -> tuple[FloatArray, float] | None:
    first = np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))])
    first /= np.linalg.norm(first)
    second = np.cross(direction, first)
    x, y = ring @ first, ring @ second
    solution = np.linalg.lstsq(np.stack([2 * x, 2 * y, np.ones(len(x))], axis=1), x**2 + y**2, rcond=None)[0]
    square = float(solution[2] + solution[0] ** 2 + solution[1] ** 2)
    if square <= 0:
        return None
    angle = np.arctan2(y - solution[1], x - solution[0])
    covered = len(np.unique(np.floor(angle / (np.pi / 8)))) / 16
    return (solution[0] * first + solution[1] * second, float(np.sqrt(square))) if covered >= 0.5 else None
