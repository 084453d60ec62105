"""Tetrahedral meshes as arrays: volumes, quality, the faces they end in, thin layers along a part of those faces.

points are (n, 3) float64; tetrahedra (m, 4) integer, of positive volume det(b - a, c - a, d - a) / 6.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from aneuflow.types import FloatArray, IntArray

# The faces of a tetrahedron of positive volume, counter-clockwise seen from outside.
_FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
_EDGES = np.array([[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]])
_YIELDING = 12
_TRIES = 12
_FLATTEST = 0.3


def volumes(points: FloatArray, tetrahedra: npt.NDArray[Any]) -> FloatArray:
    """Signed volumes (m,)."""
    a, b, c, d = (points[tetrahedra[:, k]] for k in range(4))
    return np.asarray(np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) / 6)


def oriented(points: FloatArray, tetrahedra: npt.NDArray[Any]) -> IntArray:
    """The same tetrahedra with two corners swapped where the volume was negative."""
    swapped = tetrahedra[:, [0, 1, 3, 2]]
    return np.where(volumes(points, tetrahedra)[:, None] < 0, swapped, tetrahedra).astype(np.int32)


def mean_ratio(points: FloatArray, tetrahedra: npt.NDArray[Any]) -> FloatArray:
    """Shape of each tetrahedron (m,): 12 (3 V)^(2/3) / sum of squared edges; 1 regular, 0 flat (Liu and Joe 1994)."""
    steps = points[tetrahedra[:, _EDGES[:, 0]]] - points[tetrahedra[:, _EDGES[:, 1]]]
    squares = np.maximum((steps**2).sum(axis=(1, 2)), 1e-300)
    return np.asarray(12 * np.cbrt(3 * np.maximum(volumes(points, tetrahedra), 0)) ** 2 / squares)


def dihedral_angles_deg(points: FloatArray, tetrahedra: npt.NDArray[Any]) -> FloatArray:
    """The six angles between the faces of each tetrahedron (m, 6), degrees."""
    corners = points[tetrahedra][:, _FACES]
    normals = np.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-300)
    pairs = np.array([[i, j] for i in range(4) for j in range(i + 1, 4)])
    cosine = -np.einsum("mij,mij->mi", normals[:, pairs[:, 0]], normals[:, pairs[:, 1]])
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def boundary_faces(tetrahedra: npt.NDArray[Any]) -> IntArray:
    """The faces (k, 3) that belong to one tetrahedron alone, counter-clockwise seen from outside."""
    faces = tetrahedra[:, _FACES].reshape(-1, 3)
    keys = np.sort(faces, axis=1)
    _, first, count = np.unique(keys, axis=0, return_index=True, return_counts=True)
    return np.asarray(faces[np.sort(first[count == 1])], dtype=np.int32)


def relaxed(displacement: FloatArray, is_given: npt.NDArray[np.bool_], tetrahedra: npt.NDArray[Any]) -> FloatArray:
    """Displacements (n, 3) carried from the points where they are given into the mesh, fading over some rings of points."""
    n, pairs = len(displacement), tetrahedra[:, _EDGES].reshape(-1, 2)
    half = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n)).tocsr()
    near: Any = half + half.T
    mean = sparse.diags(1 / np.maximum(np.asarray(near.sum(axis=1)).ravel(), 1.0)) @ near
    found = displacement.copy()
    for _ in range(_YIELDING):
        found = np.where(is_given[:, None], displacement, mean @ found)
    return found


def with_layers(
    points: FloatArray, tetrahedra: IntArray, walls: IntArray, inward: FloatArray, layers: int, growth: float
) -> tuple[FloatArray, IntArray]:
    """The mesh with `layers` thin layers of tetrahedra along the wall; its wall stays where it is.

    walls (k, 3): the faces of the wall; inward (n, 3): how far each point of the wall is to move to make room, zero
    elsewhere; growth: thickness of a layer over that of the one before, counted from the wall. The mesh behind yields;
    where a tetrahedron would lose too much of its volume, the layers are made thinner there.
    """
    given, inward = _room(points, tetrahedra, walls, inward)
    inner = points + relaxed(inward, given, tetrahedra)
    inner[given] = points[given] + inward[given]
    depths = np.concatenate([[0.0], np.cumsum(growth ** np.arange(layers))])
    depths /= depths[-1]
    columns, local = np.unique(walls, return_inverse=True)
    local = local.reshape(-1, 3)
    outer = [points[columns] + depth * inward[columns] for depth in depths[:-1]]
    rows = [len(points) + k * len(columns) + np.arange(len(columns)) for k in range(layers)] + [columns]
    places = np.concatenate([inner, *outer])
    prisms = [_split(rows[k + 1][local], rows[k][local], local) for k in range(layers)]
    return places, oriented(places, np.concatenate([tetrahedra, *prisms]))


def _room(
    points: FloatArray, tetrahedra: IntArray, walls: IntArray, inward: FloatArray
) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    """Where displacements are given, and those so scaled that no tetrahedron keeps less than a share of its volume."""
    faces = boundary_faces(tetrahedra)
    given = np.zeros(len(points), dtype=bool)
    given[walls] = True
    # The flat ends stay flat: their inner points do not yield.
    given[faces] = True
    scale, before = np.ones(len(points)), volumes(points, tetrahedra)
    for _ in range(_TRIES):
        moved = scale[:, None] * inward
        after = volumes(points + relaxed(moved, given, tetrahedra), tetrahedra)
        bad = after < _FLATTEST * before
        if not bad.any():
            break
        hit = np.zeros(len(points), dtype=bool)
        hit[tetrahedra[bad]] = True
        hit[tetrahedra[hit[tetrahedra].any(axis=1)]] = True
        scale[hit] *= 0.7
    return given, scale[:, None] * inward


def _split(inner: npt.NDArray[Any], outer: npt.NDArray[Any], order: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Prisms over triangles as three tetrahedra each; neighbors share diagonals because the corners are taken in order."""
    turn = np.argsort(order, axis=1)
    (i, j, k), (p, q, r) = (np.take_along_axis(corner, turn, axis=1).T for corner in (inner, outer))
    return np.concatenate([np.stack(corners, axis=1) for corners in ((i, j, k, r), (i, j, q, r), (i, p, q, r))])
