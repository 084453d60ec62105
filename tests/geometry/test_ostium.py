"""The ostium of a sphere cut by a plane, and what has none."""

import numpy as np
import pytest

from aneuflow.errors import MethodError
from aneuflow.geometry.ostium import fan, ostium_of_sac
from aneuflow.numerics import surface as sf
from tests.sac_shapes import spherical_cap


def test_ostium_of_a_cut_sphere_is_its_disc() -> None:
    points, triangles = spherical_cap(3.0, 2.0)
    ostium = ostium_of_sac(points, triangles, "plane", 1.0)
    assert ostium.center_mm == pytest.approx([0, 0, 0], abs=1e-9)
    assert ostium.normal == pytest.approx([0, 0, 1], abs=1e-9)
    assert sf.area(ostium.surface.points, ostium.surface.triangles) == pytest.approx(np.pi * 4, rel=2e-3)
    assert np.linalg.norm(ostium.neck_line_mm[:, :2], axis=1) == pytest.approx(2.0)


def test_neck_line_is_ordered_and_closes_without_a_jump() -> None:
    points, triangles = spherical_cap(3.0, 2.0)
    ring = ostium_of_sac(points, triangles, "label", 1.0).neck_line_mm
    steps = np.linalg.norm(ring - np.roll(ring, 1, axis=0), axis=1)
    assert steps == pytest.approx(2 * np.pi * 2 / len(ring), rel=1e-2)


def test_normal_of_the_ostium_surface_points_into_the_sac() -> None:
    points, triangles = spherical_cap(3.0, 2.0)
    ostium = ostium_of_sac(points, triangles, "label", 1.0)
    normals = sf.face_normals(ostium.surface.points, ostium.surface.triangles)
    assert normals @ ostium.normal == pytest.approx(1.0)


def test_fan_keeps_the_ring_as_its_rim() -> None:
    ring = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0.2], [0, 1, 0]])
    surface = fan(ring)
    assert len(surface.triangles) == 4
    assert surface.points[sf.boundary_loops(surface.triangles)[0]].shape == ring.shape


def test_closed_surface_has_no_ostium() -> None:
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    triangles = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], dtype=np.int32)
    with pytest.raises(MethodError, match="no neck line"):
        ostium_of_sac(points, triangles, "automatic", 1.0)
