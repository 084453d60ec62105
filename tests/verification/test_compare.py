"""Bringing two solvers' fields to the same places."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.types import Surface, VolumeField
from aneuflow.verification.compare import Grid, cap_distance, cap_pressure, on_surface, patch_average, relative_l2
from aneuflow.verification.shapes import tube_model

MODEL = tube_model(1.5, 6.0, np.array([0.0, 0.0, 1.0]))


def nodes(spacing: float) -> np.ndarray:
    axis = np.arange(-2.0, 2.0 + spacing / 2, spacing)
    height = np.arange(spacing / 2, 6.0, spacing)
    return np.stack(np.meshgrid(axis, axis, height, indexing="ij"), axis=-1).reshape(-1, 3)


def field(spacing: float) -> VolumeField:
    """Velocity and pressure linear in space, nothing outside of the tube."""
    points = nodes(spacing)
    inside = np.linalg.norm(points[:, :2], axis=1) < 1.5
    velocity = np.where(inside[:, None], 1.0 + 0.1 * points, 0.0).astype(np.float32)
    return VolumeField(points, velocity, (50.0 - 3.0 * points[:, 2]).astype(np.float32), np.zeros((0, 8), np.int32))


def test_patch_averages_weigh_by_area_and_keep_apart_what_is_far() -> None:
    centers = np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [5.0, 0.0, 0.0]])
    mean = patch_average(centers, np.array([1.0, 3.0, 1.0]), np.array([[4.0], [8.0], [1.0]]))
    np.testing.assert_allclose(mean[:, 0], [7.0, 7.0, 1.0])


def test_a_linear_field_is_carried_exactly_to_places_off_the_surface() -> None:
    wall = MODEL.lumen.surface.triangles[MODEL.lumen.patch == 0]
    surface = Surface(MODEL.lumen.surface.points, wall)
    rng = np.random.default_rng(0)
    triangle = rng.integers(0, len(surface.triangles), 500)
    shares = rng.dirichlet(np.ones(3), 500)
    places = np.einsum("ns,nsd->nd", shares, surface.points[surface.triangles[triangle]])
    found = on_surface(surface, surface.points @ np.array([[1.0, 0.0], [2.0, 1.0], [-1.0, 3.0]]), places)
    np.testing.assert_allclose(found, places @ np.array([[1.0, 0.0], [2.0, 1.0], [-1.0, 3.0]]), atol=1e-9)


def test_grid_interpolates_linearly_and_knows_where_it_cannot() -> None:
    grid = Grid.of(field(0.25), 0.25)
    inside, at_wall = np.array([[0.3, -0.2, 3.1]]), np.array([[1.49, 0.0, 3.1]])
    np.testing.assert_allclose(grid.at(inside)[0], [1.03, 0.98, 1.31, 50.0 - 9.3], rtol=1e-5)
    assert np.isnan(grid.at(at_wall)).all()


@pytest.mark.parametrize(("cap", "pressure"), [(0, 50.0), (1, 32.0)])
def test_pressure_is_carried_to_the_plane_of_the_cap(cap: int, pressure: float) -> None:
    assert cap_pressure(field(0.25), MODEL.caps[cap], 0.25) == pytest.approx(pressure, rel=1e-4)


def test_distance_from_the_caps() -> None:
    np.testing.assert_allclose(cap_distance(MODEL, np.array([[0.0, 0.0, 2.0], [0.5, 0.0, 5.0]])), [2.0, 1.0], atol=1e-6)


def test_relative_l2_of_vectors() -> None:
    reference = np.array([[3.0, 0.0], [0.0, 4.0]])
    assert relative_l2(1.1 * reference, reference, np.array([1.0, 2.0])) == pytest.approx(0.1)


def test_surface_without_the_values_of_other_triangles() -> None:
    """A place nearest to one triangle takes no value of the next one beyond the edge."""
    surface = Surface(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]]), np.array([[0, 1, 2], [0, 1, 3]], np.int32))
    assert on_surface(surface, np.array([[0.0], [0.0], [9.0], [1.0]]), np.array([[0.3, -0.05, 0.4]]))[0, 0] < 1.0
