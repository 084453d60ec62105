"""Flow extensions: length, circle at the far end, watertight, and no way through other wall."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.geometry.caps import close_ends
from aneuflow.geometry.extensions import extend
from aneuflow.numerics import surface as sf
from aneuflow.types import REGION_EXTENSION, Surface
from tests import shapes


def test_extensions_have_the_length_and_section_asked_for() -> None:
    lumen, caps = close_ends(shapes.tube(radius=1.5, length=10))
    extended, ends, notes = extend(lumen, caps, 5.0, 3.0)
    assert notes == ()
    assert sf.is_closed(extended.surface.triangles)
    for cap, end, diameters in zip(caps, ends, (5, 3), strict=True):
        assert end.center_mm == pytest.approx(cap.center_mm + diameters * 2 * cap.radius_mm * cap.normal, abs=1e-6)
        assert end.area_mm2 == pytest.approx(cap.area_mm2, rel=1e-6)
    added = sf.signed_volume(extended.surface.points, extended.surface.triangles)
    added -= sf.signed_volume(lumen.surface.points, lumen.surface.triangles)
    assert added == pytest.approx(8 * 2 * caps[0].radius_mm * caps[0].area_mm2, rel=1e-3)
    outside = (extended.surface.points[:, 2] < -1e-6) | (extended.surface.points[:, 2] > 10 + 1e-6)
    assert np.array_equal(extended.region == REGION_EXTENSION, outside)


def test_an_oval_end_becomes_a_circle_of_its_area() -> None:
    pipe = shapes.tube(radius=1.5, length=10)
    oval = Surface(pipe.points * [1.3, 0.8, 1], pipe.triangles)
    lumen, caps = close_ends(oval)
    extended, ends, _ = extend(lumen, caps, 4.0, 4.0)
    rim = extended.surface.triangles[extended.patch == 1]
    radius = np.linalg.norm(extended.surface.points[sf.boundary_loops(rim)[0]] - ends[0].center_mm, axis=1)
    assert np.ptp(radius) < 0.01
    assert np.pi * radius.mean() ** 2 == pytest.approx(caps[0].area_mm2, rel=0.01)


def test_no_extension_gives_the_lumen_back() -> None:
    lumen, caps = close_ends(shapes.tube())
    extended, ends, notes = extend(lumen, caps, 0.0, 0.0)
    assert notes == ()
    assert sf.area(extended.surface.points, extended.surface.triangles) == pytest.approx(
        sf.area(lumen.surface.points, lumen.surface.triangles)
    )
    assert [end.radius_mm for end in ends] == pytest.approx([cap.radius_mm for cap in caps])


def test_an_extension_that_would_meet_the_vessel_is_cut_short() -> None:
    hook = shapes.bend(radius=1.0, bend_radius=4.0, angle_deg=260)
    lumen, caps = close_ends(hook)
    extended, ends, notes = extend(lumen, caps, 8.0, 8.0)
    assert [note.code for note in notes] == ["extensions_shortened"]
    assert sf.is_closed(extended.surface.triangles)
    lengths = [float(np.linalg.norm(end.center_mm - cap.center_mm)) for cap, end in zip(caps, ends, strict=True)]
    assert min(lengths) < 16 - 1


def test_a_rim_of_slender_triangles_gets_no_lid_of_millions() -> None:
    angle = np.linspace(0, 2 * np.pi, 1500, endpoint=False)
    circle = np.stack([1.5 * np.cos(angle), 1.5 * np.sin(angle)], axis=1)
    points = np.concatenate([np.column_stack([circle, np.full(1500, z)]) for z in (0.0, 10.0)])
    low, high = np.arange(1500), np.arange(1500) + 1500
    next_low, next_high = np.roll(low, -1), np.roll(high, -1)
    wall = np.concatenate([np.stack([low, next_low, next_high], axis=1), np.stack([low, next_high, high], axis=1)])
    lumen, caps = close_ends(Surface(points, wall.astype(np.int32)))
    extended, ends, _ = extend(lumen, caps, 0.5, 0.5)
    assert sf.is_closed(extended.surface.triangles)
    assert [end.area_mm2 for end in ends] == pytest.approx([cap.area_mm2 for cap in caps])
    assert all((extended.patch == cap.id).sum() < 12_000 for cap in caps)
