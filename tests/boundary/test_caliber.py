"""The artery's radius behind an end that was cut aslant."""

from dataclasses import replace

import numpy as np
import pytest

from aneuflow.boundary.caliber import calibers
from aneuflow.types import Cap, Centerline, LumenModel, PatchedSurface, Surface

EMPTY = PatchedSurface(Surface(np.zeros((0, 3)), np.zeros((0, 3), np.int32)), np.zeros(0, np.int32), np.zeros(0, np.uint8))


def tube(slant_degrees: float, radius_mm: float = 2.0, oval: float = 1.0) -> LumenModel:
    """A straight tube of 20 mm along z, cut at its inlet by a plane turned away from the square section."""
    area = np.pi * radius_mm**2 / np.cos(np.radians(slant_degrees))
    normal = np.array([np.sin(np.radians(slant_degrees)), 0.0, -np.cos(np.radians(slant_degrees))])
    inlet = Cap(1, "inlet", np.zeros(3), normal, area, float(np.sqrt(area / np.pi)))
    outlet = Cap(2, "outlet", np.array([0, 0, 20.0]), np.array([0, 0, 1.0]), np.pi * radius_mm**2, radius_mm)
    points = np.outer(np.linspace(0, 20, 101), [0, 0, 1.0])
    line = Centerline(1, 2, points, np.full(101, radius_mm / oval))
    return LumenModel(EMPTY, (inlet, outlet), (line,), None, EMPTY, (inlet, outlet))


def test_a_square_cut_or_slightly_oval_end_keeps_its_own_radius() -> None:
    assert calibers(tube(0.0)) == ({1: 2.0, 2: 2.0}, ())
    radii, notes = calibers(tube(20.0, oval=1.09))
    assert radii[1] == pytest.approx(2.0 / np.sqrt(np.cos(np.radians(20.0))))
    assert notes == ()


def test_an_end_cut_along_the_artery_takes_the_arterys_radius_and_says_so() -> None:
    radii, (note,) = calibers(tube(70.0))  # 3.4 mm by its area: five times the flow of the artery behind it
    assert radii[1] == pytest.approx(1.15 * 2.0)
    assert note.code == "ends_wider_than_artery"
    assert "1 (3.42 / 2.30 mm)" in note.values["ends"]


def test_a_line_that_ends_at_the_cap_is_read_from_there() -> None:
    model = tube(0.0)
    (line,) = model.centerlines
    narrowing = replace(line, radius_mm=np.linspace(2.0, 0.5, 101))
    wide = replace(model.caps[1], radius_mm=1.0)
    radii, _ = calibers(replace(model, centerlines=(narrowing,), caps=(model.caps[0], wide)))
    assert radii[2] == pytest.approx(1.15 * np.median(narrowing.radius_mm[-21:]))
