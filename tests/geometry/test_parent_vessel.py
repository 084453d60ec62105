"""Tubes between the ends of known vessels, what lies outside of them, and blind branches told from sacs."""

import numpy as np
import pytest

from aneuflow.geometry.parent_vessel import Tube, blind_branches, centered, excess, lumen_grid, parent_tubes
from aneuflow.geometry.sac import find_aneurysm
from tests.sac_shapes import line_distance, lumen, straight


def tube(offset: float = 0.0) -> Tube:
    z = np.linspace(-8, 8, 81)
    return Tube(np.stack([0 * z + offset, 0 * z, z], axis=1), np.full(81, 1.2), np.full(81, 1.5), 1, 2)


def test_path_between_the_ends_of_a_tube_is_its_axis_and_has_its_radius() -> None:
    vessel, caps = straight()
    (found,) = parent_tubes(lumen_grid(vessel, caps), caps)
    assert (found.start, found.end) == (1, 2)
    assert np.hypot(found.points_mm[:, 0], found.points_mm[:, 1]).max() < 0.25
    assert found.radius_mm == pytest.approx(1.5, abs=0.3)


def test_path_under_a_sac_stays_in_the_artery() -> None:
    vessel, caps = straight(sac=(4.0, 3.0))
    (found,) = parent_tubes(lumen_grid(vessel, caps), caps)
    assert found.points_mm[:, 1].max() < 0.5


def test_excess_is_counted_in_expected_radii_from_the_tube() -> None:
    outside = excess(np.array([[1.2, 0, 0], [1.2 + 3.0, 0, 0], [0, 0, 0]]), (tube(),))
    assert outside.value == pytest.approx([0.0, 2.0, -0.8])
    assert outside.expected_mm == pytest.approx(1.5)


def test_circles_fitted_to_the_wall_center_a_path_beside_its_axis() -> None:
    turn = np.linspace(0, 2 * np.pi, 49)[:-1]
    wall = np.array([[1.5 * np.cos(t), 1.5 * np.sin(t), z] for z in np.arange(-8, 8.1, 0.2) for t in turn])
    # A third of the circumference is missing, as where a sac was taken away.
    found = centered(tube(offset=0.3), wall[wall[:, 1] < 0.75])
    assert np.hypot(found.points_mm[:, 0], found.points_mm[:, 1]).max() < 0.01
    assert found.radius_mm == pytest.approx(1.5, rel=1e-3)


def test_thin_branch_with_a_closed_end_is_a_branch_and_no_sac() -> None:
    axis, twig = np.array([[0.0, 0, -10], [0, 0, 10]]), np.array([[0.0, 0, 0], [0, 6, 0]])

    def distance(places: np.ndarray) -> np.ndarray:
        return np.minimum(line_distance(places, axis, np.full(2, 1.5)), line_distance(places, twig, np.full(2, 0.6)))

    ends = [((0, 0, -8), (0, 0, -1), 1.5, "inlet"), ((0, 0, 8), (0, 0, 1), 1.5, "outlet")]
    vessel, caps = lumen(distance, [-3, -3, -9], [3, 8, 9], ends)
    grid = lumen_grid(vessel, caps)
    branches = blind_branches(grid, excess(grid.points_mm, parent_tubes(grid, caps)), 0.6)
    assert branches
    assert max(branch.points_mm[:, 1].max() for branch in branches) > 5
    assert find_aneurysm(vessel, caps).aneurysm is None
