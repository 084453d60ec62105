"""The lattice cells inside a closed surface and the exact distances from them to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from aneuflow.numerics.lattice import core
from aneuflow.types import Float32Array, FloatArray, IntArray

# Nodes lie at this part of a spacing off the box corner: no node on a plane of round coordinates, where inside is undecided.
_OFFSET = np.array([0.3819660, 0.4142136, 0.3028876])


@dataclass(frozen=True, eq=False)
class Voxels:
    """Cells of a lattice and its links that a surface cuts.

    points (n, 3) float64, in the surface's unit; lattice (n, 3) int32 coordinates, x fastest; streaming: which cells are
    neighbors and not across the surface. Of each cut link, by ascending cell: cell, direction (1..26), triangle (-1 where none
    was found) and distance (float32, in units of the link).
    """

    spacing: float
    origin: FloatArray
    lattice: IntArray
    streaming: core.Streaming
    link_cell: IntArray
    link_direction: IntArray
    link_triangle: IntArray
    link_distance: Float32Array

    @property
    def count(self) -> int:
        return len(self.lattice)

    @property
    def points(self) -> FloatArray:
        return self.origin + self.spacing * self.lattice


def voxelize(points: FloatArray, triangles: IntArray, spacing: float, threads: int = 1) -> Voxels:
    """The largest connected set of lattice cells inside the closed surface `points` (n, 3), `triangles` (m, 3), outward."""
    low, high = points.min(axis=0), points.max(axis=0)
    shape = np.ceil((high - low) / spacing).astype(int) + 3
    origin = low - (1 + _OFFSET) * spacing
    scaled = np.ascontiguousarray((points - origin) / spacing)
    crossed = core.cross_surface(scaled, np.ascontiguousarray(triangles, dtype=np.int32), [int(n) for n in shape], threads)
    lattice, neighbors, cell, direction, triangle, distance = crossed
    # By cell: an outlet works through a cell's links in one go, and the wall pass stays near in memory.
    order = np.argsort(cell, kind="stable")
    cell, direction, triangle, distance = cell[order], direction[order], triangle[order], distance[order]
    kept = _largest_component(neighbors)
    if not kept.all():
        number = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
        neighbors = neighbors[:, kept]
        neighbors = np.ascontiguousarray(np.where(neighbors >= 0, number[neighbors], -1).astype(np.int32))
        links = kept[cell]
        lattice, cell, direction = lattice[kept], number[cell[links]], direction[links]
        triangle, distance = triangle[links], distance[links]
    return Voxels(spacing, origin, lattice, core.Streaming(neighbors), cell, direction, triangle, distance)


def _largest_component(neighbors: IntArray) -> npt.NDArray[np.bool_]:
    """(n,): which cells are in it."""
    if neighbors.shape[1] == 0:
        return np.zeros(0, dtype=bool)
    # Cells one behind the other along x are a row; the graph is that of the rows, which are far fewer.
    row = np.cumsum(neighbors[1] < 0) - 1
    pairs = []
    for other in neighbors[2::2]:
        met = np.flatnonzero(other >= 0)
        pair = np.stack([row[met], row[other[met]]], axis=1)
        pairs.append(pair[np.append(True, (np.diff(pair, axis=0) != 0).any(axis=1))[: len(pair)]])
    rows, columns = np.concatenate(pairs).T
    graph = sparse.coo_matrix((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(row[-1] + 1,) * 2)
    label = csgraph.connected_components(graph, directed=False)[1][row]
    return np.asarray(label == np.argmax(np.bincount(label)))


def cells_inside(voxels: Voxels, points: FloatArray, triangles: IntArray, threads: int = 1) -> npt.NDArray[np.bool_]:
    """Which of the cells lie inside another closed surface, (n,) bool."""
    shape = voxels.lattice.max(axis=0) + 2
    scaled = np.ascontiguousarray((points - voxels.origin) / voxels.spacing)
    inside = core.cross_surface(scaled, np.ascontiguousarray(triangles, dtype=np.int32), [int(n) for n in shape], threads)[0]
    order = np.array([1, shape[0], shape[0] * shape[1]], dtype=np.int64)
    return np.isin(voxels.lattice @ order, inside @ order)
