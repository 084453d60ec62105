"""Which levels lie beside each other: features of the grey level co-occurrence matrix (GLCM) in three dimensions.

Source: Haralick et al. 1973; definitions and names of Zwanenburg et al., Radiology 2020, and the IBSI reference manual.
"""

from __future__ import annotations

import itertools

import numpy as np

from aneuflow.errors import MethodError
from aneuflow.types import FloatArray, IntArray

# One of each pair of opposite neighbors: 13 directions at a Chebyshev distance of 1.
DIRECTIONS = tuple(step for step in itertools.product((-1, 0, 1), repeat=3) if step > (0, 0, 0))


def texture(levels: IntArray, count: int) -> dict[str, float]:
    """The 25 features of levels (nx, ny, nz), 1 to `count` and 0 outside the region, each in two ways, by name.

    `..._merged`: of the matrix summed over all directions; `..._averaged`: the mean of the features of each direction that
    has a pair of neighbors and for which the feature is defined. nan where a feature is not. Raises MethodError where no two
    voxels of the region lie beside each other.
    """
    pairs = cooccurrence(levels, count)
    if not pairs.any():
        raise MethodError("No two voxels of the region lie beside each other, so it has no texture; widen its intensity range.")
    merged = cooccurrence_features(pairs.sum(axis=0))
    each = [cooccurrence_features(matrix) for matrix in pairs if matrix.any()]
    found = {f"{name}_merged": value for name, value in merged.items()}
    for name in merged:
        values = np.array([features[name] for features in each])
        known = values[np.isfinite(values)]
        found[f"{name}_averaged"] = float(known.mean()) if len(known) else float("nan")
    return found


def cooccurrence(levels: IntArray, count: int) -> FloatArray:
    """(13, count, count) numbers of neighbors with the levels i and j in each direction, counted both ways."""
    matrices = np.zeros((len(DIRECTIONS), count, count))
    for matrix, step in zip(matrices, DIRECTIONS, strict=True):
        here = levels[tuple(slice(max(-s, 0), n - max(s, 0)) for s, n in zip(step, levels.shape, strict=True))]
        there = levels[tuple(slice(max(s, 0), n - max(-s, 0)) for s, n in zip(step, levels.shape, strict=True))]
        both = (here > 0) & (there > 0)
        np.add.at(matrix, (here[both] - 1, there[both] - 1), 1.0)
        matrix += matrix.T.copy()
    return matrices


def cooccurrence_features(matrix: FloatArray) -> dict[str, float]:
    """The 25 features of one symmetric matrix (count, count) of numbers of pairs, by name; nan where one is not defined."""
    p, count = matrix / matrix.sum(), len(matrix)
    i, j = np.indices(p.shape) + 1.0
    apart, together = np.abs(i - j), i + j
    marginal = p.sum(axis=1)
    mean = float((i * p).sum())
    variance = float(((i - mean) ** 2 * p).sum())
    of_difference = np.bincount(apart.astype(int).ravel(), p.ravel())
    of_sum = np.bincount(together.astype(int).ravel(), p.ravel())[2:]
    difference, total = np.arange(count), np.arange(2, 2 * count + 1)
    difference_mean, sum_mean = float(difference @ of_difference), float(total @ of_sum)
    unlike = apart > 0
    cluster = together - 2.0 * mean
    return {
        "joint_maximum": float(p.max()),
        "joint_average": mean,
        "joint_variance": variance,
        "joint_entropy": _entropy(p),
        "difference_average": difference_mean,
        "difference_variance": float((difference - difference_mean) ** 2 @ of_difference),
        "difference_entropy": _entropy(of_difference),
        "sum_average": sum_mean,
        "sum_variance": float((total - sum_mean) ** 2 @ of_sum),
        "sum_entropy": _entropy(of_sum),
        "angular_second_moment": float((p**2).sum()),
        "contrast": float((apart**2 * p).sum()),
        "dissimilarity": float((apart * p).sum()),
        "inverse_difference": float((p / (1.0 + apart)).sum()),
        "normalized_inverse_difference": float((p / (1.0 + apart / count)).sum()),
        "inverse_difference_moment": float((p / (1.0 + apart**2)).sum()),
        "normalized_inverse_difference_moment": float((p / (1.0 + (apart / count) ** 2)).sum()),
        "inverse_variance": float((p[unlike] / apart[unlike] ** 2).sum()),
        "correlation": float(((i - mean) * (j - mean) * p).sum()) / variance if variance > 0.0 else float("nan"),
        "autocorrelation": float((i * j * p).sum()),
        "cluster_tendency": float((cluster**2 * p).sum()),
        "cluster_shade": float((cluster**3 * p).sum()),
        "cluster_prominence": float((cluster**4 * p).sum()),
        **_information(p, marginal),
    }


def _information(p: FloatArray, marginal: FloatArray) -> dict[str, float]:
    """Both information correlations: how far the joint entropy is from that of independent neighbors."""
    joint, single = _entropy(p), _entropy(marginal)
    independent = np.outer(marginal, marginal)
    crossed = float(-(p[p > 0] * np.log2(independent[p > 0])).sum())
    excess = max(_entropy(independent) - joint, 0.0)
    return {
        "information_correlation_1": (joint - crossed) / single if single > 0.0 else float("nan"),
        "information_correlation_2": float(np.sqrt(1.0 - np.exp(-2.0 * excess))),
    }


def _entropy(p: FloatArray) -> float:
    known = p[p > 0]
    return float(-(known * np.log2(known)).sum())
