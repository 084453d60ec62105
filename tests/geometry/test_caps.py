"""Ends of the lumen: cut square, closed flat, told apart; on tubes and spheres whose ends are known."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.errors import InputError
from aneuflow.geometry.caps import close_ends, cut_ends, open_ends, without_flat_ends
from aneuflow.numerics import surface as sf
from aneuflow.types import Surface
from tests import shapes


def _ragged_tube() -> Surface:
    pipe = shapes.tube(radius=1.5, length=12)
    middle = pipe.points[pipe.triangles].mean(axis=1)
    ragged = middle[:, 2] > 1 + 0.6 * np.sin(3 * np.arctan2(middle[:, 1], middle[:, 0]))
    return Surface(*sf.compact(pipe.points, pipe.triangles[ragged])[:2])


def test_a_ragged_end_is_cut_square_to_the_tube() -> None:
    pipe = _ragged_tube()
    cut, failed = cut_ends(pipe, open_ends(pipe))
    _, caps = close_ends(cut)
    assert failed == 0
    for cap in caps:
        assert abs(cap.normal[2]) > np.cos(np.radians(2))
        assert cap.radius_mm == pytest.approx(1.5, rel=0.01)
        assert np.sign(cap.normal[2]) == np.sign(cap.center_mm[2] - 6)


def test_an_oblique_end_is_cut_nearer_to_square() -> None:
    pipe = shapes.tube(radius=1.5, length=14)
    field = pipe.points[:, 2] - 3 - 0.5 * pipe.points[:, 0]
    split = sf.split_by_field(pipe.points, pipe.triangles, -field)
    oblique = Surface(*sf.compact(split.points, split.triangles[split.below])[:2])
    cut, _ = cut_ends(oblique, open_ends(oblique))
    _, caps = close_ends(cut)
    assert min(abs(cap.normal[2]) for cap in caps) > np.cos(np.radians(5))


def test_flat_caps_of_a_closed_tube_are_found_and_domes_are_not() -> None:
    pipe = shapes.closed(shapes.tube())
    assert len(sf.boundary_loops(without_flat_ends(pipe).triangles)) == 2
    for ball in (shapes.sphere(1.0, 3), shapes.sphere(5.0, 4)):
        assert without_flat_ends(ball) is ball
    sidewall = shapes.closed(shapes.SidewallAneurysm().surface())
    assert len(sf.boundary_loops(without_flat_ends(sidewall).triangles)) == 2


def test_caps_are_numbered_by_area_and_the_widest_is_the_inlet() -> None:
    lumen, caps = close_ends(shapes.Bifurcation().surface())
    assert [cap.id for cap in caps] == [1, 2, 3]
    assert [cap.role for cap in caps] == ["inlet", "outlet", "outlet"]
    assert caps[0].radius_mm == pytest.approx(1.5, rel=0.01)
    assert caps[0].normal == pytest.approx([0, 0, -1], abs=1e-3)
    assert sf.is_closed(lumen.surface.triangles)
    assert sorted(np.unique(lumen.patch)) == [0, 1, 2, 3]


def test_the_inlet_can_be_chosen_but_not_invented() -> None:
    fork = shapes.Bifurcation().surface()
    assert [cap.role for cap in close_ends(fork, (3,))[1]] == ["outlet", "outlet", "inlet"]
    with pytest.raises(InputError, match="numbered 1 to 3"):
        close_ends(fork, (7,))
    with pytest.raises(InputError, match="leave at least one"):
        close_ends(fork, (1, 2, 3))


def test_a_closed_surface_is_refused() -> None:
    with pytest.raises(InputError, match="0 openings"):
        close_ends(shapes.sphere())
