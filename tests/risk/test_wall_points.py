"""A wall as points: evenly spread, with divergence, reach and parts as on triangles, and features that do not turn with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from aneuflow.numerics.surface import vertex_areas
from aneuflow.risk.regions import Wall, reach_of
from aneuflow.risk.wall_features import FEATURES, features, surroundings
from aneuflow.risk.wall_points import NEAR_POINTS, SAC_POINTS, divergence_at, large_parts, reach_at, spread
from aneuflow.types import Surface
from tests.risk.made_walls import RADIUS, sphere_wall


@pytest.fixture(scope="module")
def wall() -> Wall:
    return sphere_wall(struck=True)


def test_points_lie_evenly_on_sac_and_artery(wall: Wall) -> None:
    cloud, normals, nearest = spread(wall)
    assert (cloud.sac.sum(), cloud.near.sum()) == (SAC_POINTS, NEAR_POINTS) and not (cloud.sac & cloud.near).any()
    assert cloud.areas[cloud.sac].sum() == pytest.approx(wall.areas[wall.sac].sum(), rel=0.03)
    # The share of the points above any height is that of the sphere's area, which goes with the height (Archimedes).
    z = np.sort(cloud.surface.points[cloud.sac, 2])
    np.testing.assert_allclose((z + 1.0) / (RADIUS + 1.0), (np.arange(SAC_POINTS) + 0.5) / SAC_POINTS, atol=0.02)
    np.testing.assert_allclose(normals, cloud.surface.points / RADIUS, atol=0.05)
    away = np.linalg.norm(cloud.surface.points[nearest] - wall.surface.points, axis=1)[wall.sac]
    assert away.max() < 0.6 and cloud.sac[nearest].all()


def test_divergence_from_points_alone_is_that_of_the_field() -> None:
    """On a sphere the tangential part of the direction e has the divergence -2 cos(angle to e) / radius."""
    points = np.asarray(trimesh.creation.icosphere(subdivisions=4, radius=RADIUS).vertices)
    normals = points / RADIUS
    vectors = np.array([0.0, 0.0, 1.0]) - normals[:, 2:] * normals
    found = divergence_at(points, normals, vectors)
    np.testing.assert_allclose(found, -2.0 * normals[:, 2] / RADIUS, atol=0.02)


def test_reach_goes_along_the_wall(wall: Wall) -> None:
    cloud, *_ = spread(wall)
    found = reach_at(cloud.surface.points, cloud.sac)
    angle = np.arccos(np.clip(cloud.surface.points[:, 2] / RADIUS, -1.0, 1.0))
    expected = np.where(cloud.sac, 1.0 - angle / np.arccos(-1.0 / RADIUS), 0.0)
    np.testing.assert_allclose(found, expected, atol=0.08)
    np.testing.assert_allclose(found, cloud.reach, atol=0.08)


def test_parts_under_a_square_millimeter_are_left_out(wall: Wall) -> None:
    cloud, *_ = spread(wall)
    points, areas = cloud.surface.points[cloud.sac], cloud.areas[cloud.sac]
    large = np.linalg.norm(points - [0.0, 0.0, RADIUS], axis=1) < 1.0  # about 3 mm2
    small = np.linalg.norm(points - [RADIUS, 0.0, 0.0], axis=1) < 0.4  # about 0.5 mm2
    assert small.sum() >= 2
    np.testing.assert_array_equal(large_parts(points, areas, large | small), large)


def test_features_do_not_turn_with_the_wall(wall: Wall) -> None:
    turn, shift = Rotation.from_rotvec([0.7, -1.1, 0.4]).as_matrix(), np.array([12.0, -40.0, 7.0])
    turned = replace(wall, surface=Surface(wall.surface.points @ turn.T + shift, wall.surface.triangles))
    made = []
    for each in (wall, turned):
        cloud, normals, _ = spread(each)
        made.append(features(cloud, surroundings(cloud, normals)))
    assert made[0].shape == (SAC_POINTS, len(FEATURES)) and made[0].dtype == np.float32
    # Neighbors at exactly the radius may fall on either side of it by rounding.
    assert (np.abs(made[0] - made[1]) < 1e-3).mean() > 0.995


def test_features_of_a_sphere(wall: Wall) -> None:
    cloud, normals, _ = spread(wall)
    found = dict(zip(FEATURES, features(cloud, surroundings(cloud, normals)).T, strict=True))
    assert found["curvature"] == pytest.approx(wall.radius_mm / RADIUS, rel=0.1)
    z = cloud.surface.points[cloud.sac, 2]
    assert found["struck"][z > 2.9].min() > 0.8 and found["struck"][z < 1.5].max() < 0.2
    low = cloud.tawss[cloud.sac] < 0.39
    assert low.any() and found["low"][low].min() > 0.5 >= found["low"][~low].max()
    assert np.exp(found["parent_shear"]) == pytest.approx(cloud.parent(cloud.tawss)[0])
    assert reach_of(wall.surface.points, wall.surface.triangles, wall.sac).max() == pytest.approx(1.0)
    assert vertex_areas(wall.surface.points, wall.surface.triangles).sum() == pytest.approx(4 * np.pi * RADIUS**2, rel=0.01)
