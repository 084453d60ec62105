"""Two methods that find a sac: which is taken, how sure that is, and what a person is told."""

from functools import cache

import numpy as np
import pytest
from scipy.spatial import cKDTree

from aneuflow.geometry.agreed_sac import AgreedSac, agreed_sac
from aneuflow.geometry.model import build_model
from aneuflow.geometry.neck_cut import Wall, cut_learned, cut_sac
from aneuflow.geometry.parent_vessel import lumen_grid, parent_tubes
from aneuflow.geometry.sac import find_aneurysm, told_wall
from aneuflow.geometry.settings import ModelSettings
from aneuflow.types import REGION_SAC, Surface
from tests.conftest import shared_data
from tests.sac_shapes import beside_plate, straight

SURE = 4.0


@cache
def sphere_on_tube() -> tuple[Wall, np.ndarray]:
    """A wall, and which of its points (n,) are the sphere outside the tube."""
    lumen, caps = straight(sac=(3.5, 2.5))
    grid = lumen_grid(lumen, caps)
    wall, _ = told_wall(lumen, caps, grid, parent_tubes(grid, caps))
    places = lumen.surface.points
    on_sphere = np.abs(np.linalg.norm(places - [0, 3.5, 0], axis=1) - 2.5) < 0.05
    return wall, on_sphere & (np.hypot(places[:, 0], places[:, 1]) > 1.6)


def overlap(wall: Wall, first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * wall.area[first & second].sum() / (wall.area[first].sum() + wall.area[second].sum()))


def test_sac_of_doubtful_odds_ends_at_the_crease() -> None:
    wall, sphere = sphere_on_tube()
    noise = np.random.default_rng(1).normal(scale=2.0, size=len(sphere))
    found = cut_learned(wall, np.where(sphere, 1.5, -1.5) + noise)
    assert found is not None
    assert overlap(wall, found, sphere) > 0.95


def test_methods_that_agree_leave_the_neck_and_its_confidence_as_they_are() -> None:
    wall, sphere = sphere_on_tube()
    agreed, alone = agreed_sac(wall, np.where(sphere, SURE, -SURE)), cut_sac(wall)
    assert agreed is not None and alone is not None
    assert (agreed.chosen == alone).all()
    assert agreed.agreement > 0.95 and agreed.alone is None
    assert agreed.stability > 0.9
    assert agreed.confidence == pytest.approx(agreed.stability, rel=0.03)


def test_confidence_falls_with_the_agreement_from_what_is_usual_to_half() -> None:
    chosen = sphere_on_tube()[1]
    found = [AgreedSac(chosen, 0.96, agreement).confidence for agreement in (1.0, 0.975, 0.78, 0.0)]
    assert found == pytest.approx([0.96, 0.96, 0.96 * 0.8, 0.48])


@pytest.mark.parametrize("name", ["AN207", "AN211"])
def test_real_sac_that_only_the_network_sees_is_shown_with_a_warning(name: str) -> None:
    """The networks were trained on these segments too; docs/shape.md says what they reach where they were not."""
    with np.load(shared_data(f"intra/annotated/{name}.npz")) as segment:
        points, triangles, labels = segment["points"].astype(float), segment["triangles"], segment["labels"]
    model = build_model(Surface(points, triangles.astype(np.int32)), ModelSettings())
    assert model.aneurysm is not None
    assert model.aneurysm.ostium.confidence == 0.5
    assert "sac_by_network_alone" in [note.code for note in model.notes]
    found = model.lumen.region[cKDTree(model.lumen.surface.points).query(points)[1]] == REGION_SAC
    assert 2 * (found & (labels > 0)).sum() / (found.sum() + (labels > 0).sum()) > 0.8


def test_sac_that_one_method_alone_finds_is_offered_with_half_the_confidence() -> None:
    wall, sphere = sphere_on_tube()
    unseen = agreed_sac(wall, np.full(len(sphere), -SURE))
    assert unseen is not None
    assert (unseen.chosen == cut_sac(wall)).all()
    assert unseen.confidence == pytest.approx(0.5 * unseen.stability)
    assert unseen.alone == "tubes"


def test_wall_of_an_artery_is_no_sac_even_where_the_network_takes_it_for_one() -> None:
    lumen, caps = straight()
    grid = lumen_grid(lumen, caps)
    wall, _ = told_wall(lumen, caps, grid, parent_tubes(grid, caps))
    bulge = np.linalg.norm(lumen.surface.points - [0, 1.5, 0], axis=1) < 2.0
    assert agreed_sac(wall, np.where(bulge, SURE, -SURE)) is None


def test_plate_is_no_sac_even_where_the_network_takes_it_for_one() -> None:
    lumen, caps = beside_plate()
    assert find_aneurysm(lumen, caps).aneurysm is None
