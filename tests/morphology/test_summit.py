"""The direction to the summit of a dome, against the farthest point of the exact one."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from aneuflow.morphology.summit import summit_direction

# Half axes of ellipsoids, their middles as seen from the neck, and how they lean, degrees.
DOMES = [
    ((2.5, 2.5, 2.5), (0, 0, 2.2), (0, 0, 0)),
    ((2.0, 2.3, 3.5), (0, 0.4, 3.0), (30, 0, 0)),
    ((5.4, 3.7, 4.0), (0.3, 0.5, 2.5), (-26, 10, 0)),
    ((1.2, 1.0, 1.5), (0.1, 0.2, 1.0), (0, 40, 20)),
]


def dome(axes: tuple, middle: tuple, turn: tuple, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (k, 3) at random places of an ellipsoid above the neck plane, and the direction (3,) to its farthest point."""
    matrix = np.array(axes)[:, None] * Rotation.from_euler("xyz", turn, degrees=True).as_matrix().T
    unit = np.random.default_rng(seed).normal(size=(count, 3))
    points = middle + unit / np.linalg.norm(unit, axis=1)[:, None] @ matrix
    points = points[points[:, 2] >= 0]

    def nearer(direction: np.ndarray) -> float:
        return -float(np.linalg.norm(middle + direction / np.linalg.norm(direction) @ matrix))

    start = (points[np.linalg.norm(points, axis=1).argmax()] - middle) @ np.linalg.inv(matrix)
    best = minimize(nearer, start, tol=1e-12).x
    exact = middle + best / np.linalg.norm(best) @ matrix
    return points, exact / np.linalg.norm(exact)


def apart_deg(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.degrees(np.arccos(min(1.0, first @ second))))


@pytest.mark.parametrize(("axes", "middle", "turn"), DOMES, ids=["sphere", "leaning", "broad", "small"])
@pytest.mark.parametrize("count", [600, 5000])
def test_summit_is_that_of_the_exact_dome(axes: tuple, middle: tuple, turn: tuple, count: int) -> None:
    points, exact = dome(axes, middle, turn, count, 1)
    spacing = float(np.linalg.norm(np.ptp(points, axis=0))) / np.sqrt(len(points))
    assert apart_deg(summit_direction(points, spacing), exact) < 0.7


@pytest.mark.parametrize(("height", "stretch"), [(1.0, 1.2), (1.5, 1.3), (2.2, 1.2)])
@pytest.mark.parametrize("seed", range(3))
def test_summit_of_a_low_dome_is_on_its_rim_and_no_farther(height: float, stretch: float, seed: int) -> None:
    # A cap of a sphere over a neck of 2.5 mm radius, stretched along x: its farthest points are the rim's, at either end of x.
    radius = (2.5**2 + height**2) / (2 * height)
    up = np.random.default_rng(seed).uniform(radius - height, radius, 8000)
    around = np.random.default_rng(seed + 9).uniform(0, 2 * np.pi, 8000)
    across = np.sqrt(radius**2 - up**2)
    points = np.stack([stretch * across * np.cos(around), across * np.sin(around), up - radius + height], axis=1)
    summit = summit_direction(points, 0.08)
    assert apart_deg(np.abs(summit), np.array([1.0, 0, 0])) < 7  # the rim is nearer by 0.003 of itself there
    assert summit[2] >= -np.sin(np.radians(3))


def test_summit_stays_where_the_points_are_placed_otherwise_or_err_a_little() -> None:
    found = []
    for seed in range(20):
        points, exact = dome(*DOMES[1], 1500, seed)
        rough = 1 + np.random.default_rng(seed).normal(0, 0.01, len(points)) / np.linalg.norm(points, axis=1)
        found.append(apart_deg(summit_direction(points * rough[:, None], 0.25), exact))
    assert max(found) < 2


def test_summit_of_a_few_points_is_about_the_farthest() -> None:
    points = np.array([[0.0, 0, 2], [1, 0, 1], [0, 1, 1], [-1, 0, 1], [0, -1, 1.0]])
    assert apart_deg(summit_direction(points, 1.0), np.array([0.0, 0, 1])) < 1
    points[1:] = [[1.5, 0, 0], [0, 1.5, 0], [-1.5, 0, 0], [0, -1.5, 0]]
    assert apart_deg(summit_direction(points, 1.0), np.array([0.0, 0, 1])) < 1
