"""The whole stage: analytic shapes first, then real vessels from every kind of source."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest

from aneuflow.errors import InputError
from aneuflow.geometry.model import build_model
from aneuflow.geometry.read_surface import read_surface
from aneuflow.geometry.settings import ModelSettings
from aneuflow.imaging.read import read_image
from aneuflow.numerics import surface as sf
from aneuflow.segmentation.segment import segment
from aneuflow.types import LabelMap, LumenModel, Surface
from tests import shapes
from tests.conftest import shared_data


def _assert_sound(model: LumenModel, ends: int) -> None:
    for patched in (model.lumen, model.extended):
        assert sf.is_closed(patched.surface.triangles)
        assert sf.signed_volume(patched.surface.points, patched.surface.triangles) > 0
        assert sorted(np.unique(patched.patch)) == list(range(ends + 1))
    assert sum(cap.role == "inlet" for cap in model.caps) == 1
    assert len(model.centerlines) == ends - 1
    centers = {cap.id: cap.center_mm for cap in model.caps}
    for line in model.centerlines:
        assert np.linalg.norm(line.points_mm[0] - centers[line.start_cap]) < 1
        assert np.linalg.norm(line.points_mm[-1] - centers[line.end_cap]) < 1


def test_a_tube_becomes_a_vessel_without_aneurysm() -> None:
    model = build_model(shapes.tube(radius=1.5, length=14), ModelSettings())
    _assert_sound(model, 2)
    assert model.aneurysm is None
    assert "no_aneurysm" in [note.code for note in model.notes]
    assert [cap.radius_mm for cap in model.caps] == pytest.approx([1.5, 1.5], rel=0.01)


def test_moving_the_vessel_moves_the_model() -> None:
    settings = ModelSettings(aneurysm="none")
    fork = shapes.Bifurcation().surface()
    here, there = build_model(fork, settings), build_model(shapes.moved(fork, (40, -25, 130), (30, -20, 55)), settings)
    _assert_sound(there, 3)
    assert [c.radius_mm for c in there.caps] == pytest.approx([c.radius_mm for c in here.caps], rel=0.02)
    assert sf.signed_volume(there.lumen.surface.points, there.lumen.surface.triangles) == pytest.approx(
        sf.signed_volume(here.lumen.surface.points, here.lumen.surface.triangles), rel=0.01
    )


def test_a_closed_sphere_is_refused() -> None:
    with pytest.raises(InputError, match="openings"):
        build_model(shapes.sphere(), ModelSettings())


def test_points_that_are_not_numbers_are_refused() -> None:
    pipe = shapes.tube()
    points = pipe.points.copy()
    points[0] = np.inf
    with pytest.raises(InputError, match="not numbers"):
        build_model(Surface(points, pipe.triangles), ModelSettings())


def _stored(relative: str) -> Surface:
    data = np.load(shared_data(relative))
    return Surface(data["points"].astype(float), data["triangles"])


@pytest.mark.parametrize(
    ("relative", "ends"),
    [
        ("intra/annotated/AN1.npz", 2),
        ("intra/annotated/AN139.npz", 3),
        ("intra/annotated/AN42-3.npz", 4),
        ("intra/annotated/AN34.npz", 3),
        ("caput/experimentNo3_sidewall_1_3_fluid.npz", 2),
        ("caput/experimentNo3_bifurcation_1_05_fluid.npz", 3),
        ("caput/experimentNo3_bifurcation_2_01_fluid.npz", 4),
    ],
)
def test_real_segments_and_phantoms(relative: str, ends: int) -> None:
    _assert_sound(build_model(_stored(relative), ModelSettings(aneurysm="none")), ends)


def test_a_patients_terminal_aneurysm_from_vtp() -> None:
    model = build_model(read_surface(shared_data("surfaces/aneurisk_C0015_artery.vtp")), ModelSettings(aneurysm="none"))
    _assert_sound(model, 3)
    assert [cap.radius_mm for cap in model.caps] == pytest.approx([1.57, 1.31, 0.91], abs=0.06)


def test_the_bundled_case_from_its_mask() -> None:
    image = nibabel.load(shared_data("aneumo/case4_mask_cloud_frame.nii.gz"))
    labels = LabelMap(np.asarray(image.dataobj).astype(np.uint8), np.diag([-1.0, -1, 1, 1]) @ image.affine, "mask")
    model = build_model(labels, ModelSettings(aneurysm="none"))
    _assert_sound(model, 2)
    assert model.caps[0].radius_mm == pytest.approx(1.41, abs=0.08)
    assert model.caps[0].normal @ [-0.458, -0.870, -0.182] > 0.99


def test_a_circle_of_willis_from_an_expert_mask_has_both_carotids_as_inlets() -> None:
    image = nibabel.load(shared_data("imaging/topcow/topcow_mr_roi_014.nii.gz"))
    arteries = (np.asarray(image.dataobj) > 0).astype(np.uint8)
    labels = LabelMap(arteries, np.diag([-1.0, -1, 1, 1]) @ image.affine, "mask")
    model = build_model(labels, ModelSettings(aneurysm="none"))
    inlets = [cap for cap in model.caps if cap.role == "inlet"]
    assert len(inlets) == 2
    assert all(cap.normal[2] < -0.9 and 1.9 < cap.radius_mm < 2.6 for cap in inlets)
    assert min(cap.radius_mm for cap in model.caps) > 0.5


@pytest.mark.slow
def test_a_healthy_circle_of_willis_has_three_inlets_and_no_aneurysm() -> None:
    image = read_image(shared_data("imaging/niivue/chris_MRA.nii.gz"))
    model = build_model(segment(image), ModelSettings())
    assert model.aneurysm is None
    assert not any(candidate.chosen for candidate in model.candidates)
    inlets = [cap for cap in model.caps if cap.role == "inlet"]
    assert len(inlets) == 3
    assert all(cap.normal[2] < -0.9 for cap in inlets)
    assert min(cap.radius_mm for cap in model.caps) >= 0.5


@pytest.mark.slow
def test_all_true_scale_segments() -> None:
    index = json.loads(shared_data("intra/annotated_index.json").read_text())
    names = [entry["name"] for entry in index if entry["true_scale"]]
    paths = [shared_data("intra/annotated") / f"{name}.npz" for name in names]
    for path in filter(lambda path: path.exists(), paths):
        surface = _stored(f"intra/annotated/{path.name}")
        model = build_model(surface, ModelSettings(aneurysm="none"))
        _assert_sound(model, len(model.caps))
        kept = sf.signed_volume(model.lumen.surface.points, model.lumen.surface.triangles)
        assert kept > 0.85 * sf.signed_volume(*sf.fill_openings(surface.points, surface.triangles)), path.name
