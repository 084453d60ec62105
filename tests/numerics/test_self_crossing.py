"""Crossing triangles: of two spheres, of a sphere alone, of triangles that touch."""

from __future__ import annotations

import numpy as np
import trimesh

from aneuflow.numerics.self_crossing import crossing_triangles


def spheres(distance: float) -> tuple[np.ndarray, np.ndarray]:
    ball = trimesh.creation.icosphere(subdivisions=3)
    points = np.concatenate([ball.vertices, np.add(ball.vertices, [distance, 0.1, 0.0])])
    return points, np.concatenate([ball.faces, ball.faces + len(ball.vertices)])


def test_spheres_cross_where_they_overlap() -> None:
    points, triangles = spheres(1.2)
    found = crossing_triangles(points, triangles)
    middles = points[triangles].mean(axis=1)
    both = np.abs(np.linalg.norm(middles, axis=1) - 1) + np.abs(np.linalg.norm(middles - [1.2, 0.1, 0.0], axis=1) - 1)
    assert found[both < 0.02].all()
    assert not found[both > 0.4].any()


def test_what_does_not_overlap_does_not_cross() -> None:
    assert not crossing_triangles(*spheres(2.5)).any()


def test_triangles_that_touch_at_a_point_held_twice_do_not_cross() -> None:
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [-1, 0, 1], [-1, 0, -1]])
    assert not crossing_triangles(points, np.array([[0, 1, 2], [3, 4, 5]])).any()
    points[3:] = [[0.2, 0.2, 0.5], [0.3, 0.3, -0.5], [0.2, 0.3, -0.5]]
    assert crossing_triangles(points, np.array([[0, 1, 2], [3, 4, 5]])).all()
