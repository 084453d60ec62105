"""Womersley flow against its limits, its own flow rate and a finite-volume solution of the same equation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_banded

from aneuflow.numerics.womersley import (
    SERIES_LIMIT,
    harmonic_profile,
    harmonic_wall_shear,
    womersley_number,
    womersley_profile,
    womersley_wall_shear,
)

S = np.linspace(0.0, 1.0, 201)


def finite_volume_profile(alpha: float, cells: int = 2000) -> tuple[np.ndarray, np.ndarray, complex]:
    """Cell centers, velocity over its mean and wall shear over Poiseuille's, from i alpha^2 u = (r u')'/r + const."""
    faces = np.linspace(0.0, 1.0, cells + 1)
    centers, step = 0.5 * (faces[1:] + faces[:-1]), 1.0 / cells
    bands = np.zeros((3, cells), dtype=np.complex128)
    coupling = faces[1:-1] / step
    bands[0, 1:] = bands[2, :-1] = -coupling
    bands[1] = 1j * alpha**2 * centers * step
    bands[1, :-1] += coupling
    bands[1, 1:] += coupling
    bands[1, -1] += 2.0 / step
    velocity = solve_banded((1, 1), bands, (centers * step).astype(np.complex128))
    mean = 2.0 * np.sum(velocity * centers) * step
    return centers, velocity / mean, velocity[-1] / (0.5 * step) / mean / 4.0


def test_without_frequency_it_is_poiseuille() -> None:
    np.testing.assert_allclose(harmonic_profile(S, np.zeros(1))[0], 2.0 * (1.0 - S**2), atol=1e-14)
    np.testing.assert_allclose(harmonic_wall_shear(np.zeros(1)), [1.0])


def test_slow_flow_is_quasi_steady() -> None:
    ratio = 1.0 + 0.6 * np.sin(2.0 * np.pi * np.arange(64) / 64)
    velocity = womersley_profile(S, ratio, alpha=0.02)
    np.testing.assert_allclose(velocity, 2.0 * (1.0 - S[:, None] ** 2) * ratio, atol=1e-4)
    np.testing.assert_allclose(womersley_wall_shear(ratio, alpha=0.02), ratio, atol=1e-4)


def test_small_womersley_number_follows_the_known_inertance() -> None:
    # The tube's inertance is 4/3 of the plug's: G/G0 = 1 + i a^2/6, and momentum gives the wall G/G0 - i a^2/8.
    alpha = 0.2
    assert harmonic_wall_shear(np.array([alpha]))[0] == pytest.approx(1.0 + 1j * alpha**2 * (1 / 6 - 1 / 8), abs=1e-5)


def test_large_womersley_number_is_a_plug_with_a_stokes_layer() -> None:
    alpha = 200.0
    assert harmonic_profile(np.zeros(1), np.array([alpha]))[0, 0] == pytest.approx(1.0, abs=0.011)
    assert harmonic_wall_shear(np.array([alpha]))[0] == pytest.approx(0.25 * alpha * np.exp(0.25j * np.pi), rel=0.02)


def test_series_and_bessel_functions_meet() -> None:
    both = np.array([SERIES_LIMIT - 1e-9, SERIES_LIMIT + 1e-9])
    below, above = harmonic_profile(S, both)
    np.testing.assert_allclose(below, above, atol=1e-8)
    np.testing.assert_allclose(*harmonic_wall_shear(both), atol=1e-8)


@pytest.mark.parametrize("alpha", [0.0, 1e-6, 0.3, 1.0, 3.0, 10.0, 30.0, 150.0])
def test_the_section_mean_is_one_and_the_wall_stands_still(alpha: float) -> None:
    nodes, weights = np.polynomial.legendre.leggauss(400)
    s = 0.5 * (nodes + 1.0)
    mean = np.sum(harmonic_profile(s, np.array([alpha]))[0] * s * weights)
    assert mean == pytest.approx(1.0, abs=1e-9)
    assert abs(harmonic_profile(np.ones(1), np.array([alpha]))[0, 0]) < 1e-12


@pytest.mark.parametrize("alpha", [0.7, 2.7, 12.0, 30.0])
def test_it_solves_the_momentum_equation(alpha: float) -> None:
    centers, velocity, shear = finite_volume_profile(alpha)
    np.testing.assert_allclose(harmonic_profile(centers, np.array([alpha]))[0], velocity, atol=2e-4)
    assert harmonic_wall_shear(np.array([alpha]))[0] == pytest.approx(shear, rel=5e-3)


def test_pulsatile_profile_carries_the_flow_and_its_slope_is_the_wall_shear() -> None:
    phase = np.arange(100) / 100
    ratio = 1.0 + 0.7 * np.cos(2 * np.pi * phase) + 0.2 * np.sin(6 * np.pi * phase)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    s = 0.5 * (nodes + 1.0)
    np.testing.assert_allclose((s * weights) @ womersley_profile(s, ratio, 3.0), ratio, atol=1e-10)
    step = 1e-6
    slope = womersley_profile(np.array([1.0 - step]), ratio, 3.0)[0] / step
    np.testing.assert_allclose(womersley_wall_shear(ratio, 3.0), slope / 4.0, atol=1e-4)


def test_womersley_number_of_a_carotid() -> None:
    # R = 2.5 mm, T = 0.9 s, nu = 3.5e-3 / 1060 m2/s.
    assert womersley_number(2.5e-3, 0.9, 3.5e-3 / 1060) == pytest.approx(3.635, abs=1e-3)
