"""How far a segmentation is from the truth, as the field measures it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import skeletonize

from aneuflow.types import FloatArray

BoolArray = npt.NDArray[np.bool_]
_CORNERS = np.ones((3, 3, 3), bool)


@dataclass(frozen=True)
class SurfaceAgreement:
    """Between the borders of two masks: share of both within the tolerance (NSD) and the 95th percentile distance in mm."""

    within_tolerance: float
    hausdorff_95_mm: float


@dataclass(frozen=True)
class Detection:
    """Of aneurysms: how many there are, how many of them were found, and how many findings are none."""

    true: int
    found: int
    false: int


def dice(given: BoolArray, truth: BoolArray) -> float:
    """Twice what both share over what they hold (Dice 1945); 1 where both are empty."""
    size = int(given.sum()) + int(truth.sum())
    return 2 * int((given & truth).sum()) / size if size else 1.0


def centerline_dice(given: BoolArray, truth: BoolArray) -> float:
    """clDice (Shit et al. 2021): harmonic mean of each skeleton's share in the other mask; 1 where both are empty, else 0."""
    if not given.any() or not truth.any():
        return float(given.any() == truth.any())
    precision, sensitivity = _share_of_axis(given, truth), _share_of_axis(truth, given)
    return 2 * precision * sensitivity / (precision + sensitivity) if precision + sensitivity else 0.0


def _share_of_axis(mask: BoolArray, other: BoolArray) -> float:
    """The part of the skeleton of `mask` that lies in `other`; of the mask itself where thinning left nothing of it."""
    # Thinning at the border of an array erodes what touches it.
    axis = skeletonize(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1, 1:-1] & mask
    return float(other[axis if axis.any() else mask].mean())


def surface_agreement(
    given: BoolArray, truth: BoolArray, spacing_mm: FloatArray, tolerance_mm: float = 0.5
) -> SurfaceAgreement:
    """NSD (Nikolov et al. 2021) and HD95, between the middles of the masks' border voxels (6-neighborhood).

    HD95 is the larger of the two directions' percentiles; infinite, and NSD 0, where one mask alone is empty.
    """
    if not given.any() or not truth.any():
        both = given.any() == truth.any()
        return SurfaceAgreement(float(both), 0.0 if both else float("inf"))
    borders = [mask & ~ndimage.binary_erosion(mask, border_value=0) for mask in (given, truth)]
    away = [ndimage.distance_transform_edt(~border, sampling=tuple(spacing_mm)) for border in borders]
    distances = away[1][borders[0]], away[0][borders[1]]
    near = sum(int((each <= tolerance_mm).sum()) for each in distances)
    furthest = max(float(np.percentile(each, 95)) for each in distances)
    return SurfaceAgreement(near / sum(map(len, distances)), furthest)


def detection(given: BoolArray, truth: BoolArray, spacing_mm: FloatArray, smallest_mm: float = 0.0) -> Detection:
    """Aneurysms found: true parts (corner to corner) that share a voxel with a finding; a finding that shares none is false.

    True parts smaller than a ball of diameter `smallest_mm` are neither asked for nor does finding them count as false;
    findings that small are no findings.
    """
    smallest = np.pi / 6 * smallest_mm**3 / float(np.prod(spacing_mm))
    parts, count = ndimage.label(truth, _CORNERS)
    findings, _ = ndimage.label(given, _CORNERS)
    sizes = np.bincount(findings.ravel())
    kept = sizes >= max(smallest, 1)
    kept[0] = False
    findings = np.where(kept[findings], findings, 0)
    large = np.flatnonzero(np.bincount(parts.ravel(), minlength=count + 1) >= max(smallest, 1))
    large = large[large > 0]
    met = np.unique(parts[findings > 0])
    hits = np.unique(findings[parts > 0])
    return Detection(len(large), len(np.intersect1d(large, met)), len(np.setdiff1d(np.flatnonzero(kept), hits)))
