"""Inlet profiles against exact sections: circle, ellipse, square; and on shapes that are none of these."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.errors import InputError
from aneuflow.numerics.inlet_profile import PHASES, flow_ratio, inlet_velocity, poisson_profile
from aneuflow.numerics.womersley import womersley_profile
from aneuflow.types import Waveform
from tests.conftest import shared_data


def ellipse(a: float, b: float, count: int = 160) -> np.ndarray:
    angle = 2.0 * np.pi * np.arange(count) / count
    return np.column_stack([a * np.cos(angle), b * np.sin(angle)])


def kidney(count: int = 160) -> np.ndarray:
    angle = 2.0 * np.pi * np.arange(count) / count
    radius = 1.5 + 0.7 * np.cos(2.0 * angle)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle) + 0.4 * np.cos(angle) ** 2])


def grid(extent: float, count: int = 301) -> np.ndarray:
    line = np.linspace(-extent, extent, count)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def pulse() -> Waveform:
    phase = np.arange(50) / 50
    ratio = 1.0 + 0.8 * np.sin(2 * np.pi * phase) + 0.3 * np.cos(4 * np.pi * phase)
    return Waveform("pulse", 0.9, phase, ratio)


@pytest.mark.parametrize(("a", "b"), [(1.7, 1.7), (2.0, 1.0), (0.8, 2.4)])
def test_circle_and_ellipse_are_exact_within_half_a_percent(a: float, b: float) -> None:
    points = grid(2.5, 81)
    exact = np.maximum(2.0 * (1.0 - (points[:, 0] / a) ** 2 - (points[:, 1] / b) ** 2), 0.0)
    assert np.abs(poisson_profile(ellipse(a, b), points) - exact).max() < 0.005 * 2.0


def test_square_duct_has_its_known_peak() -> None:
    # Peak over mean of a square duct: 2.0962 (Shah and London 1978).
    square = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    assert poisson_profile(square, np.zeros((1, 2)))[0] == pytest.approx(2.0962, rel=3e-3)


def test_it_is_zero_outside_and_on_the_rim() -> None:
    rim = ellipse(2.0, 1.0)
    assert poisson_profile(rim, np.array([[2.1, 0.0], [0.0, 1.05], [50.0, 50.0]])).tolist() == [0.0, 0.0, 0.0]
    np.testing.assert_allclose(poisson_profile(rim, rim), 0.0, atol=1e-9)


@pytest.mark.parametrize("profile", ["parabolic", "womersley", "plug"])
def test_section_mean_is_the_waveform_on_a_kidney_shape(profile: str) -> None:
    points = grid(2.5)
    velocity = inlet_velocity(kidney(), points, profile, pulse(), alpha=2.8)  # type: ignore[arg-type]
    inside = poisson_profile(kidney(), points) > 0.0
    assert velocity.shape == (len(points), PHASES)
    np.testing.assert_allclose(velocity[inside].mean(axis=0), flow_ratio(pulse(), np.arange(PHASES) / PHASES), atol=0.01)
    assert np.abs(velocity[np.abs(points).max(axis=1) > 2.3]).max() == 0.0


def test_rotation_translation_scale_and_sense_change_nothing() -> None:
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    points = grid(1.0, 21)
    reference = poisson_profile(kidney(), points)
    moved = poisson_profile(3.0 * kidney()[::-1] @ turn.T + [40.0, -7.0], 3.0 * points @ turn.T + [40.0, -7.0])
    np.testing.assert_allclose(moved, reference, atol=0.01)


@pytest.mark.parametrize("alpha", [0.5, 2.8, 10.0])
def test_womersley_on_a_circle_is_the_exact_solution(alpha: float) -> None:
    points = grid(1.0, 41)
    radius = np.linalg.norm(points, axis=1)
    points, radius = points[radius < 0.99], radius[radius < 0.99]
    velocity = inlet_velocity(ellipse(1.0, 1.0, 400), points, "womersley", pulse(), alpha)
    exact = womersley_profile(radius, flow_ratio(pulse(), np.arange(PHASES) / PHASES), alpha)
    assert np.abs(velocity - exact).max() < 0.005 * exact.max()


def test_womersley_tends_to_the_developed_profile_and_steady_flow_has_one_column() -> None:
    points = grid(2.0, 21)
    slow = inlet_velocity(ellipse(2.0, 1.0), points, "womersley", pulse(), alpha=0.01)
    developed = inlet_velocity(ellipse(2.0, 1.0), points, "parabolic", pulse(), alpha=0.01)
    np.testing.assert_allclose(slow, developed, atol=0.02)
    steady = inlet_velocity(ellipse(2.0, 1.0), points, "womersley", None, alpha=3.0)
    np.testing.assert_array_equal(steady[:, 0], poisson_profile(ellipse(2.0, 1.0), points))


def test_flow_ratio_is_cyclic() -> None:
    wave = Waveform("w", 1.0, np.array([0.1, 0.6]), np.array([2.0, 0.0]))
    np.testing.assert_allclose(flow_ratio(wave, np.array([0.1, 0.35, 0.6, 0.85, 1.1, 0.0])), [2.0, 1.0, 0.0, 1.0, 2.0, 1.6])


def test_a_section_without_area_is_refused() -> None:
    with pytest.raises(InputError, match="encloses no area"):
        poisson_profile(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]), np.zeros((1, 2)))


def test_a_real_inlet_agrees_with_an_independent_finite_element_solution() -> None:
    # The inlet velocity that the OpenFOAM reference of AN202 was driven with: 40 rings of 160 nodes, the last one the rim.
    stored = np.load(shared_data("openfoam/AN202/inlet_profile.npz"))
    points = stored["points_mm"] - stored["centre_mm"]
    plane = points @ np.linalg.svd(points, full_matrices=False)[2][:2].T
    ours = poisson_profile(plane[-160:], plane)
    assert np.abs(ours - stored["w_over_mean"]).max() < 0.005 * 2.0
    assert stored["w_over_mean"][-160:].max() == 0.0
