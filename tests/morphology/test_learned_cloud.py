"""The network's clouds: even over a wall, with the thickness of what they enclose, and blind to turns and mirrors."""

import numpy as np
import pytest

from aneuflow.morphology.learned.cloud import Cloud, drawn, given
from aneuflow.morphology.learned.names import LEVELS, POINTS
from tests.sac_shapes import straight

RADIUS = 1.7


def cloud_of_a_ball(radius: float) -> Cloud:
    normals = np.random.default_rng(3).normal(size=(POINTS, 3))
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    return Cloud(radius * normals, normals, 4 * np.pi * radius**2)


def test_points_lie_on_the_wall_evenly() -> None:
    lumen, _ = straight(radius=RADIUS)
    wall = lumen.surface.triangles[lumen.patch == 0]
    cloud, face = drawn(lumen.surface.points, wall, np.random.default_rng(1))
    away = np.linalg.norm(cloud.points_mm[:, :2], axis=1)
    assert np.quantile(np.abs(away - RADIUS), 0.95) < 0.01 * RADIUS  # the rims of the ends are cut by triangles
    assert np.mean((cloud.normals[:, :2] * cloud.points_mm[:, :2]).sum(axis=1) > 0.9 * RADIUS) > 0.95
    assert len(face) == POINTS and face.max() < len(wall)
    # Halves of a tube bear halves of its points; the first of them, which are the coarser levels, do so too.
    for count in LEVELS:
        assert np.mean(cloud.points_mm[:count, 2] > 0) == pytest.approx(0.5, abs=2 / np.sqrt(count))
    length = np.ptp(lumen.surface.points[:, 2])
    assert cloud.area_mm2 == pytest.approx(2 * np.pi * RADIUS * length, rel=0.02)


def test_the_scale_is_the_radius_of_a_ball_and_of_a_tube() -> None:
    ball = given(cloud_of_a_ball(2.5))
    assert ball.scale_mm == pytest.approx(2.5, rel=1e-3)
    np.testing.assert_allclose(ball.arrays["features"][:, :2], 0.0, atol=0.01)
    lumen, _ = straight(radius=RADIUS)
    wall = lumen.surface.triangles[lumen.patch == 0]
    tube = given(drawn(lumen.surface.points, wall, np.random.default_rng(1))[0])
    assert tube.scale_mm == pytest.approx(RADIUS, rel=0.03)


@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_a_turned_or_mirrored_wall_has_the_same_features(mirror: float) -> None:
    lumen, _ = straight(radius=RADIUS, sac=(3.0, 2.2))
    wall = lumen.surface.triangles[lumen.patch == 0]
    cloud = drawn(lumen.surface.points, wall, np.random.default_rng(1))[0]
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    turn *= mirror * np.sign(np.linalg.det(turn))
    turned = given(Cloud(cloud.points_mm @ turn + 40.0, cloud.normals @ turn, cloud.area_mm2))
    still = given(cloud)
    assert turned.scale_mm == pytest.approx(still.scale_mm, rel=1e-4)
    # On a perfect tube many normals stand at right angles exactly, so rounding decides which of them look the other way.
    off = np.abs(turned.arrays["features"] - still.arrays["features"])
    assert np.median(off) < 1e-4 and off.max() < 0.05
    np.testing.assert_allclose(turned.arrays["points"], still.arrays["points"] @ turn, atol=2e-3)
    for name in ("near_1", "near_2", "up_1", "up_2"):
        assert np.mean(np.sort(turned.arrays[name]) == np.sort(still.arrays[name])) > 0.999, name
