"""Polynomial chaos on functions whose Sobol indices are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import qmc

from aneuflow.numerics.chaos import expansion


def ishigami(points: np.ndarray, a: float = 7.0, b: float = 0.1) -> np.ndarray:
    x = np.pi * (2.0 * points - 1.0)
    return np.sin(x[:, 0]) + a * np.sin(x[:, 1]) ** 2 + b * x[:, 2] ** 4 * np.sin(x[:, 0])


def test_ishigamis_indices() -> None:
    """Ishigami and Homma 1990: variance and indices in closed form."""
    points = qmc.Sobol(3, rng=np.random.default_rng(1)).random_base2(10)
    found = expansion(points, ishigami(points), 10)
    a, b, pi = 7.0, 0.1, np.pi
    parts = {"1": b * pi**4 / 5 + b**2 * pi**8 / 50 + 0.5, "2": a**2 / 8, "13": 8 * b**2 * pi**8 / 225}
    whole = sum(parts.values())
    assert found.mean == pytest.approx(a / 2, rel=2e-3)
    assert found.variance == pytest.approx(whole, rel=5e-3)
    np.testing.assert_allclose(found.first_order(), [parts["1"] / whole, parts["2"] / whole, 0.0], atol=5e-3)
    np.testing.assert_allclose(
        found.total(), [(parts["1"] + parts["13"]) / whole, parts["2"] / whole, parts["13"] / whole], atol=5e-3
    )
    assert found.explained > 0.99


def test_a_polynomial_of_few_points_is_found_to_the_last_digit() -> None:
    points = qmc.Sobol(4, rng=np.random.default_rng(2)).random_base2(5)

    def model(u: np.ndarray) -> np.ndarray:
        x = 2.0 * u - 1.0
        return 3.0 + 2.0 * x[:, 0] + x[:, 1] + 0.5 * x[:, 0] * x[:, 2] + 0.25 * (3 * x[:, 3] ** 2 - 1)

    found = expansion(points, model(points), 3)
    # Variances of x, x, x y and of the second Legendre polynomial: 1/3, 1/3, 1/9 and, of half of 3 x^2 - 1, 1/5.
    parts = np.array([4 / 3, 1 / 3, 0.25 / 9, 0.25 / 5])
    assert found.variance == pytest.approx(parts.sum(), rel=1e-9)
    np.testing.assert_allclose(found.first_order(), parts[[0, 1, 3, 3]] / parts.sum() * [1, 1, 0, 1], atol=1e-9)
    np.testing.assert_allclose(found.total(), [(4 / 3 + 0.25 / 9), 1 / 3, 0.25 / 9, 0.05] / parts.sum(), atol=1e-9)
    other = np.random.default_rng(3).random((7, 4))
    np.testing.assert_allclose(found.at(other), model(other), rtol=1e-9)
    assert found.explained == pytest.approx(1.0)


def test_noise_is_not_explained() -> None:
    rng = np.random.default_rng(5)
    found = expansion(rng.random((32, 4)), rng.standard_normal(32), 3)
    assert found.explained < 0.3


def test_too_few_points_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        expansion(np.zeros((8, 4)), np.zeros(8), 3)
