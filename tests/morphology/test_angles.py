"""Directions away from the neck and the angles between them."""

import numpy as np
import pytest

from aneuflow.morphology.angles import angle_deg, direction_from_neck
from aneuflow.types import Centerline


def line(points: np.ndarray) -> Centerline:
    return Centerline(1, 2, points, np.full(len(points), 1.5))


def test_angle_between_vectors() -> None:
    assert angle_deg(np.array([1.0, 0, 0]), np.array([0, 2.0, 0])) == pytest.approx(90)
    assert angle_deg(np.array([1.0, 0, 0]), np.array([-3.0, 0, 0])) == pytest.approx(180)
    assert angle_deg(np.array([1.0, 0, 0]), np.array([1.0, 3**0.5, 0])) == pytest.approx(60)


def test_direction_points_away_from_the_neck_at_either_end() -> None:
    z = np.linspace(0, 10, 50)
    straight = line(np.stack([0 * z, 0 * z, z], axis=1))
    assert direction_from_neck(straight, at_end=True) == pytest.approx([0, 0, -1])
    assert direction_from_neck(straight, at_end=False) == pytest.approx([0, 0, 1])


def test_only_the_diameter_next_to_the_neck_counts() -> None:
    z = np.linspace(0, 10, 200)
    hooked = line(np.stack([np.maximum(z - 3.2, 0) ** 2, 0 * z, z], axis=1))
    assert direction_from_neck(hooked, at_end=False) == pytest.approx([0, 0, 1], abs=1e-6)


def test_an_end_drawn_into_the_neck_turns_the_direction_little() -> None:
    z = np.linspace(0, 10, 60)
    drawn = line(np.stack([0.1 * (z < 0.1), 0 * z, z], axis=1))
    assert angle_deg(direction_from_neck(drawn, at_end=False), np.array([0, 0, 1.0])) < 1
