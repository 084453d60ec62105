"""Blebs: small outpouchings of the sac's wall, told from its main body by a ball rolled inside."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from aneuflow.numerics import surface as sf
from aneuflow.numerics.centerline import inside_grid
from aneuflow.types import FloatArray, IntArray

# The ball's radius over that of the largest sphere inside the sac; voxels to the far end of the sac; centers compared.
_BALL, _FINENESS, _CENTERS = 0.6, 24, 12
# A bleb reaches from the lower to over the upper height above the ball, mm; noise of a surface stays below.
_FOOT_MM, _LEAST_RISE_MM = 0.15, 0.5
_NORMAL_SMOOTHING = 3


def rise_over_ball(points: FloatArray, triangles: IntArray, sac: sf.LongArray) -> FloatArray:
    """How far wall points lie beyond the reach of a ball rolled inside the lumen, mm, (k,) for the point numbers sac (k,).

    points (n, 3) mm and triangles (m, 3) bound the closed lumen. The ball has 0.6 of the radius of the largest sphere
    inside the sac, and may lean into the artery, so that the corner at the neck counts for nothing.
    """
    places = points[sac]
    middle = places.mean(axis=0)
    extent = float(np.linalg.norm(places - middle, axis=1).max())
    wall = cKDTree(np.concatenate([points, points[triangles].mean(axis=1)]))
    step = max(0.08, extent / _FINENESS)
    low, high = places.min(axis=0) - step, places.max(axis=0) + step
    shape = np.ceil((high - low) / step).astype(int) + 1
    cells = low + step * np.argwhere(inside_grid(points, triangles, low, step, shape))
    if not len(cells):
        return np.zeros(len(sac))
    depth = np.asarray(wall.query(cells)[0])
    ball = _BALL * float(depth.max())
    centers = depth >= ball - 0.5 * step
    count = min(_CENTERS, int(centers.sum()))
    away, nearest = (np.asarray(found).reshape(len(sac), -1) for found in cKDTree(cells[centers]).query(places, k=count))
    beyond = away - depth[centers][nearest]
    return np.asarray(np.maximum(beyond.min(axis=1), 0.0))


def find_blebs(points: FloatArray, triangles: IntArray, rise_mm: FloatArray) -> list[sf.LongArray]:
    """The point numbers of each bleb, the highest first.

    points (n, 3) and triangles (m, 3) of the sac's wall; rise_mm (n,) as from `rise_over_ball`. A bleb is a connected part
    that rises more than 0.15 mm, at its top more than 0.5 mm, and whose foot is concave: a pointed dome is none.
    """
    raised = rise_mm > _FOOT_MM
    if not (rise_mm > _LEAST_RISE_MM).any():
        return []
    pairs, _ = sf.edges(triangles)
    inner = pairs[raised[pairs].all(axis=1)]
    graph = sparse.coo_matrix((np.ones(len(inner)), (inner[:, 0], inner[:, 1])), shape=(len(points), len(points)))
    part = csgraph.connected_components(graph, directed=False)[1]
    bend, length = _bend(points, triangles, pairs)
    crossing = raised[pairs[:, 0]] != raised[pairs[:, 1]]
    owner = part[np.where(raised[pairs[:, 0]], pairs[:, 0], pairs[:, 1])]
    found = []
    for number in np.unique(part[rise_mm > _LEAST_RISE_MM]):
        foot = crossing & (owner == number)
        if foot.any() and float((bend[foot] * length[foot]).sum()) < 0:
            found.append(np.flatnonzero((part == number) & raised))
    return sorted(found, key=lambda members: -float(rise_mm[members].max()))


def _bend(points: FloatArray, triangles: IntArray, pairs: sf.LongArray) -> tuple[FloatArray, FloatArray]:
    """Curvature of the wall along each edge (1/mm, negative where concave) and the edge's length, mm."""
    normals, average = sf.vertex_normals(points, triangles), sf.neighbor_average(len(points), triangles)
    for _ in range(_NORMAL_SMOOTHING):
        normals = 0.5 * (normals + average @ normals)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    step = points[pairs[:, 0]] - points[pairs[:, 1]]
    square = np.maximum((step**2).sum(axis=1), 1e-12)
    return ((normals[pairs[:, 0]] - normals[pairs[:, 1]]) * step).sum(axis=1) / square, np.sqrt(square)
