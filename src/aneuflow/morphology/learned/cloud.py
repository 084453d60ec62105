"""A wall as points with normals, and what the network is given of them besides: numbers that no turn and no mirror changes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from aneuflow.morphology.learned.names import LEVELS, NEIGHBORS, POINTS
from aneuflow.numerics.surface import LongArray, face_areas, face_normals
from aneuflow.types import FloatArray, IntArray

_BEND_OVER = (16, 48)
_LARGEST_BALL_MM = 20.0


@dataclass(frozen=True, eq=False)
class Cloud:
    """points_mm, normals (n, 3), outward: spread evenly over a wall of the area area_mm2, in an order by chance."""

    points_mm: FloatArray
    normals: FloatArray
    area_mm2: float


@dataclass(frozen=True, eq=False)
class Given:
    """A cloud as the network takes it: the arrays `INPUTS`, in units of scale_mm from middle_mm (3,)."""

    arrays: dict[str, npt.NDArray[Any]]
    middle_mm: FloatArray
    scale_mm: float


def drawn(points: FloatArray, triangles: IntArray, generator: np.random.Generator) -> tuple[Cloud, LongArray]:
    """`POINTS` points of a wall, and the triangle (n,) that each lies in.

    They lie at equal steps of the running area, from a start by chance, each anywhere in its triangle.
    """
    areas, normals = face_areas(points, triangles), face_normals(points, triangles)
    reached = np.cumsum(areas)
    marks = (np.arange(POINTS) + generator.random()) / POINTS * reached[-1]
    face = np.minimum(np.searchsorted(reached, marks), len(triangles) - 1)[generator.permutation(POINTS)]
    part = generator.random((POINTS, 2))
    part = np.where(part.sum(axis=1, keepdims=True) > 1.0, 1.0 - part, part)
    weight = np.column_stack([1.0 - part.sum(axis=1), part])
    places = np.einsum("nk,nkd->nd", weight, points[triangles[face]])
    return Cloud(places, normals[face], float(reached[-1])), face.astype(np.int64)


def given(cloud: Cloud) -> Given:
    """What the network is given of a cloud; each coarser level is the first points of the finer one.

    points, normals (n, 3); features (n, 6): logarithm of the radius of the balls inside the wall that touch it at the point,
    the least and a low one, and how the wall bends over 16 and 48 neighbors; near_k (n_k, neighbors) of each point of a level
    among those of the finer one; up_k, weight_k (n_(k-1), 3): its nearest points of the coarser level, and their weights. The
    scale is half the thickness of the lumen that is met most: the median of the least radii.
    """
    middle = cloud.points_mm.mean(axis=0)
    radii = _ball_radii(cloud.points_mm - middle, cloud.normals)
    scale = float(np.median(radii[:, 0]))
    points = (cloud.points_mm - middle) / scale
    bends = [_bend(points, cloud.normals, count) for count in _BEND_OVER]
    arrays: dict[str, npt.NDArray[Any]] = {
        "points": points.astype(np.float32),
        "normals": cloud.normals.astype(np.float32),
        "features": np.column_stack([np.log(radii / scale), *bends]).astype(np.float32),
    }
    for level, (fine, coarse) in enumerate(pairwise(LEVELS), start=1):
        arrays[f"near_{level}"] = cKDTree(points[:fine]).query(points[:coarse], k=NEIGHBORS)[1].astype(np.int64)
        distance, index = cKDTree(points[:coarse]).query(points[:fine], k=3)
        weight = 1.0 / (distance**2 + 1e-8)
        arrays[f"up_{level}"] = index.astype(np.int64)
        arrays[f"weight_{level}"] = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
    return Given(arrays, middle, scale)


def _ball_radii(points: FloatArray, normals: FloatArray) -> FloatArray:
    """(n, 2) mm, of the balls that touch the wall at a point from inside and reach another whose normal looks the other way:
    the smallest (Ma, Bae and Choi 2012), and the 5 % quantile, which a fold or a rough place does not move.
    """
    places, outward = points.astype(np.float32), normals.astype(np.float32)
    depth = (outward * places).sum(axis=1)[:, None] - outward @ places.T
    square = (places**2).sum(axis=1)
    distance = np.maximum(square[:, None] + square - 2.0 * places @ places.T, 0.0)
    facing = (outward @ outward.T < 0.0) & (depth > 1e-3)
    radius = np.where(facing, distance / np.maximum(2.0 * depth, 1e-3), _LARGEST_BALL_MM)
    low = np.partition(radius, len(radius) // 20, axis=1)[:, : len(radius) // 20 + 1]
    both = np.column_stack([low.min(axis=1), low.max(axis=1)])
    return np.asarray(np.clip(both, 0.1, _LARGEST_BALL_MM), dtype=np.float64)


def _bend(points: FloatArray, normals: FloatArray, count: int) -> FloatArray:
    """(n, 2): how far the normals of the nearest points lean away, and how far these lie over the tangent plane."""
    index = cKDTree(points).query(points, k=count + 1)[1][:, 1:]
    away = points[index] - points[:, None]
    over = np.einsum("nkd,nd->nk", away, normals).mean(axis=1) / np.linalg.norm(away, axis=2).mean(axis=1)
    return np.column_stack([1.0 - np.einsum("nkd,nd->nk", normals[index], normals).mean(axis=1), over])
