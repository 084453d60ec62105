import numpy as np
import pytest
import trimesh

from aneuflow.numerics.surface_fields import connected_parts, random_field, smoothed, surface_divergence


def sphere(radius: float = 3.0, subdivisions: int = 4) -> tuple[np.ndarray, np.ndarray]:
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return np.asarray(mesh.vertices, dtype=np.float64), np.asarray(mesh.faces, dtype=np.int32)


def plane() -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(np.arange(12.0), np.arange(9.0), indexing="ij")
    points = np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)])
    index = np.arange(x.size).reshape(x.shape)
    a, b, c, d = index[:-1, :-1].ravel(), index[1:, :-1].ravel(), index[1:, 1:].ravel(), index[:-1, 1:].ravel()
    return points, np.concatenate([np.column_stack([a, b, c]), np.column_stack([a, c, d])]).astype(np.int32)


def test_divergence_of_a_linear_field_in_a_plane_is_exact() -> None:
    points, triangles = plane()
    x, y, _ = points.T
    field = np.column_stack([3.0 * x + y, 2.0 * x - 0.5 * y, np.zeros_like(x)])
    assert surface_divergence(points, triangles, field) == pytest.approx(2.5)


def test_divergence_on_a_sphere_and_its_independence_of_the_frame() -> None:
    points, triangles = sphere()
    normals = points / 3.0
    axis = np.array([0.3, -0.5, 0.8]) / np.linalg.norm([0.3, -0.5, 0.8])
    tangential = axis - (normals @ axis)[:, None] * normals
    found = surface_divergence(points, triangles, tangential)
    expected = -2.0 / 3.0 * (normals @ axis)
    assert np.abs(found - expected).max() < 0.02
    turn = trimesh.transformations.random_rotation_matrix(np.array([0.2, 0.5, 0.9]))[:3, :3]
    assert surface_divergence(points @ turn.T, triangles, tangential @ turn.T) == pytest.approx(found, abs=1e-9)


def test_smoothing_keeps_constants_and_spreads_a_peak_over_its_length() -> None:
    points, triangles = sphere(subdivisions=5)
    assert smoothed(points, triangles, np.full(len(points), 2.0), 0.4) == pytest.approx(2.0)
    peak = np.zeros(len(points))
    peak[np.argmax(points[:, 2])] = 1.0
    spread = smoothed(points, triangles, peak, 0.4)
    width = np.sqrt((spread * (points[:, 0] ** 2)).sum() / spread.sum())
    assert 0.25 < width < 0.6


def test_two_caps_are_two_parts() -> None:
    points, triangles = sphere()
    chosen = np.abs(points[:, 2]) > 2.5
    parts = connected_parts(triangles, chosen)
    assert set(parts[points[:, 2] > 2.5]) == {parts[np.argmax(points[:, 2])]} and parts.max() == 1
    assert (parts[~chosen] == -1).all()


def test_a_random_field_has_the_spread_and_length_asked_for() -> None:
    generator = np.random.default_rng(0)
    line = np.column_stack([np.linspace(0.0, 30.0, 301), np.zeros(301), np.zeros(301)])
    fields = np.array([random_field(line, 2.0, generator) for _ in range(400)])
    assert fields.mean() == pytest.approx(0.0, abs=0.1) and fields.std() == pytest.approx(1.0, abs=0.1)
    apart = {distance: np.mean(fields[:, :150] * fields[:, distance : distance + 150]) for distance in (5, 20, 80)}
    assert apart[5] > 0.9 and apart[20] == pytest.approx(np.exp(-0.5), abs=0.12) and abs(apart[80]) < 0.12
