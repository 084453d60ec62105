"""Calibre, length and winding of lines and tubes with known values."""

import numpy as np
import pytest

from aneuflow.morphology import vessel
from aneuflow.types import WALL_PATCH, Centerline
from tests.sac_shapes import straight


def taper(length: float, start: float, end: float) -> Centerline:
    z = np.linspace(0, length, 201)
    return Centerline(1, 2, np.stack([0 * z, 0 * z, z], axis=1), np.linspace(start, end, 201))


def test_parent_diameter_is_the_mean_of_neck_and_one_and_a_half_diameters_upstream() -> None:
    assert vessel.parent_diameter(taper(20, 2.0, 1.0)) == (pytest.approx(1.0 + 1.0 + 3.0 / 20, rel=1e-3), True)


def test_short_parent_artery_uses_its_far_end_and_says_so() -> None:
    assert vessel.parent_diameter(taper(2, 2.0, 1.0)) == (pytest.approx(3.0), False)


def test_half_a_circle_is_pi_over_two_times_as_long_as_its_chord() -> None:
    angle = np.linspace(0, np.pi, 400)
    arc = Centerline(1, 2, 5 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1), np.ones(400))
    assert vessel.length(arc) == pytest.approx(5 * np.pi, rel=1e-4)
    assert vessel.tortuosity(arc) == pytest.approx(np.pi / 2 - 1, rel=1e-3)


def test_minimum_diameter_finds_the_narrowing_and_not_the_ends() -> None:
    z = np.linspace(0, 20, 400)
    radius = 1.5 - 0.6 * np.exp(-((z - 10) ** 2)) - 0.9 * np.exp(-((z / 0.3) ** 2))
    assert vessel.minimum_diameter((Centerline(1, 2, np.stack([0 * z, 0 * z, z], axis=1), radius),)) == pytest.approx(
        1.8, rel=1e-2
    )


def test_tube_has_its_volume_and_wall() -> None:
    lumen, _ = straight(radius=1.5)
    points, triangles = lumen.surface.points, lumen.surface.triangles
    assert vessel.volume(points, triangles) == pytest.approx(np.pi * 1.5**2 * 16, rel=0.02)
    assert vessel.area(points, triangles[lumen.patch == WALL_PATCH]) == pytest.approx(2 * np.pi * 1.5 * 16, rel=0.02)


def screw(radius: float, rise: float, turns: float, tube: float = 1.5) -> Centerline:
    angle = np.linspace(0, 2 * np.pi * turns, 300)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), rise * angle], axis=1)
    return Centerline(1, 2, points, np.full(300, tube))


@pytest.mark.parametrize(("radius", "rise"), [(4.0, 2.0), (6.0, -3.0), (8.0, 0.5)])
def test_screw_has_its_curvature_and_torsion_with_its_sign(radius: float, rise: float) -> None:
    found = vessel.parent_bend(screw(radius, rise, 0.6))
    assert found is not None
    square = radius**2 + rise**2
    assert found == (pytest.approx(radius / square, rel=0.02), pytest.approx(rise / square, rel=0.02))


def test_straight_artery_has_no_curvature_and_a_stump_has_no_bend_at_all() -> None:
    bend = vessel.parent_bend(taper(20, 1.5, 1.5))
    assert bend == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-3))
    assert vessel.parent_bend(taper(2, 1.5, 1.5)) is None
