"""What a surrogate has to be better than: answers that need no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from aneuflow.surrogate.calibrate import limits_of
from aneuflow.types import FloatArray

Arrays = Mapping[str, npt.NDArray[Any]]
Flow = tuple[FloatArray, FloatArray]


def coarse_alone(case: Arrays) -> Flow:
    """Wall shear (n, 3) and pressure (n,) of the coarse flow as they are."""
    return np.asarray(case["coarse_shear_base"], np.float64), np.asarray(case["coarse_pressure_base"], np.float64)


def coarse_scaled(case: Arrays, training: Sequence[Arrays]) -> Flow:
    """The same times what sac, artery and pressure were low by in the median of the training cases."""
    shear, pressure = coarse_alone(case)
    sac = case["region"] == 1
    gains = np.ones(len(sac))
    for mine, number in ((sac, 1), (~sac, 0)):
        ratios = [_mean(other, "shear", number) / _mean(other, "coarse_shear_base", number) for other in training]
        gains[mine] = np.nanmedian(ratios)
    drop = np.median([_fitted(other["coarse_pressure_base"], other["pressure"]) for other in training])
    return shear * gains[:, None], pressure * float(drop)


def _fitted(given: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> float:
    return float(np.sum(given * wanted) / np.sum(given**2))


def _mean(case: Arrays, name: str, region: int) -> float:
    mine = case["region"] == region
    return float(np.linalg.norm(case[name][mine], axis=1).mean()) if mine.any() else np.nan


def poiseuille(case: Arrays) -> Flow:
    """A straight tube's flow of the local radius, everywhere: in the sac that of the artery beneath it."""
    tube = np.exp(case["wall_scalars"][:, 3])
    normal, direction = case["wall_vectors"][:, 1], case["wall_vectors"][:, 2]
    along = direction - np.einsum("nd,nd->n", direction, normal)[:, None] * normal
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    return tube[:, None] * along, np.asarray(case["pressure_base"], np.float64)


def nearest_shape(case: Arrays, training: Sequence[Arrays]) -> Flow:
    """The flow of the training case whose scalars are nearest, at the nearest points of the same region in its frame."""
    with_sac = [other for other in training if (other["region"] == 1).any()] or list(training)
    scalars = np.stack([other["scalars"] for other in with_sac]).astype(np.float64)
    limits = limits_of(scalars)
    mean, spread = np.array(limits["mean"]), np.array(limits["spread"])
    standard = np.nan_to_num((scalars - mean) / spread)
    mine = np.nan_to_num((case["scalars"] - mean) / spread)
    other = with_sac[int(np.argmin(((standard - mine) ** 2).sum(axis=1)))]

    def place(of: Arrays) -> FloatArray:
        return np.column_stack([of["wall_vectors"][:, 0], 10.0 * of["region"], 0.5 * of["wall_vectors"][:, 1]])

    at = cKDTree(place(other)).query(place(case))[1]
    return np.asarray(other["shear"][at], np.float64), np.asarray(other["pressure"][at], np.float64)
