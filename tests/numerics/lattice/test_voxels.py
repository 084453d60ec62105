"""Cells inside a surface and the distances along their links."""

from __future__ import annotations

import numpy as np
import pytest
import pyvista

from aneuflow.numerics.lattice.velocity_set import OPPOSITE, VELOCITIES, WEIGHTS
from aneuflow.numerics.lattice.voxels import voxelize


@pytest.fixture(scope="module")
def sphere() -> tuple[np.ndarray, np.ndarray]:
    mesh = pyvista.Icosphere(radius=2.0, nsub=5)
    return np.asarray(mesh.points, dtype=np.float64), mesh.regular_faces.astype(np.int32)


def test_velocity_set_is_isotropic_to_fourth_order() -> None:
    c = VELOCITIES.astype(float)
    np.testing.assert_allclose(np.einsum("i,ia,ib->ab", WEIGHTS, c, c), np.eye(3) / 3)
    fourth = np.einsum("i,ia,ib,ic,id->abcd", WEIGHTS, c, c, c, c)
    d = np.eye(3)
    delta = np.einsum("ab,cd->abcd", d, d) + np.einsum("ac,bd->abcd", d, d) + np.einsum("ad,bc->abcd", d, d)
    np.testing.assert_allclose(fourth, delta / 9)
    np.testing.assert_array_equal(VELOCITIES[OPPOSITE], -VELOCITIES)


def test_volume_of_a_sphere(sphere: tuple[np.ndarray, np.ndarray]) -> None:
    voxels = voxelize(*sphere, spacing=0.1)
    assert voxels.count * 0.1**3 == pytest.approx(4 / 3 * np.pi * 8, rel=0.005)
    assert (np.linalg.norm(voxels.points, axis=1) < 2.0).all()


def test_links_end_on_the_surface(sphere: tuple[np.ndarray, np.ndarray]) -> None:
    voxels = voxelize(*sphere, spacing=0.2)
    ends = voxels.points[voxels.link_cell] + 0.2 * voxels.link_distance[:, None] * VELOCITIES[voxels.link_direction]
    np.testing.assert_allclose(np.linalg.norm(ends, axis=1), 2.0, atol=0.004)


def test_each_direction_is_either_a_neighbor_or_a_link(sphere: tuple[np.ndarray, np.ndarray]) -> None:
    voxels = voxelize(*sphere, spacing=0.2)
    every = np.arange(voxels.count, dtype=np.int32)
    neighbors = np.stack([voxels.streaming.neighbors(every, np.full_like(every, i)) for i in range(1, 27)])
    assert np.count_nonzero(neighbors < 0) == len(voxels.link_cell)
    assert (neighbors[voxels.link_direction - 1, voxels.link_cell] == -1).all()
    for i in range(1, 27):
        cell = np.flatnonzero(neighbors[i - 1] >= 0)
        other = neighbors[i - 1, cell]
        np.testing.assert_array_equal(voxels.lattice[other] - voxels.lattice[cell], np.tile(VELOCITIES[i], (len(cell), 1)))


def test_two_walls_between_two_nodes_cut_the_link() -> None:
    a = pyvista.Box((0, 1, 0, 1, 0, 1)).triangulate()
    b = pyvista.Box((1.01, 2, 0, 1, 0, 1)).triangulate()
    points = np.concatenate([a.points, b.points]).astype(np.float64)
    triangles = np.concatenate([a.regular_faces, b.regular_faces + a.n_points]).astype(np.int32)
    voxels = voxelize(points, triangles, 0.1)
    assert voxels.points[:, 0].max() - voxels.points[:, 0].min() < 1.0
