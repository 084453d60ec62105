"""Tetrahedra against shapes whose volume, angles and boundary are known; layers that fill what they should."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.numerics import tetrahedra as tet

REGULAR = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=float)
# Six tetrahedra about the diagonal of each cube (Kuhn), which fit from cube to cube.
_ORDERS = [[0, 1, 3, 7], [0, 1, 5, 7], [0, 2, 3, 7], [0, 2, 6, 7], [0, 4, 5, 7], [0, 4, 6, 7]]


def block(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The unit cube in count^3 cubes of six tetrahedra."""
    axis = np.arange(count + 1)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    corners = points[(points < count).all(axis=1)]
    offsets = np.array([[(bit >> 2) & 1, (bit >> 1) & 1, bit & 1] for bit in range(8)])
    ids = (corners[:, None] + offsets) @ [(count + 1) ** 2, count + 1, 1]
    places = points / count
    return places, tet.oriented(places, np.concatenate([ids[:, order] for order in _ORDERS]))


def test_a_regular_tetrahedron_is_the_best_there_is() -> None:
    cells = tet.oriented(REGULAR, np.array([[0, 1, 2, 3]]))
    assert tet.volumes(REGULAR, cells)[0] == pytest.approx(8 / 3)
    assert tet.mean_ratio(REGULAR, cells)[0] == pytest.approx(1)
    np.testing.assert_allclose(tet.dihedral_angles_deg(REGULAR, cells), np.degrees(np.arccos(1 / 3)))
    flat = REGULAR * [1, 1, 1e-6]
    assert tet.mean_ratio(flat, tet.oriented(flat, cells))[0] < 1e-3


def test_a_cube_ends_in_its_six_sides() -> None:
    points, cells = block(3)
    assert tet.volumes(points, cells).sum() == pytest.approx(1) and tet.volumes(points, cells).min() > 0
    faces = tet.boundary_faces(cells)
    vectors = 0.5 * np.cross(points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]])
    assert len(faces) == 2 * 6 * 9
    assert np.linalg.norm(vectors, axis=1).sum() == pytest.approx(6)
    # Outward: the divergence theorem gives the volume.
    assert (vectors * points[faces].mean(axis=1)).sum() / 3 == pytest.approx(1)


def test_layers_along_one_side_fill_the_same_cube() -> None:
    points, cells = block(4)
    faces = tet.boundary_faces(cells)
    walls = faces[(points[faces][:, :, 0] == 0).all(axis=1)]
    inward = np.zeros_like(points)
    inward[points[:, 0] == 0] = [0.08, 0, 0]
    places, more = tet.with_layers(points, cells, walls, inward, layers=3, growth=1.5)
    assert len(more) == len(cells) + 3 * 3 * len(walls)
    assert tet.volumes(places, more).min() > 0 and tet.volumes(places, more).sum() == pytest.approx(1)
    # They fit: the boundary is still that of the cube.
    outside = tet.boundary_faces(more)
    vectors = np.cross(places[outside[:, 1]] - places[outside[:, 0]], places[outside[:, 2]] - places[outside[:, 0]])
    assert 0.5 * np.linalg.norm(vectors, axis=1).sum() == pytest.approx(6)
    depths = np.unique(np.round(places[(places[:, 0] < 0.1), 0], 9))
    np.testing.assert_allclose(np.diff(depths)[:3] / np.diff(depths)[0], [1, 1.5, 2.25], rtol=1e-6)


def test_layers_too_thick_for_the_mesh_are_made_thinner() -> None:
    points, cells = block(5)
    faces = tet.boundary_faces(cells)
    outside = np.unique(faces)
    inward = np.zeros_like(points)
    inward[outside] = 0.6 * (0.5 - points[outside])
    places, more = tet.with_layers(points, cells, faces, inward, layers=2, growth=1.2)
    assert tet.volumes(places, more).min() > 0 and tet.volumes(places, more).sum() == pytest.approx(1)
    moved = np.linalg.norm((places[: len(points)] - points)[outside], axis=1) / np.linalg.norm(inward[outside], axis=1)
    assert 0.2 < moved.max() < 0.99
