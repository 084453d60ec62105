"""The readout on a cut sphere that stands on a plate: height, chords, indices and angles as they are known exactly."""

import numpy as np
import pytest

from aneuflow.morphology.learned.cloud import Given
from aneuflow.morphology.learned.names import MEASURES, POINTS
from aneuflow.morphology.learned.readout import read_out

RADIUS, LEVEL = 3.0, -1.2  # of the sphere, and where the plane of its neck lies under its middle
SCALE = 1.5


def cut_sphere() -> tuple[Given, np.ndarray, float]:
    """The cap over the neck plane, twice as much wall elsewhere, which sac is which, and the area of all."""
    rng, count = np.random.default_rng(5), POINTS // 3
    level = rng.permutation(LEVEL + (np.arange(count) + 0.5) / count * (RADIUS - LEVEL))  # equal areas (Archimedes)
    turn = np.pi * (1 + np.sqrt(5)) * np.arange(count)
    aside = np.sqrt(RADIUS**2 - level**2)
    cap = np.stack([aside * np.cos(turn), aside * np.sin(turn), level], axis=1)
    plate = np.column_stack([rng.uniform(-9, 9, (POINTS - count, 2)), np.full(POINTS - count, LEVEL)])
    points = np.concatenate([cap, plate])
    normals = np.concatenate([cap / RADIUS, np.tile([0.0, 0.0, 1.0], (len(plate), 1))])
    area = 2 * np.pi * RADIUS * (RADIUS - LEVEL)
    arrays = {"points": (points / SCALE).astype(np.float32), "normals": normals.astype(np.float32)}
    return Given(arrays, np.zeros(3), SCALE), np.arange(POINTS) < count, 3 * area


def test_a_cut_sphere_has_its_measures() -> None:
    cloud, sac, area = cut_sphere()
    inflow, outflow = np.radians(110.0), np.radians(65.0)
    start = np.array([0.0, 0.0, LEVEL - 1.0])
    places = np.array(
        [
            [0.0, 0.0, LEVEL],
            [0.0, 0.0, RADIUS],
            start,
            start + 2 * np.array([np.sin(inflow), 0.0, np.cos(inflow)]),
            start,
            start + 2 * np.array([0.0, np.sin(outflow), np.cos(outflow)]),
        ]
    )
    found = dict(zip(MEASURES, read_out(cloud, area, sac.astype(np.float32), (places / SCALE).astype(np.float32)), strict=True))
    height, neck = RADIUS - LEVEL, 2 * np.sqrt(RADIUS**2 - LEVEL**2)
    volume = np.pi * height**2 * (3 * RADIUS - height) / 3
    nonsphericity = 1 - np.cbrt(18 * np.pi) * volume ** (2 / 3) / (2 * np.pi * RADIUS * height)
    assert found["maximum_diameter"] == pytest.approx(2 * RADIUS, rel=0.01)
    assert found["width"] == pytest.approx(2 * RADIUS, rel=0.01)
    assert found["height"] == pytest.approx(height, rel=0.01)
    assert found["aspect_ratio"] == pytest.approx(height / neck, rel=0.01)
    assert found["nonsphericity_index"] == pytest.approx(nonsphericity, abs=0.005)
    # The hull of points on a sphere lies a little inside of it.
    assert found["ellipticity_index"] == pytest.approx(nonsphericity, abs=0.02)
    assert found["inflow_angle"] == pytest.approx(110.0, abs=0.01)
    assert found["outflow_angle"] == pytest.approx(65.0, abs=0.01)


def test_too_few_points_have_no_measures() -> None:
    cloud, sac, area = cut_sphere()
    none = read_out(cloud, area, np.where(np.cumsum(sac) <= 10, sac, False).astype(np.float32), np.zeros((6, 3), np.float32))
    assert np.isnan(none).all()
