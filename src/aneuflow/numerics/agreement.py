"""How far several readings of the same points agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from aneuflow.types import FloatArray


def fleiss_kappa(counts: npt.NDArray[Any], weights: FloatArray | None = None) -> tuple[float, FloatArray]:
    """Agreement beyond chance of readers who each put every subject in one category: over all, and of each category (c,).

    counts (n, c): readers of a subject by category; each of at least two readers has judged all subjects. weights (n,): what a
    subject counts for, such as the area of a point; all alike where none are given. NaN where all chose the same category for
    all subjects: then there is nothing beyond chance to tell. Source: Fleiss 1971, equations 1 to 12.
    """
    readers = float(counts[0].sum())
    weight = np.ones(len(counts)) if weights is None else weights
    weight = weight[:, None] / weight.sum()
    share = (weight * counts).sum(axis=0) / readers
    pairs = (weight * counts * (counts - 1.0)).sum(axis=0) / (readers * (readers - 1.0))
    agreed = float(pairs.sum())
    by_chance = float((share**2).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        # A category's kappa is that of it against all others taken together.
        again = pairs / share
        each = (again - share) / (1.0 - share)
        return float(np.divide(agreed - by_chance, 1.0 - by_chance)), np.where((share > 0.0) & (share < 1.0), each, np.nan)


def dice(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_], areas: FloatArray) -> float:
    """Twice the common area over the sum of both; NaN where neither has any. first, second, areas (n,). Source: Dice 1945."""
    total = float(areas[first].sum() + areas[second].sum())
    return 2.0 * float(areas[first & second].sum()) / total if total > 0.0 else float("nan")
