"""A wall as a few hundred points without triangles: spread over one with triangles, or as a database of flows holds it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from aneuflow.numerics.surface import face_areas, face_normals
from aneuflow.risk.regions import DIVERGENCE_SMOOTHING_MM, LEAST_AREA_MM2, BoolArray, Wall
from aneuflow.types import FloatArray, IntArray, Surface

SAC_POINTS, NEAR_POINTS = 768, 538  # as in the database of flows (docs/database.md)
_GRAPH_NEIGHBORS, _PART_NEIGHBORS = 8, 6


def spread(wall: Wall) -> tuple[Wall, FloatArray, IntArray]:
    """The wall as points without triangles, evenly over sac and near artery; their normals (n, 3); of each of the wall's own
    points (m,) the nearest of them within the sac.
    """
    points, triangles = wall.surface.points, wall.surface.triangles
    areas, normals = face_areas(points, triangles), face_normals(points, triangles)
    sac_faces, near_faces = (part[triangles].sum(axis=1) >= 2 for part in (wall.sac, wall.near))
    picked = [
        _evenly(areas, np.flatnonzero(faces), count)
        for faces, count in ((sac_faces, SAC_POINTS), (near_faces & ~sac_faces, NEAR_POINTS))
    ]
    face = np.concatenate([part[0] for part in picked])
    sac = np.arange(len(face)) < len(picked[0][0])

    def at(values: FloatArray) -> FloatArray:
        return np.asarray(values[triangles[face]].mean(axis=1))

    cloud = Wall(
        surface=Surface(at(points), np.zeros((0, 3), dtype=np.int32)),
        areas=np.concatenate([part[1] for part in picked]),
        sac=sac,
        near=~sac,
        tawss=at(wall.tawss),
        osi=None,
        rrt=None,
        pressure=at(wall.pressure),
        divergence=at(wall.divergence),
        blebs=None,
        radius_mm=wall.radius_mm,
        reach=at(wall.reach),
    )
    nearest = np.flatnonzero(sac)[cKDTree(cloud.surface.points[sac]).query(points)[1]]
    return cloud, normals[face], nearest.astype(np.int32)


def _evenly(areas: FloatArray, faces: npt.NDArray[np.intp], count: int) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Triangles (count,) at equal steps of their running area, and the area each stands for; none of none."""
    if not len(faces):
        return faces, np.zeros(0)
    reached = np.cumsum(areas[faces])
    marks = (np.arange(count) + 0.5) / count * reached[-1]
    return faces[np.searchsorted(reached, marks)], np.full(count, reached[-1] / count)


def divergence_at(points: FloatArray, normals: FloatArray, vectors: FloatArray) -> FloatArray:
    """Divergence (n,) per mm along the wall of vectors (n, 3) known at points (n, 3) mm alone.

    The slope of a linear fit with Gaussian weights is that of the field smoothed by the same Gaussian (Stein 1981), so its
    width is that by which the definitions smooth.
    """
    spacing = float(np.median(cKDTree(points).query(points, k=2)[0][:, 1]))
    width = max(DIVERGENCE_SMOOTHING_MM / np.sqrt(2.0), 1.5 * spacing)
    pairs = pairs_within(points, 2.5 * width)
    away = points[pairs[1]] - points[pairs[0]]
    weight = np.exp(-0.5 * np.einsum("kd,kd->k", away, away) / width**2)
    # Behind a fold another sheet of wall is near in space: its normals look elsewhere.
    weight *= np.einsum("kd,kd->k", normals[pairs[0]], normals[pairs[1]]) > 0.0
    n = len(points)

    def summed(values: FloatArray) -> FloatArray:
        flat = values.reshape(len(values), -1)
        total = np.stack([np.bincount(pairs[0], column, minlength=n) for column in flat.T], axis=1)
        return total.reshape(n, *values.shape[1:])

    mass = summed(weight)
    middle = summed(weight[:, None] * away) / mass[:, None]
    mean = summed(weight[:, None] * vectors[pairs[1]]) / mass[:, None]
    centered, change = away - middle[pairs[0]], vectors[pairs[1]] - mean[pairs[0]]
    square = summed(weight[:, None, None] * centered[:, :, None] * centered[:, None, :])
    # Along the normal nothing is known: a wall of that stiffness there leaves the slope within the wall alone.
    size = np.maximum(np.trace(square, axis1=1, axis2=2), 1e-12)[:, None, None]
    square += size * (normals[:, :, None] * normals[:, None, :] + 1e-6 * np.eye(3))
    slope = np.linalg.solve(square, summed(weight[:, None, None] * centered[:, :, None] * change[:, None, :]))
    flat = np.eye(3) - normals[:, :, None] * normals[:, None, :]
    return np.asarray(np.einsum("nab,nab->n", flat, slope))


def pairs_within(points: FloatArray, radius_mm: float) -> npt.NDArray[np.int64]:
    """(2, k): each point (n, 3) with each within a radius of it, itself too; ordered by the first, then the second."""
    pairs = cKDTree(points).query_pairs(radius_mm, output_type="ndarray").T
    own = np.tile(np.arange(len(points)), (2, 1))
    both = np.concatenate([pairs, pairs[::-1], own], axis=1)
    return np.asarray(both[:, np.lexsort((both[1], both[0]))])


def reach_at(points: FloatArray, sac: BoolArray) -> FloatArray:
    """(n,) distance along the wall from the vessel over the sac's largest, from neighbor to neighbor; 0 outside the sac."""
    distance, index = cKDTree(points).query(points, k=_GRAPH_NEIGHBORS + 1)
    rows = np.repeat(np.arange(len(points)), _GRAPH_NEIGHBORS)
    graph = sparse.coo_matrix((distance[:, 1:].ravel(), (rows, index[:, 1:].ravel())), shape=(len(points),) * 2).tocsr()
    found = csgraph.dijkstra(graph, directed=False, indices=np.flatnonzero(~sac), min_only=True)
    found = np.where(sac & np.isfinite(found), found, 0.0)
    return np.asarray(found / max(float(found.max()), 1e-9))


def large_parts(points: FloatArray, areas: FloatArray, flagged: BoolArray) -> BoolArray:
    """Of the flagged points (n,) those in connected parts of at least 1 mm2; points connect to their nearest neighbors."""
    index = cKDTree(points).query(points, k=_PART_NEIGHBORS + 1)[1][:, 1:]
    rows = np.repeat(np.arange(len(points)), _PART_NEIGHBORS)
    linked = flagged[rows] & flagged[index.ravel()]
    graph = sparse.coo_matrix((np.ones(linked.sum()), (rows[linked], index.ravel()[linked])), shape=(len(points),) * 2)
    part = csgraph.connected_components(graph, directed=False)[1]
    return np.asarray(flagged & (np.bincount(part, areas)[part] >= LEAST_AREA_MM2))
