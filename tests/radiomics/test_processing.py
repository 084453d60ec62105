"""From image to levels: where resampled voxels lie, how large the zones are, what is left out, and which level is which."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aneuflow.errors import MethodError
from aneuflow.radiomics.measure import features, measure_radiomics
from aneuflow.radiomics.processing import chosen, discretized, sample, zones
from aneuflow.radiomics.settings import RadiomicsSettings
from aneuflow.types import LABEL_ANEURYSM, LABEL_ARTERY, ByteArray, FloatArray, Volume

EDGES = np.array([0.4, 0.45, 0.6])
SHAPE = (46, 42, 34)
RADIUS, ARTERY_RADIUS = 3.0, 1.5
CENTER = np.array([2.0, -7.0, 11.0])


def made_affine(tilt: float = 0.0) -> FloatArray:
    affine = np.eye(4)
    axes = Rotation.from_euler("xyz", [20.0, -35.0, 50.0], degrees=True).as_matrix() @ np.array(
        [[1, 0, 0], [0, 1, tilt], [0, 0, 1.0]]
    )
    affine[:3, :3] = axes * EDGES
    affine[:3, 3] = CENTER - affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    return affine


def made_case(affine: FloatArray) -> tuple[Volume, ByteArray]:
    """A ball on a straight artery; intensities are a linear function of place, which trilinear interpolation keeps."""
    places = np.moveaxis(np.indices(SHAPE), 0, -1) @ affine[:3, :3].T + affine[:3, 3] - CENTER
    axis = affine[:3, 0] / np.linalg.norm(affine[:3, 0])
    along = places @ axis
    side = places - along[..., None] * axis
    down = affine[:3, 1] / np.linalg.norm(affine[:3, 1])
    artery = np.linalg.norm(side + (RADIUS + 0.9) * down, axis=-1) < ARTERY_RADIUS
    labels = np.where(artery, LABEL_ARTERY, 0)
    labels[np.linalg.norm(places, axis=-1) < RADIUS] = LABEL_ANEURYSM
    values = 100.0 + places @ [3.0, -2.0, 5.0]
    return Volume(values.astype(np.float32), affine, "CTA", "made"), labels.astype(np.uint8)


@pytest.mark.parametrize("tilt", [0.0, 0.2])
@pytest.mark.parametrize("turned", [False, True])
def test_a_resampled_voxel_has_the_value_of_its_place(tilt: float, turned: bool) -> None:
    turn = Rotation.from_rotvec([0.2, -0.1, 0.15]).as_matrix() if turned else None
    found = sample(*made_case(made_affine(tilt)), RadiomicsSettings(spacing_mm=0.5), turn)
    assert np.allclose(found.affine[:3, :3].T @ found.affine[:3, :3], 0.25 * np.eye(3))
    inside = np.argwhere(found.lumen)
    places = inside @ found.affine[:3, :3].T + found.affine[:3, 3] - CENTER
    np.testing.assert_allclose(found.values[found.lumen], 100.0 + places @ [3.0, -2.0, 5.0], atol=1e-3)
    assert np.linalg.norm(places[found.sac[found.lumen]], axis=1).max() < RADIUS + 0.4


def test_the_grid_has_the_center_of_the_images() -> None:
    found = sample(*made_case(made_affine()), RadiomicsSettings(spacing_mm=0.5))
    index = np.linalg.solve(found.affine[:3, :3], CENTER - found.affine[:3, 3])
    # 46 x 0.4 mm, 42 x 0.45 mm and 34 x 0.6 mm take 37, 38 and 41 voxels: a middle lies on a voxel or between two.
    np.testing.assert_allclose(index % 1.0, [0.0, 0.5, 0.0], atol=1e-6)


def test_the_zones_are_as_large_as_ball_and_shell() -> None:
    ratios = []
    for width in (0.8, 1.0, 1.2, 1.4, 1.6, 2.0, 2.4):
        found = sample(*made_case(made_affine()), RadiomicsSettings(spacing_mm=0.25, wall_width_mm=width))
        masks = zones(found, width)
        assert masks["sac"].sum() * 0.25**3 == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.03)
        # Without an artery the zone is a whole shell; with it the part that opens into it is none.
        alone = zones(replace(found, lumen=found.sac), width)["wall"]
        shell = 4 / 3 * np.pi * ((RADIUS + width / 2) ** 3 - (RADIUS - width / 2) ** 3)
        ratios.append(alone.sum() * 0.25**3 / shell)
        assert 0.5 * alone.sum() < masks["wall"].sum() < 0.95 * alone.sum()
        assert not (masks["wall"] & found.lumen & ~found.sac).any()
    # The width goes in steps of the voxel; on the mean it is the one that was asked for.
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.04) and np.ptp(ratios) < 0.25


def test_levels_are_those_of_the_manual() -> None:
    values = np.array([-5.0, 0.0, 2.4, 2.6, 9.9, 10.0, 40.0]).reshape(7, 1, 1)
    every = np.ones(values.shape, dtype=bool)
    settings = RadiomicsSettings(low=0.0, high=10.0, bins=4)
    region = chosen(values, every, settings)
    assert region.ravel().tolist() == [False, True, True, True, True, True, False]
    assert discretized(values, region, settings)[0].ravel().tolist() == [0, 1, 1, 2, 4, 4, 0]
    wide = RadiomicsSettings(low=0.0, high=10.0, bin_width=2.5)
    levels, count = discretized(values, region, wide)
    assert levels.ravel().tolist() == [0, 1, 1, 2, 4, 5, 0] and count == 5
    outliers = chosen(values, every, RadiomicsSettings(outliers_sd=2.0))
    assert outliers.ravel().tolist() == [True] * 6 + [False]


def test_what_has_no_texture_is_refused() -> None:
    volume, labels = made_case(made_affine())
    flat = Volume(np.full(SHAPE, 7.0, np.float32), volume.affine, "CTA", "made")
    with pytest.raises(MethodError, match="have the intensity 7"):
        measure_radiomics(flat, labels, RadiomicsSettings())
    with pytest.raises(MethodError, match="under the 64"):
        measure_radiomics(volume, labels, RadiomicsSettings(low=99.9, high=100.0))
    with pytest.raises(MethodError, match="No voxel of the image lies in the sac"):
        measure_radiomics(volume, np.minimum(labels, LABEL_ARTERY), RadiomicsSettings())
    with pytest.raises(MethodError, match="over 1024 levels"):
        measure_radiomics(volume, labels, RadiomicsSettings(bin_width=0.001))


def test_a_fixed_number_of_bins_knows_no_unit_and_no_offset() -> None:
    volume, labels = made_case(made_affine())
    scaled = Volume(3.0 * volume.values - 50.0, volume.affine, "MRA", "made")
    ours, theirs = (features(sample(each, labels, RadiomicsSettings()), RadiomicsSettings()) for each in (volume, scaled))
    for id, value in ours.items():
        if "_histogram_" in id or "_texture_" in id:
            assert theirs[id] == pytest.approx(value, rel=1e-2, abs=1e-3), id


def test_what_lies_beyond_the_image_is_no_part_of_a_zone() -> None:
    volume, labels = made_case(made_affine())
    cut = Volume(volume.values[:23], volume.affine, "CTA", "made")  # through the middle of the ball
    settings = RadiomicsSettings(spacing_mm=0.4, wall_width_mm=1.6)
    whole, half = sample(volume, labels, settings), sample(cut, labels[:23], settings)
    masks, halves = zones(whole, 1.6), zones(half, 1.6)
    for zone in ("sac", "wall"):
        assert halves[zone].sum() == pytest.approx(0.5 * masks[zone].sum(), rel=0.12), zone
        assert np.isfinite(half.values[halves[zone]]).all()
    # Where the image ends is no wall: the middle of the ball is as far from one as it was.
    middle = np.linalg.solve(half.affine[:3, :3], CENTER - 0.3 * half.affine[:3, 0] / 0.4 - half.affine[:3, 3])
    index = tuple(np.round(middle).astype(int))
    assert half.sac[index] and not halves["wall"][index]
