"""Rigid registration of surfaces, and the signed distance between them. Points are (n, 3) float64 in mm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from aneuflow.numerics import surface as sf
from aneuflow.numerics.surface import FloatArray

_NEAREST = 12


@dataclass(frozen=True, eq=False)
class Rigid:
    """x -> rotation (3, 3) x + translation (3,)."""

    rotation: FloatArray
    translation: FloatArray

    def __call__(self, points: FloatArray) -> FloatArray:
        return np.asarray(points @ self.rotation.T + self.translation)

    def turned(self, vectors: FloatArray) -> FloatArray:
        return np.asarray(vectors @ self.rotation.T)


def frame_to_frame(moving: tuple[FloatArray, FloatArray], fixed: tuple[FloatArray, FloatArray]) -> Rigid:
    """The motion that takes one frame (origin (3,), axes (3, 3) as rows) onto another."""
    rotation = fixed[1].T @ moving[1]
    return Rigid(rotation, fixed[0] - rotation @ moving[0])


def fitted(moving: FloatArray, fixed: FloatArray, normals: FloatArray, start: Rigid, kept: float, steps: int) -> Rigid:
    """The motion from `start` on that lays moving points (n, 3) on a surface of points (m, 3) with unit normals (m, 3).

    Iterated closest points by distance to the tangent plane (Chen, Medioni 1992), in each step the share `kept` of the
    points that lie nearest (Chetverikov 2005): what one surface has and the other lacks does not pull.
    """
    tree, motion = cKDTree(fixed), start
    for _ in range(steps):
        places = motion(moving)
        away, nearest = (np.asarray(found) for found in tree.query(places))
        near = away <= np.quantile(away, kept)
        place, normal = places[near], normals[nearest[near]]
        gap = ((fixed[nearest[near]] - place) * normal).sum(axis=1)
        middle = place.mean(axis=0)
        system = np.concatenate([np.cross(place - middle, normal), normal], axis=1)
        # A smooth tube holds neither its turn nor its shift along itself: a little damping leaves them where they are.
        matrix = system.T @ system + 1e-6 * len(place) * np.eye(6)
        step = np.linalg.solve(matrix, system.T @ gap)
        turn = _rotation(step[:3])
        motion = Rigid(turn @ motion.rotation, turn @ (motion.translation - middle) + middle + step[3:])
        if np.linalg.norm(step[3:]) < 1e-5 and np.linalg.norm(step[:3]) < 1e-6:
            break
    return motion


def _rotation(vector: FloatArray) -> FloatArray:
    """Rotation matrix of a rotation vector (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def signed_distance(places: FloatArray, points: FloatArray, triangles: npt.NDArray[Any]) -> FloatArray:
    """Distance of places (k, 3) from a surface, (k,) mm, positive on the side its normals point to.

    The nearest of the twelve triangles whose middles are nearest; right where triangles are of similar size.
    """
    corners = points[triangles]
    near = np.asarray(cKDTree(corners.mean(axis=1)).query(places, k=min(_NEAREST, len(triangles)))[1]).reshape(len(places), -1)
    closest = _closest(places[:, None], corners[near])
    offset = places[:, None] - closest
    away = np.linalg.norm(offset, axis=2)
    best = away.argmin(axis=1)
    row = np.arange(len(places))
    # Where several triangles share the nearest place (an edge, a corner), the sum of their normals tells the side.
    normals = sf.face_normals(points, triangles)[near]
    shared = away <= away[row, best][:, None] + 1e-9
    side = ((normals * shared[..., None]).sum(axis=1) * offset[row, best]).sum(axis=1)
    return np.asarray(np.where(side >= 0, 1.0, -1.0) * away[row, best])


def _closest(place: FloatArray, corners: FloatArray) -> FloatArray:
    """The nearest places (..., 3) on triangles (..., 3, 3) (Ericson 2004, section 5.1.5)."""
    a, b, c = (corners[..., k, :] for k in range(3))
    ab, ac, ap = b - a, c - a, place - a

    def dot(u: FloatArray, v: FloatArray) -> FloatArray:
        return np.asarray((u * v).sum(axis=-1))

    d1, d2 = dot(ab, ap), dot(ac, ap)
    d3, d4 = dot(ab, place - b), dot(ac, place - b)
    d5, d6 = dot(ab, place - c), dot(ac, place - c)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    total = np.maximum(va + vb + vc, 1e-300)
    v, w = vb / total, vc / total
    on_ab, on_ac = _share(d1, d1 - d3), _share(d2, d2 - d6)
    on_bc = _share(d4 - d3, (d4 - d3) + (d5 - d6))
    zero, one = np.zeros_like(v), np.ones_like(v)
    cases: list[tuple[Any, FloatArray, FloatArray]] = [
        ((d1 <= 0) & (d2 <= 0), zero, zero),
        ((d3 >= 0) & (d4 <= d3), one, zero),
        ((d6 >= 0) & (d5 <= d6), zero, one),
        ((vc <= 0) & (d1 >= 0) & (d3 <= 0), on_ab, zero),
        ((vb <= 0) & (d2 >= 0) & (d6 <= 0), zero, on_ac),
        ((va <= 0) & (d4 - d3 >= 0) & (d5 - d6 >= 0), 1 - on_bc, on_bc),
    ]
    where = [case[0] for case in cases]
    v, w = np.select(where, [case[1] for case in cases], v), np.select(where, [case[2] for case in cases], w)
    return np.asarray(a + v[..., None] * ab + w[..., None] * ac)


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.asarray(part / np.where(np.abs(whole) < 1e-300, 1.0, whole))
