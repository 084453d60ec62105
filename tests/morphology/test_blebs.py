"""Blebs counted where they are, and none on round, long or pointed domes."""

import numpy as np
from skimage.measure import marching_cubes

from aneuflow.morphology.blebs import find_blebs, rise_over_ball
from aneuflow.numerics import surface as sf

Ball = tuple[tuple[float, float, float], float]


def domed(balls: list[Ball], stretch: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """The union of balls, stretched along z, its creases rounded over 0.2 mm."""
    step, reach = 0.15, 4.5
    axis = np.arange(-reach, reach + step, step)
    grid = np.stack(np.meshgrid(axis, axis, axis * stretch, indexing="ij"), axis=-1) / [1, 1, stretch]
    value = None
    for center, radius in balls:
        distance = np.linalg.norm(grid - center, axis=-1) - radius
        if value is None:
            value = distance
        else:
            part = np.clip(0.5 + 0.5 * (distance - value) / 0.2, 0, 1)
            value = distance * (1 - part) + value * part - 0.2 * part * (1 - part)
    points, triangles, _, _ = marching_cubes(value, 0.0, spacing=(step, step, step * stretch))
    if sf.signed_volume(points, triangles) < 0:
        triangles = triangles[:, ::-1]
    return points.astype(float) - [reach, reach, reach * stretch], triangles.astype(np.int32)


def blebs_of(points: np.ndarray, triangles: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    rise = rise_over_ball(points, triangles, np.arange(len(points)))
    return find_blebs(points, triangles, rise), rise


def test_round_and_long_sacs_have_none() -> None:
    assert blebs_of(*domed([((0, 0, 0), 2.5)]))[0] == []
    assert blebs_of(*domed([((0, 0, 0), 2.0)], stretch=1.7))[0] == []


def test_each_bleb_is_counted_and_measured() -> None:
    points, triangles = domed([((0, 0, 0), 2.5), ((0, 0, 2.7), 0.8), ((2.5, 0, 0), 1.0)])
    found, rise = blebs_of(points, triangles)
    assert len(found) == 2
    # Both stand 1 mm over the large ball; the ball rolled inside leans a little into the wider one.
    tops = [float(rise[members].max()) for members in found]
    assert min(tops) > 0.7 and max(tops) < 1.05
    for members in found:
        middle = points[members].mean(axis=0)
        assert min(np.linalg.norm(middle - [0, 0, 2.9]), np.linalg.norm(middle - [2.9, 0, 0])) < 0.4


def test_ripple_of_a_surface_is_no_bleb() -> None:
    points, triangles = domed([((0, 0, 0), 2.5)])
    random = np.random.default_rng(0)
    waves = random.normal(size=(3, 100)) / 1.5
    noise = 0.13 * np.sqrt(2 / 100) * np.cos(points @ waves + random.uniform(0, 6, 100)).sum(axis=1)
    assert blebs_of(points + noise[:, None] * sf.vertex_normals(points, triangles), triangles)[0] == []
