"""Surfaces as arrays: against spheres, tubes and discs, whose areas, volumes and openings are known."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.numerics import surface as sf
from tests import shapes


def test_a_sphere_has_its_area_volume_and_normals() -> None:
    ball = shapes.sphere(3.0, subdivisions=5)
    assert sf.area(ball.points, ball.triangles) == pytest.approx(36 * np.pi, rel=2e-3)
    assert sf.signed_volume(ball.points + 50, ball.triangles) == pytest.approx(36 * np.pi, rel=3e-3)
    assert np.allclose(sf.vertex_normals(ball.points, ball.triangles), ball.points / 3, atol=5e-3)
    assert sf.vertex_areas(ball.points, ball.triangles).sum() == pytest.approx(sf.area(ball.points, ball.triangles))
    assert sf.is_closed(ball.triangles)
    assert not sf.is_closed(ball.triangles[1:])


def test_inward_triangles_give_a_negative_volume() -> None:
    ball = shapes.sphere()
    assert sf.signed_volume(ball.points, ball.triangles[:, ::-1]) < 0


def test_the_openings_of_a_tube_are_two_rings_that_wind_about_opposite_directions() -> None:
    pipe = shapes.tube(radius=1.5)
    loops = sf.boundary_loops(pipe.triangles)
    vectors = [sf.polygon_area_vector(pipe.points[loop]) for loop in loops]
    assert sorted(float(pipe.points[loop][:, 2].mean()) for loop in loops) == [0.0, 12.0]
    assert np.allclose([np.linalg.norm(v) for v in vectors], np.pi * 1.5**2, rtol=5e-3)
    assert np.allclose(vectors[0], -vectors[1])


def test_two_openings_that_touch_in_a_point_stay_two() -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]], dtype=float)
    loops = sf.boundary_loops(np.array([[0, 1, 2], [0, 3, 4]]))
    assert sorted(sorted(loop.tolist()) for loop in loops) == [[0, 1, 2], [0, 3, 4]]
    assert len(points) == 5


def test_nonmanifold_edges_are_named() -> None:
    assert sf.nonmanifold_edges(np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4]])).tolist() == [[0, 1]]


def test_components_are_counted() -> None:
    ball = shapes.sphere(1.0, subdivisions=1)
    both = np.concatenate([ball.triangles, ball.triangles + len(ball.points)])
    assert sf.face_components(both).max() == 1
    assert sf.vertex_components(2 * len(ball.points), both).max() == 1


def test_a_plane_cuts_a_sphere_in_a_circle() -> None:
    ball = shapes.sphere(3.0, subdivisions=5)
    (ring,) = sf.plane_section(ball.points, ball.triangles, np.array([0, 0, 1.0]), np.array([0, 0, 2.0]))
    assert np.linalg.norm(sf.polygon_area_vector(ring)) == pytest.approx(8 * np.pi, rel=3e-3)
    assert np.allclose(sf.polygon_centroid(ring), [0, 0, 1], atol=1e-3)


def test_distance_along_a_sphere_is_the_arc_at_most_a_sixth_too_long() -> None:
    ball = shapes.sphere(2.0)
    start = int(np.argmax(ball.points[:, 2]))
    truth = 2 * np.arccos(np.clip(ball.points @ ball.points[start] / 4, -1, 1))
    found = sf.geodesic_distance(ball.points, ball.triangles, np.array([start]))
    far = truth > 1
    assert np.all(found[far] >= 0.99 * truth[far])
    assert np.all(found[far] <= 1.18 * truth[far])


@pytest.mark.parametrize("height", [0.0, 0.37, -1.9])
def test_a_split_keeps_the_surface_and_follows_the_plane(height: float) -> None:
    ball = shapes.sphere(3.0)
    split = sf.split_by_field(ball.points, ball.triangles, ball.points[:, 2] - height)
    assert sf.is_closed(split.triangles)
    assert sf.area(split.points, split.triangles) == pytest.approx(sf.area(ball.points, ball.triangles), rel=2e-3)
    (rim,) = sf.boundary_loops(split.triangles[split.below])
    assert np.abs(split.points[rim][:, 2] - height).max() < 1e-9
    zone = 6 * np.pi * (3 + height)
    assert sf.area(split.points, split.triangles[split.below]) == pytest.approx(zone, rel=6e-3)
    from_parents = (1 - split.weight)[:, None] * ball.points[split.parents[:, 0]] + split.weight[:, None] * ball.points[
        split.parents[:, 1]
    ]
    assert np.allclose(from_parents, split.points)


def test_a_disc_is_filled_flat_and_joins_its_rim() -> None:
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = np.stack([2 * np.cos(angle), 1.5 * np.sin(angle), np.ones(40)], axis=1)
    inner, triangles = sf.fill_disc(ring, 0.3)
    points = np.concatenate([ring, inner])
    assert len(inner) > 20
    assert np.allclose(sf.face_normals(points, triangles), [0, 0, 1])
    assert sf.area(points, triangles) == pytest.approx(float(np.linalg.norm(sf.polygon_area_vector(ring))))
    (rim,) = sf.boundary_loops(triangles)
    assert sorted(rim.tolist()) == list(range(40))


def test_smoothing_and_subdivision_keep_the_volume_and_calm_noise() -> None:
    ball = shapes.sphere(2.0, subdivisions=3)
    noise = np.random.default_rng(1).normal(size=ball.points.shape) * 0.03
    rough = ball.points + noise
    truth = sf.signed_volume(rough, ball.triangles)
    smooth = sf.taubin_smooth(rough, ball.triangles, 10)
    assert sf.signed_volume(smooth, ball.triangles) == pytest.approx(truth, rel=1e-6)
    assert np.std(np.linalg.norm(smooth, axis=1)) < 0.7 * np.std(np.linalg.norm(rough, axis=1))
    fine, triangles = sf.subdivide(rough, ball.triangles)
    assert len(triangles) == 4 * len(ball.triangles)
    assert sf.signed_volume(fine, triangles) == pytest.approx(truth, rel=1e-6)
    assert sf.is_closed(triangles)


def test_subdivision_leaves_rims_in_place() -> None:
    pipe = shapes.tube(edge=0.6)
    fine, triangles = sf.subdivide(pipe.points, pipe.triangles, keep_volume=False)
    for loop in sf.boundary_loops(triangles):
        assert len(np.unique(np.round(fine[loop][:, 2], 9))) == 1
    assert np.hypot(fine[:, 0], fine[:, 1]).min() > 1.4


def test_the_winding_number_tells_inside_from_outside() -> None:
    ball = shapes.sphere(2.0, subdivisions=3)
    places = np.array([[0, 0, 0], [1.9, 0, 0], [2.1, 0, 0], [0, -5.0, 0]])
    assert np.allclose(sf.winding_number(ball.points, ball.triangles, places), [1, 1, 0, 0], atol=1e-6)


def test_the_hull_of_a_sphere_is_the_sphere() -> None:
    ball = shapes.sphere(2.0)
    volume, area = sf.hull_volume_area(ball.points)
    assert volume == pytest.approx(sf.signed_volume(ball.points, ball.triangles), rel=1e-3)
    assert area == pytest.approx(sf.area(ball.points, ball.triangles), rel=1e-3)
