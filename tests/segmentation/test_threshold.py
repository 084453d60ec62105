"""The vessel wall stands where it is in images made from known vessels; real circles of Willis come out whole."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import marching_cubes

from aneuflow.errors import InputError
from aneuflow.imaging import read_image
from aneuflow.segmentation.segment import segment
from aneuflow.segmentation.settings import SegmentSettings
from aneuflow.types import Volume
from tests.conftest import shared_data

SHAPE, SPACING = (72, 64, 48), np.array([0.4, 0.4, 0.6])


def turned(shear: float = 0.0) -> np.ndarray:
    """An oblique affine, sheared on demand."""
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(np.array([[1.0, 0.2, 0.1], [-0.2, 1.0, 0.15], [-0.1, -0.2, 1.0]]))[0]
    affine[:3, :3] *= np.sign(np.diag(affine[:3, :3]))
    affine[:3, :3] = affine[:3, :3] @ np.array([[1, 0, 0], [0, 1, shear], [0, 0, 1]]) * SPACING
    affine[:3, 3] = (-30.0, 12.0, 55.0)
    return affine


def angiogram(distance, affine, lumen=400.0, tissue=100.0, noise=10.0, modality="MRA", fine=3) -> Volume:
    """The image of the vessel where distance(points) < 0, blurred by its voxels: the mean over fine^3 points in each."""
    rng = np.random.default_rng(0)
    offsets = (np.arange(fine) + 0.5) / fine - 0.5
    share = np.zeros(SHAPE)
    for offset in np.stack(np.meshgrid(offsets, offsets, offsets), axis=-1).reshape(-1, 3):
        share += distance((np.stack(np.indices(SHAPE), axis=-1) + offset) @ affine[:3, :3].T + affine[:3, 3]) < 0
    values = tissue + (lumen - tissue) * share / fine**3 + rng.normal(0, noise, SHAPE)
    return Volume(values.astype(np.float32), affine, modality, "made for a test")


def center_of(affine) -> np.ndarray:
    return affine[:3, :3] @ (np.array(SHAPE) / 2) + affine[:3, 3]


def tube(affine, radius_mm: float):
    """A straight tube through the middle of the image, along its first axis, a little askew."""
    axis = affine[:3, :3] @ np.array([1.0, 0.15, 0.1])
    axis /= np.linalg.norm(axis)

    def distance(points):
        from_center = points - center_of(affine)
        return np.linalg.norm(from_center - (from_center @ axis)[..., None] * axis, axis=-1) - radius_mm

    return distance


def wall_errors(result, distance) -> np.ndarray:
    """Signed distances (mm) of the 0.5 surface from the true wall, away from the image's border."""
    points, *_ = marching_cubes(result.soft, 0.5)
    inside = ((points > 8) & (points < np.array(result.soft.shape) - 9)).all(axis=1)
    return distance(points[inside] @ result.affine[:3, :3].T + result.affine[:3, 3])


@pytest.mark.parametrize("radius_mm", [0.9, 1.5, 2.2])
@pytest.mark.parametrize("shear", [0.0, -0.3], ids=["oblique", "sheared"])
def test_wall_of_a_tube_stands_within_a_fraction_of_a_voxel(radius_mm, shear):
    affine = turned(shear)
    result = segment(angiogram(tube(affine, radius_mm), affine))
    errors = wall_errors(result, tube(affine, radius_mm))
    assert len(errors) > 500
    # Half maximum is exact only for a vessel wider than its blur; at 0.9 mm (3 voxels of 0.6 mm across) it widens by a little.
    assert abs(errors.mean()) < 0.05
    assert np.percentile(np.abs(errors), 95) < 0.15
    assert set(np.unique(result.labels)) == {0, 1}


def test_contrast_and_offset_do_not_move_the_wall():
    affine = turned()
    image = angiogram(tube(affine, 1.5), affine)
    brighter = Volume((3.5 * image.values + 250).astype(np.float32), affine, "MRA", "")
    one, other = segment(image), segment(brighter)
    assert np.mean(one.labels != other.labels) < 1e-4
    np.testing.assert_allclose(one.soft, other.soft, atol=0.02)


def test_dim_and_bright_vessel_both_keep_their_own_wall():
    affine = turned()
    thick, center = tube(affine, 2.0), center_of(affine)
    side = np.cross(affine[:3, 0], affine[:3, 2])
    side /= np.linalg.norm(side)

    def thin(points):
        from_center = points - center
        along = from_center @ side
        return np.where(along > 0, np.linalg.norm(from_center - along[..., None] * side, axis=-1) - 1.0, 9.0)

    bright = angiogram(thick, affine, lumen=600)
    dim = angiogram(thin, affine, lumen=300, noise=0)
    image = Volume(np.maximum(bright.values, dim.values), affine, "MRA", "")
    result = segment(image)
    points, *_ = marching_cubes(result.soft, 0.5)
    points = points @ result.affine[:3, :3].T + result.affine[:3, 3]
    branch = points[((points - center) @ side > 4) & ((points - center) @ side < 8) & (np.abs(thin(points)) < 1)]
    assert len(branch) > 100
    assert abs(thin(branch).mean()) < 0.1


def test_fixed_threshold_is_obeyed():
    affine = turned()
    image = angiogram(tube(affine, 2.0), affine, noise=0)
    low, half, high = (int(segment(image, SegmentSettings(threshold=t)).labels.sum()) for t in (180, 250, 360))
    assert low > half > high
    assert half == pytest.approx(int(segment(image).labels.sum()), rel=0.05)


