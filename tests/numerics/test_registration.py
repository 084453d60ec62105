"""Known motions found again; distances from a sphere, whose distances are known."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aneuflow.numerics import surface as sf
from aneuflow.numerics.registration import Rigid, fitted, frame_to_frame, signed_distance
from tests.sac_shapes import bend
from tests.shapes import sphere


def test_known_motion_is_found_from_a_start_nearby() -> None:
    lumen, _ = bend()
    points, triangles = lumen.surface.points, lumen.surface.triangles
    normals = sf.vertex_normals(points, triangles)
    turn = Rotation.from_euler("xyz", [8, -5, 6], degrees=True).as_matrix()
    moved = points @ turn.T + [0.8, -0.5, 0.4]
    start = Rigid(np.eye(3), np.zeros(3))
    motion = fitted(moved, points, normals, start, 0.9, 60)
    assert np.abs(motion(moved) - points).max() < 1e-3
    assert motion.rotation @ turn == pytest.approx(np.eye(3), abs=1e-3)


def test_part_that_only_one_surface_has_does_not_pull() -> None:
    lumen, _ = bend()
    points, triangles = lumen.surface.points, lumen.surface.triangles
    normals = sf.vertex_normals(points, triangles)
    swollen = points + (0.8 * (points[:, 1] > 3.5))[:, None] * normals
    motion = fitted(swollen, points, normals, Rigid(np.eye(3), np.array([0.2, 0.1, -0.1])), 0.6, 80)
    assert np.linalg.norm(motion(points) - points, axis=1).max() < 0.05


def test_frame_goes_onto_frame() -> None:
    axes = Rotation.from_euler("xyz", [10, 20, 30], degrees=True).as_matrix()
    motion = frame_to_frame((np.array([1.0, 2, 3]), axes), (np.array([4.0, 5, 6]), np.eye(3)))
    assert motion(np.array([[1.0, 2, 3]])) == pytest.approx(np.array([[4.0, 5, 6]]))
    assert motion.turned(axes) == pytest.approx(np.eye(3))


def test_distance_from_a_sphere_is_positive_outside() -> None:
    ball = sphere(2.0)
    points, triangles = ball.points, ball.triangles
    random = np.random.default_rng(1)
    places = random.normal(size=(500, 3))
    places *= (random.uniform(0.5, 4, 500) / np.linalg.norm(places, axis=1))[:, None]
    found = signed_distance(places, points, triangles)
    assert found == pytest.approx(np.linalg.norm(places, axis=1) - 2.0, abs=0.03)


def test_point_on_the_surface_has_no_distance() -> None:
    ball = sphere(2.0)
    points, triangles = ball.points, ball.triangles
    assert np.abs(signed_distance(points[:50], points, triangles)).max() < 1e-9
    assert np.abs(signed_distance(points[triangles[:50]].mean(axis=1), points, triangles)).max() < 1e-9
