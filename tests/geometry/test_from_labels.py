"""Label map to surface: the volume, radius and place of shapes drawn into voxels, in oblique and sheared frames too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aneuflow.errors import InputError
from aneuflow.geometry.from_labels import lumen_surface
from aneuflow.numerics import surface as sf
from aneuflow.types import FloatArray, LabelMap
from tests import shapes


def _pipe(places: FloatArray) -> FloatArray:
    return np.asarray(np.hypot(places[..., 0], places[..., 1]) - 1.5)


def _affine(spacing: tuple[float, ...], oblique: bool = False, shear: float = 0.0) -> FloatArray:
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", [20, -30, 15], degrees=True).as_matrix() if oblique else np.eye(3)
    affine[:3, :3] = turn @ np.diag(spacing) @ np.array([[1, shear, 0], [0, 1, 0], [0, 0, 1.0]])
    return affine


@pytest.mark.parametrize(
    "affine",
    [
        _affine((0.4, 0.4, 0.4)),
        _affine((0.3, 0.3, 0.6), oblique=True),
        _affine((0.4, 0.4, 0.5), shear=0.3),
        _affine((-0.4, 0.4, 0.4)),
    ],
)
def test_a_tube_keeps_its_radius_place_and_volume(affine: FloatArray) -> None:
    labels = shapes.label_map(_pipe, (-2.5, -2.5, 0), (2.5, 2.5, 14), affine)
    surface = lumen_surface(labels, 10).surface
    middle = surface.points[(surface.points[:, 2] > 3) & (surface.points[:, 2] < 11)]
    radius = np.hypot(middle[:, 0], middle[:, 1])
    assert radius.mean() == pytest.approx(1.5, rel=0.04)
    assert radius.std() < 0.08
    assert np.abs(middle[:, :2].mean(axis=0)).max() < 0.06
    voxels = labels.labels.sum() * abs(np.linalg.det(affine[:3, :3]))
    assert sf.signed_volume(*sf.fill_openings(surface.points, surface.triangles)) == pytest.approx(voxels, rel=0.01)


def test_a_vessel_that_leaves_the_image_has_its_ends_at_the_border() -> None:
    labels = shapes.label_map(_pipe, (-2.5, -2.5, 0), (2.5, 2.5, 10), _affine((0.4, 0.4, 0.4)))
    inner = replace(labels, labels=labels.labels[:, :, 3:-3])
    found = lumen_surface(inner, 10)
    assert sf.is_closed(found.surface.triangles)
    assert len(found.ends) == 2
    last = inner.affine[2, 3] + 0.4 * (inner.labels.shape[2] - 1)
    assert sorted(end[0].points_mm[0][2] for end in found.ends) == pytest.approx([inner.affine[2, 3], last])
    assert [end[0].radius_mm[0] for end in found.ends] == pytest.approx([1.5, 1.5], rel=0.05)


def test_the_labeled_aneurysm_reaches_the_surface() -> None:
    case = shapes.SidewallAneurysm()
    labels = shapes.label_map(case.field, (-3, -3, 2), (6.5, 3, 14), _affine((0.4, 0.4, 0.4)))
    x = (np.indices(labels.labels.shape)[0] * 0.4) + labels.affine[0, 3]
    marked = np.where((labels.labels > 0) & (x > 1.8), 2, labels.labels).astype(np.uint8)
    found = lumen_surface(replace(labels, labels=marked), 10)
    surface, sac = found.surface, found.in_aneurysm
    assert surface.points[sac][:, 0].min() > 1.3
    assert surface.points[~sac][:, 0].max() < 2.3


def test_loose_parts_are_left_out_and_said() -> None:
    labels = shapes.label_map(_pipe, (-2.5, -2.5, 0), (2.5, 2.5, 14), _affine((0.4, 0.4, 0.4)))
    values = np.pad(labels.labels, 6)
    values[1:3, 1:3, 1:3] = 1
    notes = lumen_surface(LabelMap(values, labels.affine, "analytic"), 10).notes
    assert [note.code for note in notes] == ["label_parts_dropped", "surface_from_labels"]


def test_an_empty_map_is_refused() -> None:
    with pytest.raises(InputError, match="0 voxels"):
        lumen_surface(LabelMap(np.zeros((20, 20, 20), np.uint8), np.eye(4), "analytic"), 10)
