"""Triangles of a surface that cut through each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from aneuflow.types import FloatArray

BoolArray = npt.NDArray[np.bool_]

_TOUCH = 1e-6  # of an edge: triangles that only touch, as at a point held twice, do not cross


def crossing_triangles(points: FloatArray, triangles: npt.NDArray[Any]) -> BoolArray:
    """(m,) whether a triangle is cut by the edge of another, or its own edge cuts one, that shares no point with it.

    Triangles that lie in one plane are not found to cross.
    """
    pairs = _near_pairs(points, triangles)
    found = np.zeros(len(triangles), dtype=bool)
    for first, second in (pairs.T, pairs[:, ::-1].T):
        corners = points[triangles[first]]
        for k in range(3):
            start, end = points[triangles[second, k]], points[triangles[second, (k + 1) % 3]]
            cut = _segment_cuts(start, end, corners)
            found[first[cut]] = found[second[cut]] = True
    return found


def _near_pairs(points: FloatArray, triangles: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Pairs (k, 2) of triangles whose boxes touch and that share no point."""
    corners = points[triangles]
    middle = corners.mean(axis=1)
    reach = float(np.linalg.norm(corners - middle[:, None], axis=2).max(initial=0.0))
    pairs = cKDTree(middle).query_pairs(2.0 * reach, output_type="ndarray").astype(np.int64)
    low, high = corners.min(axis=1), corners.max(axis=1)
    first, second = pairs.T
    touch = ((low[first] <= high[second]) & (low[second] <= high[first])).all(axis=1)
    pairs = pairs[touch]
    apart = (triangles[pairs[:, 0]][:, :, None] != triangles[pairs[:, 1]][:, None, :]).all(axis=(1, 2))
    return np.asarray(pairs[apart])


def _segment_cuts(start: FloatArray, end: FloatArray, corners: FloatArray) -> BoolArray:
    """(k,) whether segments pass through triangles (k, 3, 3). Source: Moeller and Trumbore 1997."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    along, offset = end - start, start - corners[:, 0]
    cross = np.cross(along, second)
    volume = np.einsum("kd,kd->k", first, cross)
    safe = np.where(np.abs(volume) > 1e-14, volume, np.inf)
    u = np.einsum("kd,kd->k", offset, cross) / safe
    turned = np.cross(offset, first)
    v = np.einsum("kd,kd->k", along, turned) / safe
    t = np.einsum("kd,kd->k", second, turned) / safe
    inside = (u > _TOUCH) & (v > _TOUCH) & (u + v < 1.0 - _TOUCH) & (t > _TOUCH) & (t < 1.0 - _TOUCH)
    return np.asarray(np.isfinite(safe) & inside)
