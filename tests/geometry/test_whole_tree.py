"""Whole artery trees: aneurysms are found by their shape, and the model is made of the vessels around one of them."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from aneuflow.errors import InputError
from aneuflow.geometry import whole_tree
from aneuflow.geometry.candidates import TreeSac, artery_tree, find_candidates
from aneuflow.geometry.caps import is_tree
from aneuflow.geometry.model import artery_trees, build_model, cut_wall
from aneuflow.geometry.settings import ModelSettings, NeckPlane
from aneuflow.geometry.whole_tree import focus_on, likely, told_of
from aneuflow.types import FloatArray, LabelMap, LumenModel, PatchedSurface, Surface
from tests import sac_shapes, shapes

# An artery of 1.6 mm radius that parts into two, each of which parts again; start, end, radius in mm.
TRUNK = ((0.0, 0.0, -24.0), (0.0, 0.0, 0.0), 1.6)
TUBES = (
    TRUNK,
    ((0.0, 0.0, 0.0), (12.0, 0.0, 9.0), 1.3),
    ((0.0, 0.0, 0.0), (-12.0, 0.0, 9.0), 1.3),
    ((12.0, 0.0, 9.0), (20.0, 3.0, 9.0), 0.9),
    ((12.0, 0.0, 9.0), (13.0, -3.0, 18.0), 1.0),
    ((-12.0, 0.0, 9.0), (-20.0, 3.0, 9.0), 0.9),
    ((-12.0, 0.0, 9.0), (-13.0, -3.0, 18.0), 1.0),
)
LOW, HIGH = (-22.0, -6.0, -26.0), (22.0, 6.0, 20.0)
ON_ARM, ON_TRUNK = ((-7.0, 3.1, 5.25), 2.4), ((0.0, -2.9, -9.0), 1.8)
Sac = tuple[tuple[float, float, float], float]


def _field(places: FloatArray, sacs: tuple[Sac, ...]) -> FloatArray:
    value = np.full(places.shape[:-1], np.inf)
    for start, end, radius in TUBES:
        a, step = np.array(start), np.array(end) - np.array(start)
        share = np.clip((places - a) @ step / (step @ step), 0, 1)
        value = np.minimum(value, np.linalg.norm(places - a - share[..., None] * step, axis=-1) - radius)
    for middle, radius in sacs:
        value = np.minimum(value, np.linalg.norm(places - np.array(middle), axis=-1) - radius)
    return value


def _ends() -> list[sac_shapes.End]:
    ends: list[sac_shapes.End] = [((0.0, 0.0, -23.0), (0.0, 0.0, -1.0), 1.6, "inlet")]
    for start, end, radius in TUBES[3:]:
        along = np.array(end) - np.array(start)
        along /= np.linalg.norm(along)
        ends.append((tuple(np.array(end) - along), tuple(along), radius, "outlet"))
    return ends


@functools.cache
def _lumen(*sacs: Sac) -> sac_shapes.Lumen:
    return sac_shapes.lumen(lambda places: _field(places, sacs), LOW, HIGH, _ends(), step=0.4)


def _labels(*sacs: Sac) -> LabelMap:
    return shapes.label_map(lambda places: _field(places, sacs), LOW, HIGH, np.diag([0.45, 0.45, 0.45, 1.0]))


def _shown(lumen: sac_shapes.Lumen) -> list[TreeSac]:
    tree = artery_tree(*lumen)
    return [sac for _, sac in likely([(tree, sac) for sac in find_candidates(tree)])]


@functools.cache
def _model() -> LumenModel:
    return build_model(_labels(ON_ARM, ON_TRUNK), ModelSettings(candidate=2))


def test_both_sacs_of_a_tree_are_found_and_nothing_else() -> None:
    found = _shown(_lumen(ON_ARM, ON_TRUNK))
    assert len(found) == 2
    for middle, radius in (ON_ARM, ON_TRUNK):
        sac = min(found, key=lambda each: float(np.linalg.norm(each.center_mm - middle)))
        assert np.linalg.norm(sac.center_mm - middle) < 0.5 * radius
        assert sac.diameter_mm == pytest.approx(2 * radius, rel=0.25)


def test_a_tree_without_a_sac_has_no_candidate() -> None:
    assert not _shown(_lumen())


def test_an_artery_that_widens_where_it_is_cut_is_no_candidate_but_a_sac_beside_an_end_is() -> None:
    flare, beside = ((0.0, 0.0, -20.5), 3.5), ((0.0, -2.9, -19.5), 1.8)
    assert _shown(_lumen(flare)) == []
    (found,) = _shown(_lumen(beside))
    assert np.linalg.norm(found.center_mm - beside[0]) < 0.5 * beside[1]


def test_candidates_do_not_depend_on_how_the_tree_lies() -> None:
    lumen, caps = _lumen(ON_ARM, ON_TRUNK)
    turn = np.linalg.qr(np.array([[1.0, 2, 0], [0, 1, 3], [2, 0, 1]]))[0]
    turn *= np.linalg.det(turn)
    shift = np.array([40.0, -20.0, 5.0])
    surface = Surface(lumen.surface.points @ turn.T + shift, lumen.surface.triangles)
    moved = tuple(replace(cap, center_mm=turn @ cap.center_mm + shift, normal=turn @ cap.normal) for cap in caps)
    found = _shown((PatchedSurface(surface, lumen.patch, lumen.region), moved))
    before = _shown((lumen, caps))
    assert len(found) == len(before)
    for sac, other in zip(found, before, strict=True):
        assert np.linalg.norm(sac.center_mm - shift - turn @ other.center_mm) < 0.4


def test_the_model_is_made_around_the_sac_chosen() -> None:
    model = _model()
    assert model.aneurysm is not None
    assert [candidate.number for candidate in model.candidates] == [1, 2]
    assert [candidate.chosen for candidate in model.candidates] == [False, True]
    center = np.array(model.candidates[1].center_mm)
    middle, radius = min((ON_ARM, ON_TRUNK), key=lambda sac: float(np.linalg.norm(center - sac[0])))
    assert np.linalg.norm(model.aneurysm.ostium.center_mm - middle) < 1.3 * radius
    assert 0.5 < model.aneurysm.ostium.confidence <= 1
    assert model.aneurysm.ostium.origin == "automatic"
    assert {"region_of_interest", "several_candidates", "inlet_by_tree"} <= {note.code for note in model.notes}


def test_the_region_reaches_five_diameters_upstream_and_blood_enters_there() -> None:
    model = _model()
    assert model.aneurysm is not None
    inlets = [cap for cap in model.caps if cap.role == "inlet"]
    assert len(inlets) == 1
    # Upstream is toward the trunk's lower end, whichever sac was chosen.
    assert inlets[0].center_mm[2] == min(cap.center_mm[2] for cap in model.caps)
    line = model.aneurysm.parent_line
    length = float(np.linalg.norm(np.diff(line.points_mm, axis=0), axis=1).sum())
    assert length > 5 * 2 * float(np.median(line.radius_mm[-20:])) or inlets[0].center_mm[2] < -22


def test_the_region_is_measured_in_diameters_of_the_artery_and_not_of_its_branches() -> None:
    """A sac over the fork: its branches are of 1.3 mm, the artery before it of 1.6 mm."""
    focus, _ = focus_on([artery_tree(*_lumen(((0.0, 0.0, 2.5), 2.6)))], ModelSettings())
    assert focus is not None
    assert focus.region.reach_mm == pytest.approx(6 * 2 * 1.6, rel=0.12)


def test_a_candidate_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="Candidate 7 was asked for, but only 2 "):
        focus_on([artery_tree(*_lumen(ON_ARM, ON_TRUNK))], ModelSettings(candidate=7))


def test_a_place_that_is_not_clearly_an_aneurysm_is_told_of_and_assessed_only_when_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tree = artery_tree(*_lumen(ON_TRUNK))
    (sac,) = find_candidates(tree)
    monkeypatch.setattr(whole_tree, "find_candidates", lambda _: (replace(sac, score=0.57),))
    focus, (candidate,) = focus_on([tree], ModelSettings())
    assert focus is None
    assert not candidate.chosen
    assert [note.code for note in told_of((candidate,))] == ["unclear_candidates"]
    focus, (candidate,) = focus_on([tree], ModelSettings(candidate=1))
    assert focus is not None
    assert candidate.chosen


@pytest.mark.slow
def test_a_sac_on_the_smaller_of_two_trees_is_found() -> None:
    """As of both carotids and the vertebral arteries, where no communicating artery joins them."""
    away = np.array([0.0, 18.0, 0.0])

    def both(places: FloatArray) -> FloatArray:
        return np.minimum(1.2 * _field(places / 1.2, ()), _field(places - away, (ON_ARM,)))

    labels = shapes.label_map(both, (-26.0, -7.0, -31.0), (26.0, 24.0, 24.0), np.diag([0.5, 0.5, 0.5, 1.0]))
    trees = artery_trees(cut_wall(labels, ModelSettings()), ModelSettings())
    assert len(trees) == 2
    focus, candidates = focus_on(trees, ModelSettings())
    assert focus is not None
    assert len(candidates) == 1
    assert np.linalg.norm(candidates[0].center_mm - away - ON_ARM[0]) < 0.5 * ON_ARM[1]
    assert focus.region.lumen.data[:, 1].min() > 9


def test_a_label_says_where_the_region_lies() -> None:
    lumen, caps = _lumen(ON_ARM, ON_TRUNK)
    labeled = (np.linalg.norm(lumen.surface.points - ON_TRUNK[0], axis=1) < ON_TRUNK[1] + 0.1).astype(np.uint8)
    focus, candidates = focus_on([artery_tree(lumen, caps, labeled)], ModelSettings())
    assert focus is not None
    assert candidates == ()
    assert focus.region.along_mm[focus.region.lumen.query(ON_TRUNK[0])[1]] < 2
    assert focus.region.reach_mm == pytest.approx(6 * 2 * 1.6, rel=0.15)


@pytest.mark.slow
def test_a_neck_plane_says_where_the_region_lies() -> None:
    middle, radius = ON_TRUNK
    plane = NeckPlane(point_mm=(0.0, -1.8, -9.0), normal=(0.0, -1.0, 0.0))
    model = build_model(_labels(ON_ARM, ON_TRUNK), ModelSettings(neck_plane=plane))
    assert model.aneurysm is not None
    assert model.aneurysm.ostium.origin == "plane"
    assert np.linalg.norm(model.aneurysm.ostium.center_mm - middle) < 1.2 * radius
    assert model.candidates == ()


@pytest.mark.slow
def test_a_tree_without_a_candidate_is_kept_whole() -> None:
    model = build_model(_labels(), ModelSettings())
    assert model.aneurysm is None
    assert model.candidates == ()
    assert len(model.caps) == 5
    assert "no_aneurysm" in {note.code for note in model.notes}


def test_a_tree_is_over_35_mm_long_with_four_ends() -> None:
    def box(side: float) -> Surface:
        return Surface(np.array([[0.0, 0, 0], [side, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]], dtype=np.int32))

    assert is_tree(box(36.0), 4)
    assert not is_tree(box(36.0), 3)
    assert not is_tree(box(33.0), 7)
