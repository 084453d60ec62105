"""The tree in a label map: thin branches go, links stay, tubes end where they end, and a dome is no end."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.geometry.tree import trimmed_tree
from aneuflow.types import FloatArray, LabelMap
from tests import shapes


def _capsule(start: tuple[float, float, float], end: tuple[float, float, float], radius: float) -> shapes.Field:
    a, b = np.array(start), np.array(end)

    def field(places: FloatArray) -> FloatArray:
        share = np.clip((places - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        return np.asarray(np.linalg.norm(places - a - share[..., None] * (b - a), axis=-1) - radius)

    return field


def _drawn(*parts: shapes.Field) -> LabelMap:
    affine = np.diag([0.25, 0.25, 0.25, 1.0])
    return shapes.label_map(lambda places: np.min([part(places) for part in parts], axis=0), (-4, -4, -12), (14, 4, 12), affine)


def test_a_thin_branch_is_left_out_and_a_wide_one_stays() -> None:
    trunk, wide = _capsule((0, 0, -10), (0, 0, 10), 1.5), _capsule((0, 0, 0), (12, 0, 4), 1.0)
    thin = _capsule((0, 0, -4), (12, 0, -6), 0.35)
    labels = _drawn(trunk, wide, thin)
    tree = trimmed_tree(labels.labels > 0, labels.affine, 1.0)
    assert tree.trimmed == 1
    assert len(tree.ends) == 3
    without = _drawn(trunk, wide).labels > 0
    assert np.count_nonzero(tree.mask ^ without) < 0.01 * np.count_nonzero(without)


def test_a_tapering_branch_is_trimmed_where_it_is_as_thin_as_asked() -> None:
    steps = [_capsule((k, 0, 0), (k + 1, 0, 0), 1.2 - 0.08 * k) for k in range(12)]
    labels = _drawn(_capsule((0, 0, -10), (0, 0, 10), 1.5), *steps)
    tree = trimmed_tree(labels.labels > 0, labels.affine, 1.2)
    reach = np.argwhere(tree.mask)[:, 0].max() * 0.25 + labels.affine[0, 3]
    # Its diameter is 1.2 mm at 7.5 mm.
    assert reach == pytest.approx(7.5, abs=2)


def test_a_thin_link_between_vessels_stays() -> None:
    vessels = _capsule((0, 0, -10), (0, 0, 10), 1.5), _capsule((10, 0, -10), (10, 0, 10), 1.5)
    labels = _drawn(*vessels, _capsule((0, 0, 0), (10, 0, 0), 0.35))
    tree = trimmed_tree(labels.labels > 0, labels.affine, 1.0)
    assert tree.trimmed == 0
    assert len(tree.ends) == 4


def test_a_dome_is_not_taken_for_the_end_of_a_vessel() -> None:
    case = shapes.SidewallAneurysm()
    labels = shapes.label_map(case.field, (-3, -3, 0), (8, 4, 16), np.diag([0.3, 0.3, 0.3, 1.0]))
    tree = trimmed_tree(labels.labels > 0, labels.affine, 1.0)
    assert len(tree.ends) == 2
    assert all(abs(end[0].points_mm[0][0]) < 0.5 for end in tree.ends)


def test_without_a_least_diameter_nothing_is_left_out() -> None:
    labels = _drawn(_capsule((0, 0, -10), (0, 0, 10), 1.5), _capsule((0, 0, -4), (12, 0, -6), 0.35))
    tree = trimmed_tree(labels.labels > 0, labels.affine, 0.0)
    assert tree.trimmed == 0
    assert (tree.mask >= (labels.labels > 0)).all()
