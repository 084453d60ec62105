"""What a network is told of each point of a sac's wall: flow, shape and neighborhood, alike however the vessel is turned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from aneuflow.risk.regions import JET_REACH_MM, LOW_SHEAR_PA, Wall, mean_sd
from aneuflow.risk.wall_points import pairs_within
from aneuflow.types import Float32Array, FloatArray

RADII_MM = (0.5, 1.0, 2.0)
POOLED, WIDE_STEP = 16, 6
_AVERAGED = ("low", "struck", "shear", "pressure", "divergence")
# In the order in which the network takes them. low and struck: how nearly the definitions of low shear and of impingement hold.
FEATURES = (
    *("low", "struck", "shear", "shear_over_limit", "pressure", "divergence", "high_shear_distance"),
    *("reach", "neck_distance", "curvature"),
    *(f"{name}_{part}_{radius:g}mm" for radius in RADII_MM for name in _AVERAGED for part in ("mean", "largest", "least")),
    *("parent_shear", "sac_shear", "sac_area"),
)
Indices = npt.NDArray[np.int64]
_SHEAR_FLOOR, _LIMIT_FLOOR_PA, _FARTHEST_MM, _PRESSURE_REACH = 0.01, 0.02, 3.0, 5.0
# How soft the definitions' limits are taken, in the units of what they limit.
_SOFT_LOG_SHEAR, _SOFT_PRESSURE, _SOFT_DIVERGENCE, _SOFT_MM = 0.1, 0.1, 0.05, 0.1


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What of a wall's points does not change with the flow.

    seen (s,): the points of sac and near artery; pairs: for each of `RADII_MM`, (2, k) of them as `pairs_within` has it; shape
    (n, 3) at the n points of the sac: reach, distance from the artery over the parent's radius, curvature times it. near and
    wide (n, 16): of each of these the nearest among them, and every sixth of the nearest 96.
    """

    seen: Indices
    pairs: tuple[Indices, ...]
    shape: FloatArray
    near: Indices
    wide: Indices


def surroundings(wall: Wall, normals: FloatArray) -> Surroundings:
    """Those of a wall without triangles, with normals (n, 3) at its points."""
    seen = np.flatnonzero(wall.sac | wall.near)
    points, sac = wall.surface.points[seen], wall.sac[seen]
    pairs = tuple(pairs_within(points, radius) for radius in RADII_MM)
    from_artery = np.asarray(cKDTree(points[~sac]).query(points)[0])
    curvature = _curvature(points, normals[seen], pairs[RADII_MM.index(1.0)])
    shape = np.column_stack([wall.reach[seen], from_artery / wall.radius_mm, wall.radius_mm * curvature])
    nearest = cKDTree(points[sac]).query(points[sac], k=WIDE_STEP * POOLED)[1]
    return Surroundings(seen, pairs, shape[sac], nearest[:, :POOLED], nearest[:, ::WIDE_STEP])


def _curvature(points: FloatArray, normals: FloatArray, pairs: Indices) -> FloatArray:
    """Mean curvature (n,) in 1/mm from how the normals turn on the way to the neighbors, positive on a dome."""
    away, turn = (values[pairs[1]] - values[pairs[0]] for values in (points, normals))
    rise, square = (np.bincount(pairs[0], np.einsum("kd,kd->k", away, other), minlength=len(points)) for other in (turn, away))
    return np.asarray(rise / np.maximum(square, 1e-9))


def features(wall: Wall, around: Surroundings) -> Float32Array:
    """`FEATURES` (n, 58) of the points of the sac, without dimensions.

    shear: logarithm over the parent artery's mean; pressure: over the sac's mean, in standard deviations; divergence: times the
    parent's radius over its mean shear; their means by area, largest and least values in the neighborhoods.
    """
    points, sac, areas = wall.surface.points[around.seen], wall.sac[around.seen], wall.areas[around.seen]
    tawss = wall.tawss[around.seen]
    parent = wall.parent(wall.tawss)[0]
    mean, deviation = mean_sd(wall.pressure[wall.sac], wall.areas[wall.sac])
    pressure = (wall.pressure[around.seen] - mean) / max(deviation, 1e-9)
    divergence = wall.divergence[around.seen] * wall.radius_mm / parent
    high = tawss > parent
    distance = np.full(len(points), np.inf)
    if high.any():
        distance = np.asarray(cKDTree(points[high]).query(points)[0])
    struck = _soft((pressure - 1.0) / _SOFT_PRESSURE) * _soft(divergence / _SOFT_DIVERGENCE)
    point = {
        "low": _soft(np.log(LOW_SHEAR_PA / np.maximum(tawss, 1e-3)) / _SOFT_LOG_SHEAR),
        "struck": struck * _soft((JET_REACH_MM - distance) / _SOFT_MM),
        "shear": np.log(tawss / parent + _SHEAR_FLOOR),
        "shear_over_limit": np.log((tawss + _LIMIT_FLOOR_PA) / LOW_SHEAR_PA),
        "pressure": np.clip(pressure, -_PRESSURE_REACH, _PRESSURE_REACH),
        "divergence": np.arcsinh(divergence),
        "high_shear_distance": np.minimum(distance, _FARTHEST_MM),
    }
    columns = [values[sac] for values in point.values()] + list(around.shape.T)
    for pairs in around.pairs:
        first = np.flatnonzero(np.diff(pairs[0], prepend=-1))
        weight = areas[pairs[1]]
        total = np.add.reduceat(weight, first)
        for name in _AVERAGED:
            there = point[name][pairs[1]]
            found = (
                np.add.reduceat(there * weight, first) / total,
                np.maximum.reduceat(there, first),
                np.minimum.reduceat(there, first),
            )
            columns += [values[sac] for values in found]
    whole = np.log(parent), np.average(point["shear"][sac], weights=areas[sac]), np.log(areas[sac].sum() / wall.radius_mm**2)
    columns += [np.full(int(sac.sum()), value) for value in whole]
    return np.stack(columns, axis=1).astype(np.float32)


def _soft(margin: FloatArray) -> FloatArray:
    """From 0 to 1 as a margin goes from far below 0 to far above."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * margin)))
