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
# How far from its foot the wall around a bleb is looked at: the crease lies between.
_CREASE_MM = 0.6
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
    crossing = pairs[raised[pairs[:, 0]] != raised[pairs[:, 1]]]
    rim = np.unique(crossing[raised[crossing]])
    bend = _bend(points, _smoothed_normals(points, triangles), rim, np.flatnonzero(~raised))
    found = []
    for number in np.unique(part[rise_mm > _LEAST_RISE_MM]):
        foot = part[rim] == number
        if foot.any() and float(bend[foot].mean()) < 0:
            found.append(np.flatnonzero((part == number) & raised))
    return sorted(found, key=lambda members: -float(rise_mm[members].max()))


def _bend(points: FloatArray, normals: FloatArray, rim: sf.LongArray, around: sf.LongArray) -> FloatArray:
    """Mean curvature (k,) in 1/mm of the wall between each point of a foot and those around it outside, negative where concave.

    Over a width in mm, for neighbors of a fine surface all lie on one side of the crease.
    """
    near = cKDTree(points[rim]).sparse_distance_matrix(cKDTree(points[around]), _CREASE_MM, output_type="coo_matrix")
    inside, outside = rim[near.row], around[near.col]
    turn = ((normals[inside] - normals[outside]) * (points[inside] - points[outside])).sum(axis=1)
    total = np.bincount(near.row, turn / np.maximum(near.data, 1e-6) ** 2, len(rim))
    return np.asarray(total / np.maximum(np.bincount(near.row, minlength=len(rim)), 1))


def _smoothed_normals(points: FloatArray, triangles: IntArray) -> FloatArray:
    normals, average = sf.vertex_normals(points, triangles), sf.neighbor_average(len(points), triangles)
    for _ in range(_NORMAL_SMOOTHING):
        normals = 0.5 * (normals + average @ normals)
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12))
