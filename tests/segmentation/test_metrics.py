"""The metrics agree with SimpleITK, with sums over all pairs of points, and with cases counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial.distance import cdist

from aneuflow.segmentation.metrics import centerline_dice, detection, dice, surface_agreement

SPACING = np.array([0.5, 0.7, 0.9])


def blobs(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((24, 22, 20))
    return ndimage.gaussian_filter(noise, 2.5) > 0.06


def image_of(mask: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(mask.T.astype(np.uint8))
    image.SetSpacing(SPACING.tolist())
    return image


@pytest.mark.parametrize("seed", range(4))
def test_dice_is_that_of_simple_itk(seed: int) -> None:
    given, truth = blobs(seed), blobs(seed + 10)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(image_of(truth), image_of(given))
    assert dice(given, truth) == pytest.approx(overlap.GetDiceCoefficient(1), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_surface_distances_are_those_of_all_pairs_of_border_voxels(seed: int) -> None:
    given, truth = blobs(seed), blobs(seed + 10)
    borders = []
    for mask in (given, truth):
        padded = np.pad(mask, 1)
        around = [np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1] for axis in range(3) for step in (-1, 1)]
        borders.append(np.argwhere(mask & ~np.logical_and.reduce(around)) * SPACING)
    pairs = cdist(*borders)
    there, back = pairs.min(axis=1), pairs.min(axis=0)
    found = surface_agreement(given, truth, SPACING, 0.8)
    assert found.hausdorff_95_mm == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), abs=1e-9)
    assert found.within_tolerance == pytest.approx(np.mean(np.concatenate([there, back]) <= 0.8), abs=1e-12)


def test_a_shifted_plate_is_as_far_as_it_was_shifted() -> None:
    truth = np.zeros((20, 20, 20), bool)
    truth[5:10, 4:16, 4:16] = True
    moved = np.roll(truth, 2, axis=0)
    assert surface_agreement(moved, truth, np.ones(3)).hausdorff_95_mm == 2
    assert surface_agreement(truth, truth, np.ones(3)).within_tolerance == 1
    assert dice(moved, truth) == pytest.approx(3 / 5)


def test_centerline_dice_sees_a_gap_that_dice_hardly_sees() -> None:
    x, y = np.indices((60, 25, 25))[1:] - 12
    truth = np.hypot(x, y) < 6
    gap = truth.copy()
    gap[28:32] = False
    thin = np.hypot(x, y) < 4
    assert centerline_dice(truth, truth) == 1
    assert centerline_dice(thin, truth) > 0.97 > dice(thin, truth)
    # The skeleton of the whole tube loses what lies in the gap: some 4 of its 50 voxels.
    assert 0.93 < centerline_dice(gap, truth) < 0.98


def test_aneurysms_are_counted_as_by_hand() -> None:
    truth, given = np.zeros((40, 20, 20), bool), np.zeros((40, 20, 20), bool)
    for start in (2, 12, 22):
        truth[start : start + 5, 5:10, 5:10] = True
    truth[35, 5, 5] = True  # too small to be asked for
    given[4:9, 5:10, 5:10] = True  # touches the first
    given[30:34, 12:16, 12:16] = True  # none
    given[36, 18, 18] = True  # too small to be a finding
    found = detection(given, truth, np.ones(3), smallest_mm=3.0)
    assert (found.true, found.found, found.false) == (3, 1, 1)


def test_nothing_at_all_is_agreed_upon_and_nothing_against_something_is_not() -> None:
    none, some = np.zeros((8, 8, 8), bool), np.ones((8, 8, 8), bool)
    assert dice(none, none) == centerline_dice(none, none) == surface_agreement(none, none, SPACING).within_tolerance == 1
    assert dice(none, some) == centerline_dice(none, some) == surface_agreement(some, none, SPACING).within_tolerance == 0
    assert surface_agreement(some, none, SPACING).hausdorff_95_mm == float("inf")
