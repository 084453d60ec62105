"""Lengths, areas and volume against the sphere cut by a plane, whose measures are known exactly."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aneuflow.morphology import size
from tests.sac_shapes import spherical_cap

RADIUS, NECK = 3.0, 2.0
MIDDLE = math.sqrt(RADIUS**2 - NECK**2)
HEIGHT = MIDDLE + RADIUS
EXACT = {
    "height": HEIGHT,
    "maximum_height": HEIGHT,
    "maximum_diameter": 2 * RADIUS,
    "width": 2 * RADIUS,
    "neck_diameter": 2 * NECK,
    "neck_area": math.pi * NECK**2,
    "volume": math.pi * HEIGHT**2 * (3 * RADIUS - HEIGHT) / 3,
    "wall_area": 2 * math.pi * RADIUS * HEIGHT,
}


def measured(sac: size.Sac) -> dict[str, float]:
    values = {}
    for name in EXACT:
        value = getattr(size, name)(sac)
        values[name] = value[0] if isinstance(value, tuple) else value
    return values


@pytest.fixture(scope="module")
def sac() -> size.Sac:
    return size.sac_of(*spherical_cap(RADIUS, NECK))


def test_cut_sphere_has_its_exact_measures(sac: size.Sac) -> None:
    assert measured(sac) == pytest.approx(EXACT, rel=4e-3)


def test_neck_plane_is_where_the_sphere_was_cut(sac: size.Sac) -> None:
    assert sac.center == pytest.approx([0, 0, 0], abs=1e-9)
    assert sac.normal == pytest.approx([0, 0, 1], abs=1e-9)


def test_lines_that_picture_a_length_are_as_long_as_it(sac: size.Sac) -> None:
    for function in (size.height, size.maximum_height, size.maximum_diameter, size.width, size.neck_diameter):
        value, (start, end) = function(sac)
        assert np.linalg.norm(end - start) == pytest.approx(value, rel=1e-3)


def test_measures_do_not_depend_on_the_frame_and_scale_with_it(sac: size.Sac) -> None:
    turn = Rotation.from_euler("xyz", [20, -50, 70], degrees=True).as_matrix()
    points, triangles = spherical_cap(RADIUS, NECK)
    moved = measured(size.sac_of(2.5 * points @ turn.T + [10, -20, 30], triangles))
    power = {"neck_area": 2, "wall_area": 2, "volume": 3}
    here = measured(sac)
    assert moved == pytest.approx({name: value * 2.5 ** power.get(name, 1) for name, value in here.items()}, rel=2e-3)


def test_neck_diameter_of_an_ellipse_is_the_mean_over_all_directions() -> None:
    points, triangles = spherical_cap(RADIUS, NECK)
    sac = size.sac_of(points * [1.5, 1.0, 1.0], triangles)
    angle = np.linspace(0, np.pi, 20_001)[:-1]
    across = 2 / np.sqrt((np.cos(angle) / (1.5 * NECK)) ** 2 + (np.sin(angle) / NECK) ** 2)
    assert size.neck_diameter(sac)[0] == pytest.approx(across.mean(), rel=2e-3)


def test_width_is_measured_within_sections_perpendicular_to_the_maximum_height() -> None:
    points, triangles = spherical_cap(RADIUS, NECK)
    value, (start, end) = size.width(size.sac_of(points * [1.0, 1.3, 1.6], triangles))
    assert value == pytest.approx(2 * RADIUS * 1.3, rel=5e-3)
    assert abs((end - start)[1]) == pytest.approx(value, rel=1e-2)


def test_closed_surface_is_refused_as_a_sac() -> None:
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    with pytest.raises(Exception, match="neck line"):
        size.sac_of(points, np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], dtype=np.int32))