def test_background_shading_of_a_receiver_coil_is_no_vessel():
    affine = turned()
    image = angiogram(tube(affine, 1.5), affine)
    shading = 1 + 1.5 * np.linspace(0, 1, SHAPE[1])[None, :, None]
    result = segment(Volume((image.values * shading).astype(np.float32), affine, "MRA", ""))
    assert np.abs(wall_errors(result, tube(affine, 1.5))).max() < 0.5


def test_second_vessel_is_left_out_and_said_so():
    affine = turned()
    first = tube(affine, 1.6)
    shift = affine[:3, 1] * 20

    def both(points):
        return np.minimum(first(points - 0.45 * shift), first(points + 0.45 * shift) + 0.5)

    image = angiogram(both, affine)
    alone, pair = segment(image), segment(image, SegmentSettings(trees=2))
    assert [note.code for note in alone.notes] == ["vessels_left_out"]
    assert not pair.notes
    assert ndimage.label(alone.labels)[1] == 1
    assert ndimage.label(pair.labels)[1] == 2


def test_vessel_thinner_than_the_smallest_diameter_is_left_out():
    affine = turned()
    image = angiogram(tube(affine, 0.9), affine)
    assert segment(image, SegmentSettings(minimum_diameter_mm=1.2)).labels.any()
    with pytest.raises(InputError, match="No vessel"):
        segment(image, SegmentSettings(minimum_diameter_mm=3.0))


@pytest.mark.parametrize("modality", ["MRA", "CTA", "3DRA"])
def test_noise_alone_has_no_vessel(modality):
    values = np.random.default_rng(2).normal(40, 12, SHAPE).astype(np.float32)
    with pytest.raises(InputError, match="No vessel"):
        segment(Volume(values, turned(), modality, ""))


def test_bone_beside_an_artery_is_left_out():
    affine = turned()
    artery = tube(affine, 1.8)
    normal = np.cross(affine[:3, 0], affine[:3, 2])
    normal /= np.linalg.norm(normal)

    def plate(points):
        return np.abs((points - center_of(affine)) @ normal - 5.0) - 0.9

    air = (np.stack(np.indices(SHAPE), axis=-1) @ affine[:3, :3].T + affine[:3, 3] - center_of(affine)) @ normal > 7.0
    image = angiogram(artery, affine, lumen=380, tissue=40, noise=12, modality="CTA")
    bone = angiogram(plate, affine, lumen=1100, tissue=0, noise=0)
    values = np.where(air, -1000, np.maximum(image.values, bone.values)).astype(np.float32)
    result = segment(Volume(values, affine, "CTA", ""))
    assert np.percentile(np.abs(wall_errors(result, artery)), 95) < 0.3
    assert "bone_removed_by_shape" in [note.code for note in result.notes]


def reaches(labels: np.ndarray, affine: np.ndarray, image: Volume, voxel: tuple[int, int, int], within: int = 2) -> bool:
    """Whether the label map holds artery within `within` voxels of a voxel of the image."""
    place = np.linalg.inv(affine) @ image.affine @ [*voxel, 1]
    index = np.round(place[:3]).astype(int)
    around = tuple(slice(max(i - within, 0), i + within + 1) for i in index)
    return bool(labels[around].any())


@pytest.mark.slow
def test_real_circle_of_willis_is_one_tree_with_three_inlets():
    image = read_image(shared_data("imaging/niivue/chris_MRA.nii.gz"))
    result = segment(image)
    assert ndimage.label(result.labels, np.ones((3, 3, 3)))[1] == 1
    # Right and left carotid and basilar artery near the lower border; the middle cerebral arteries far out on both sides.
    for voxel in [(37, 116, 4), (153, 121, 4), (96, 113, 4), (20, 180, 60), (170, 180, 60)]:
        assert reaches(result.labels, result.affine, image, voxel, within=4), voxel


def test_real_mra_crop_has_all_its_arteries_in_one_tree():
    image = read_image(shared_data("imaging/topcow/dummy_mra.mha"))
    result = segment(image)
    assert ndimage.label(result.labels)[1] == 1
    # Whatever a person sees as artery: the far brighter voxels. Whatever is not: the grey of brain and liquor.
    bright = ndimage.uniform_filter(image.values, 3) > 450
    found = [reaches(result.labels, result.affine, image, tuple(v), within=1) for v in np.argwhere(bright)[::20]]
    assert np.mean(found) > 0.995
    volume_ml = result.labels.sum() * abs(np.linalg.det(result.affine[:3, :3])) / 1000
    assert 0.7 < volume_ml < 1.1


def test_real_cta_crop_has_its_arteries_without_the_skull_base():
    image = read_image(shared_data("imaging/topcow/dummy_cta.mha"))
    result = segment(image)
    assert ndimage.label(result.labels)[1] == 1
    # Both carotids in the cavernous part, the top of the basilar artery, both middle and anterior cerebral arteries.
    for voxel in [(16, 20, 1), (70, 22, 1), (44, 67, 3), (2, 40, 17), (92, 40, 17), (48, 6, 29), (43, 17, 29)]:
        assert reaches(result.labels, result.affine, image, voxel), voxel
    # The dorsum sellae, the clinoid processes and the wall of the sphenoid sinus.
    for voxel in [(50, 48, 2), (28, 45, 2), (88, 14, 8), (5, 20, 9), (50, 26, 3)]:
        assert not reaches(result.labels, result.affine, image, voxel, within=1), voxel
