"""Resampling keeps every structure in its place in the patient."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.numerics.resample import resample_isotropic

SHEARED = np.array([[0.5, 0.0, 0.0, -20.0], [0.0, 0.47, 0.0, 10.0], [0.0, -0.16, 0.8, 5.0], [0, 0, 0, 1.0]])
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = np.linalg.qr(np.array([[1.0, 0.2, 0.1], [-0.3, 1.0, 0.2], [0.1, -0.4, 1.0]]))[0] * (0.4, 0.5, 0.9)


def positions(shape, affine) -> np.ndarray:
    return np.stack(np.indices(shape), axis=-1) @ affine[:3, :3].T + affine[:3, 3]


@pytest.mark.parametrize("affine", [SHEARED, OBLIQUE], ids=["sheared", "oblique"])
@pytest.mark.parametrize("order", [1, 3])
def test_a_linear_field_is_the_same_field_afterwards(affine, order):
    slope = np.array([1.0, -2.0, 0.5])
    values = (positions((24, 20, 18), affine) @ slope).astype(np.float32)
    new, to_lps = resample_isotropic(values, affine, 0.3, order)
    axes = to_lps[:3, :3] / 0.3
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    # A cubic spline bends toward the edge, where the field stops; compare inside.
    inside = np.linalg.inv(affine) @ np.append(positions(new.shape, to_lps), np.ones((*new.shape, 1)), axis=-1)[..., None]
    inside = ((inside[..., :3, 0] > 5) & (inside[..., :3, 0] < np.array(values.shape) - 6)).all(axis=-1)
    assert inside.sum() > 1000
    np.testing.assert_allclose(new[inside], (positions(new.shape, to_lps) @ slope)[inside], atol=0.03)


def test_outside_a_sheared_grid_is_its_lowest_value():
    new, _ = resample_isotropic(np.full((24, 20, 18), 7, np.float32), SHEARED, 0.4)
    assert (new == 7).all()
    values = np.full((24, 20, 18), 7, np.float32)
    values[12, 10, 9] = -1
    new, _ = resample_isotropic(values, SHEARED, 0.4)
    assert (new == -1).mean() > 0.05


def test_the_same_spacing_gives_the_same_voxels():
    values = np.random.default_rng(1).normal(size=(12, 13, 14)).astype(np.float32)
    new, affine = resample_isotropic(values, np.diag([0.5, 0.5, 0.5, 1.0]), 0.5)
    np.testing.assert_allclose(new, values, atol=1e-6)
    np.testing.assert_allclose(affine, np.diag([0.5, 0.5, 0.5, 1.0]), atol=1e-12)
