"""Blebs counted where they are, and none on round, long or pointed domes."""

import numpy as np
import pytest
from skimage.measure import marching_cubes

from aneuflow.morphology.blebs import find_blebs, rise_over_ball
from aneuflow.morphology.size import longest_chord
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


def sphere_on_sphere(large: float, away: float, small: float, step: float) -> tuple[np.ndarray, np.ndarray]:
    """A sphere with another one on it, their middles `away` apart, meeting in a sharp crease."""
    across = np.arange(-large - 0.6, large + 0.6, step)
    along = np.arange(-large - 0.6, away + small + 0.6, step)
    grid = np.stack(np.meshgrid(across, across, along, indexing="ij"), axis=-1)
    value = np.minimum(np.linalg.norm(grid, axis=-1) - large, np.linalg.norm(grid - [0, 0, away], axis=-1) - small)
    points, triangles, _, _ = marching_cubes(value, 0.0, spacing=(step,) * 3)
    points = points.astype(float) + np.array([across[0], across[0], along[0]])
    return points, (triangles if sf.signed_volume(points, triangles) > 0 else triangles[:, ::-1]).astype(np.int32)


@pytest.mark.parametrize("step", [0.1, 0.15, 0.2, 0.3])
@pytest.mark.parametrize(("large", "away", "small"), [(2.5, 2.7, 0.8), (2.5, 2.5, 1.0), (3.0, 3.2, 1.0), (2.0, 2.2, 0.7)])
def test_bleb_is_found_and_measured_however_fine_the_surface(large: float, away: float, small: float, step: float) -> None:
    points, triangles = sphere_on_sphere(large, away, small, step)
    found, rise = blebs_of(points, triangles)
    assert len(found) == 1
    # The ball leans into the crease, a circle about the common axis, as far as its width lets it.
    crease = (large**2 - small**2 + away**2) / (2 * away)
    ball = 0.6 * large
    reach = crease - np.sqrt(ball**2 - (large**2 - crease**2)) + ball
    assert float(rise[found[0]].max()) == pytest.approx(away + small - reach, abs=0.1)
    assert longest_chord(points[found[0]])[0] == pytest.approx(2 * small, rel=0.02)


def test_ripple_of_a_surface_is_no_bleb() -> None:
    points, triangles = domed([((0, 0, 0), 2.5)])
    random = np.random.default_rng(0)
    waves = random.normal(size=(3, 100)) / 1.5
    noise = 0.13 * np.sqrt(2 / 100) * np.cos(points @ waves + random.uniform(0, 6, 100)).sum(axis=1)
    assert blebs_of(points + noise[:, None] * sf.vertex_normals(points, triangles), triangles)[0] == []
