"""A region of a tree: what lies within reach of a neck along the vessel, and the ends by which blood enters."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.geometry.parent_vessel import Tube, lumen_grid
from aneuflow.geometry.region import cropped, inlets_by_flow, region_around
from aneuflow.types import Cap
from tests import sac_shapes, shapes


def _cap(id: int, z: float, normal: float) -> Cap:
    return Cap(id, "outlet", np.array([0.0, 0, z]), np.array([0.0, 0, normal]), 3.0, 1.0)


def test_blood_enters_where_the_flow_of_the_tree_points_inward() -> None:
    line = np.stack([np.zeros(81), np.zeros(81), np.linspace(-20, 20, 81)], axis=1)
    tube = Tube(line, np.ones(81), np.ones(81), -1, -1)
    caps = (_cap(1, 5.0, 1.0), _cap(2, -5.0, -1.0))
    assert inlets_by_flow(caps, (tube,)) == (2,)
    back = Tube(line[::-1], np.ones(81), np.ones(81), -1, -1)
    assert inlets_by_flow(caps, (back,)) == (1,)


def test_an_end_far_from_all_flow_is_no_inlet() -> None:
    line = np.stack([np.full(81, 9.0), np.zeros(81), np.linspace(-20, 20, 81)], axis=1)
    tube = Tube(line, np.ones(81), np.ones(81), -1, -1)
    assert inlets_by_flow((_cap(1, 5.0, 1.0), _cap(2, -5.0, -1.0)), (tube,)) == ()


def test_distance_is_along_the_vessel_and_not_through_the_air() -> None:
    """The legs of a U lie 8 mm from each other and 20 mm along the vessel."""
    lumen, caps = sac_shapes.bend()
    grid = lumen_grid(lumen, caps)
    seed = np.argmin(np.linalg.norm(grid.points_mm - [4.0, -3.0, 0.0], axis=1))
    region = region_around(grid, np.array([seed]), 12.0)
    there, here = np.array([[-4.0, -3.0, 0.0]]), np.array([[4.0, 0.0, 0.0]])
    assert region.beyond(there)[0]
    assert not region.beyond(here)[0]
    assert not region.beyond(there, further_mm=12.0)[0]
    assert region.beyond(np.array([[0.0, -3.0, 0.0]]))[0]
    assert region.along_mm.max() == pytest.approx(np.pi * 4 + 3 + 5, rel=0.12)


def test_a_cropped_label_map_keeps_its_places_and_drops_the_rest() -> None:
    lumen, caps = sac_shapes.straight()
    grid = lumen_grid(lumen, caps)
    seed = np.argmin(np.linalg.norm(grid.points_mm - [0.0, 0.0, -6.0], axis=1))
    labels = shapes.label_map(
        lambda places: np.linalg.norm(places[..., :2], axis=-1) - 1.5, (-4, -4, -8), (4, 4, 8), np.diag([0.4, 0.4, 0.4, 1.0])
    )
    small = cropped(labels, region_around(grid, np.array([seed]), 3.0))
    places = np.argwhere(small.labels > 0) @ small.affine[:3, :3].T + small.affine[:3, 3]
    # Four millimeters more than the region, for the cut.
    assert places[:, 2].max() == pytest.approx(1.0, abs=0.8)
    assert places[:, 2].min() == pytest.approx(-8.0, abs=0.5)
    assert np.linalg.norm(places[:, :2], axis=1).max() == pytest.approx(1.5, abs=0.3)
