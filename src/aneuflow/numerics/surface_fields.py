"""Fields on a surface: their divergence, smoothing, connected parts, and smooth random ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from aneuflow.numerics import surface as sf
from aneuflow.types import FloatArray, IntArray

BoolArray = npt.NDArray[np.bool_]
RANDOM_WAVES = 32


def surface_divergence(points: FloatArray, triangles: npt.NDArray[Any], vectors: FloatArray) -> FloatArray:
    """Divergence along the surface of vectors (n, 3) at the points, (n,), per mm: area mean over the triangles around a point.

    Within a triangle the field is linear. The part of a vector along the normal of a triangle does not count.
    """
    corners = points[triangles]
    double_normal = sf.face_vectors(points, triangles) * 2.0
    square = np.maximum(np.einsum("md,md->m", double_normal, double_normal), 1e-300)
    total = np.zeros(len(triangles))
    for k in range(3):
        edge = corners[:, (k + 2) % 3] - corners[:, (k + 1) % 3]
        gradient = np.cross(double_normal, edge) / square[:, None]
        total += np.einsum("md,md->m", vectors[triangles[:, k]], gradient)
    areas = sf.face_areas(points, triangles)
    weighted = sf.sum_to_vertices(len(points), triangles, np.column_stack([total * areas, areas]))
    return np.asarray(weighted[:, 0] / np.maximum(weighted[:, 1], 1e-300))


def smoothed(points: FloatArray, triangles: npt.NDArray[Any], values: FloatArray, length_mm: float) -> FloatArray:
    """Values (n,) averaged over about `length_mm` around each point, by steps of the mean over neighbors."""
    average = sf.neighbor_average(len(points), triangles)
    edge = float(np.median(sf.edge_lengths(points, triangles)))
    # A step of half the neighbors' mean spreads a peak by about edge / 2 in each direction (variance edge^2 / 4).
    for _ in range(max(1, round(4.0 * (length_mm / edge) ** 2 / 2.0))):
        values = 0.5 * (values + average @ values)
    return np.asarray(values)


def connected_parts(triangles: npt.NDArray[Any], chosen: BoolArray) -> IntArray:
    """(n,) number of the connected part of each chosen point, from 0; -1 elsewhere. Points connect along edges."""
    pairs, _ = sf.edges(triangles)
    inside = pairs[chosen[pairs].all(axis=1)]
    n = len(chosen)
    graph = sparse.coo_matrix((np.ones(len(inside)), (inside[:, 0], inside[:, 1])), shape=(n, n))
    label = csgraph.connected_components(graph, directed=False)[1]
    parts = np.full(n, -1, dtype=np.int32)
    parts[chosen] = np.unique(label[chosen], return_inverse=True)[1]
    return parts


def random_field(points: FloatArray, length_mm: float, generator: np.random.Generator) -> FloatArray:
    """(n,) a smooth random field of mean 0 and standard deviation 1 whose values are alike over about `length_mm`.

    A sum of random waves with a Gaussian spectrum. Source: Rahimi and Recht 2007.
    """
    waves = generator.normal(scale=1.0 / length_mm, size=(RANDOM_WAVES, 3))
    phases = generator.uniform(0.0, 2.0 * np.pi, RANDOM_WAVES)
    return np.asarray(np.sqrt(2.0 / RANDOM_WAVES) * np.cos(points @ waves.T + phases).sum(axis=1))
