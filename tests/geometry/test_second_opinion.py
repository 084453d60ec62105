"""The network's say on candidates of a whole tree: it sees a sphere on an artery, and nothing in a fork taken for one."""

from dataclasses import replace

import numpy as np
import pytest

from aneuflow.errors import InputError
from aneuflow.geometry.candidates import artery_tree, find_candidates
from aneuflow.geometry.model import artery_trees, asked, cut_wall
from aneuflow.geometry.second_opinion import second_opinion
from aneuflow.geometry.settings import ModelSettings
from aneuflow.geometry.whole_tree import is_told, likely
from tests.geometry.test_whole_tree import ON_ARM, _labels, _lumen

FORK = np.array([12.0, 0.0, 9.0])


def test_the_network_sees_a_sac_and_none_in_a_fork() -> None:
    labels = _labels(ON_ARM)
    (tree,) = artery_trees(cut_wall(labels, ModelSettings()), ModelSettings())
    (sac,) = find_candidates(tree)
    points = np.linalg.norm(tree.lumen.surface.points - FORK, axis=1) < 2.0
    voxels = np.flatnonzero(np.linalg.norm(tree.grid.points_mm - FORK, axis=1) < 1.0)
    fork = replace(sac, points=points, voxels=voxels)
    share_of = asked(lambda: labels, ModelSettings())
    seen, unseen = share_of(tree, sac), share_of(tree, fork)
    assert seen is not None and seen > 0.7
    assert unseen is not None and unseen < 0.05
    fork, sac = replace(fork, score=0.57), replace(sac, score=0.56)
    assert likely([(tree, fork), (tree, sac)], share_of) == [(tree, sac)]


def test_where_no_segment_can_be_cut_out_the_network_says_nothing() -> None:
    def refused(_: object) -> None:
        raise InputError("The surface has 1 opening.")

    tree = artery_tree(*_lumen(ON_ARM))
    (sac,) = find_candidates(tree)
    assert second_opinion(refused)(tree, sac) is None  # type: ignore[arg-type]
    assert likely([(tree, sac)], second_opinion(refused)) == [(tree, sac)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("score", "share", "told"),
    [(0.56, None, True), (0.54, None, False), (0.56, 0.0, False), (0.7, 0.0, True), (0.56, 0.2, True), (0.54, 0.9, False)],
)
def test_a_candidate_is_told_of_by_its_shape_and_by_what_the_network_sees(
    score: float, share: float | None, told: bool
) -> None:
    assert is_told(score, share) == told
