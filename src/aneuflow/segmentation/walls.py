"""From the voxels that may be artery to the wall: local half maximum, short gaps closed, the largest trees kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import label
from skimage.morphology import skeletonize

from aneuflow.errors import InputError
from aneuflow.segmentation.settings import SegmentSettings
from aneuflow.types import ByteArray, Float32Array, FloatArray, LabelMap, Note, Progress, Volume

BoolArray = npt.NDArray[np.bool_]

NO_VESSEL = (
    "No vessel was found in the image: nothing in it is bright, round and connected; check that it is an angiogram with "
    "bright vessels and the right modality, give a threshold, or give a mask."
)
CORNERS = np.ones((3, 3, 3), bool)
# Below this the noise moves the wall by a tenth of the way from lumen to tissue and more.
_CLEAR_FACTOR = 10.0
# Beside bone only what is thicker than a plate of bone is followed.
_NEAR_BONE_RADIUS_MM = 0.7
_LONGEST_GAP_MM = 5.0
_FINEST_MM = 0.25
_MAX_WORKING_VOXELS = 80_000_000


@dataclass(frozen=True, eq=False)
class Contrast:
    """What stands above the surroundings: values (nx, ny, nz) over `tissue`, their noise, the level in large arteries."""

    values: Float32Array
    tissue: float
    noise: float
    lumen: float


@dataclass(frozen=True, eq=False)
class Candidates:
    """Where arteries may be, (nx, ny, nz) bool on cubic voxels of `spacing_mm`, and what is known around them.

    follow: the least value over tissue that counts; near_bone: where plates of bone may pass for vessels.
    """

    mask: BoolArray
    contrast: Contrast
    affine: FloatArray
    spacing_mm: float
    follow: float
    near_bone: BoolArray | None = None


def labels_within(
    candidates: Candidates, volume: Volume, settings: SegmentSettings, method: str, progress: Progress
) -> LabelMap:
    """The arteries among `candidates` as label 1, with the soft map whose 0.5 surface is the vessel wall.

    The wall lies half way between the lumen of that vessel and its surroundings (full width at half maximum), unless
    `settings.threshold` gives one grey value. Raises InputError where nothing is left.
    """
    contrast, spacing_mm = candidates.contrast, candidates.spacing_mm
    axis = skeletonize(candidates.mask)
    progress(0.7, "walls")
    wall = _wall_level(contrast, axis, candidates.follow, spacing_mm)
    if settings.threshold is not None:
        wall = np.full_like(wall, max(settings.threshold - contrast.tissue, 1e-3))
    lumen = candidates.mask & (contrast.values >= wall)
    progress(0.85, "trees")
    lumen = _without_thin(lumen, settings.minimum_diameter_mm, candidates.near_bone, spacing_mm)
    lumen, bridges = _bridged(lumen, axis, spacing_mm)
    trees, notes = _kept_trees(lumen, settings, spacing_mm)
    soft = _soft_map(contrast.values, wall, trees)
    progress(1.0, "arteries found")
    if bridges:
        notes = (*notes, Note("vessel_gaps_bridged", {"count": bridges}, "assumption"))
    if contrast.lumen < _CLEAR_FACTOR * contrast.noise:
        notes = (*notes, Note("low_contrast", {"ratio": contrast.lumen / contrast.noise, "limit": _CLEAR_FACTOR}))
    if spacing_mm > 1.01 * _wanted_spacing(volume, settings):
        notes = (*notes, Note("working_grid_coarsened", {"spacing_mm": spacing_mm}))
    labels: ByteArray = (soft >= 0.5).astype(np.uint8)
    return LabelMap(labels, candidates.affine, f"{method}, {spacing_mm:.3g} mm", soft, notes)


def _wanted_spacing(volume: Volume, settings: SegmentSettings) -> float:
    return settings.working_spacing_mm or max(float(np.linalg.norm(volume.affine[:3, :3], axis=0).min()), _FINEST_MM)


def working_spacing(volume: Volume, settings: SegmentSettings) -> float:
    """The wanted spacing, or the finest that keeps the working grid within memory."""
    size_mm3 = abs(float(np.linalg.det(volume.affine[:3, :3]))) * volume.values.size
    return float(max(_wanted_spacing(volume, settings), (size_mm3 / _MAX_WORKING_VOXELS) ** (1 / 3)))


def background(values: Float32Array, spacing_mm: float) -> Float32Array:
    """The tissue level without vessels, following the receiver's shading: a coarse median over some 15 mm."""
    block = max(1, round(3.0 / spacing_mm))
    coarse = ndimage.median_filter(
        values[block // 2 :: block, block // 2 :: block, block // 2 :: block], size=5, mode="nearest"
    )
    zoom = [n / m for n, m in zip(values.shape, coarse.shape, strict=True)]
    smooth = ndimage.zoom(coarse, zoom, order=1, mode="nearest", grid_mode=True)
    return smooth.astype(np.float32, copy=False)


def _wall_level(contrast: Contrast, axis: BoolArray, follow: float, spacing_mm: float) -> Float32Array:
    """Half the contrast along the nearest vessel axis, smoothed along the vessel, at each voxel; never under `follow`."""
    above = ndimage.gaussian_filter(contrast.values, 0.3 / spacing_mm)
    peak = ndimage.maximum_filter(above, size=3)
    weight = ndimage.gaussian_filter(axis.astype(np.float32), 1.0 / spacing_mm)
    smooth = ndimage.gaussian_filter(np.where(axis, peak, np.float32(0)), 1.0 / spacing_mm) / np.maximum(weight, 1e-12)
    nearest = ndimage.distance_transform_edt(~axis, return_distances=False, return_indices=True)
    # A dim vessel that leaves a bright one keeps its own level: the mean along the axis would close it at its origin.
    level = np.minimum(smooth, peak)[tuple(nearest)]
    level = ndimage.gaussian_filter(level, 0.5 / spacing_mm)
    return np.maximum(0.5 * level, follow).astype(np.float32)


def _without_thin(lumen: BoolArray, diameter_mm: float, near_bone: BoolArray | None, spacing_mm: float) -> BoolArray:
    """The part of `lumen` that a ball of `diameter_mm` reaches; beside bone the ball is as thick as plates of bone are."""
    depth = ndimage.distance_transform_edt(lumen) * spacing_mm
    kept = _opened(lumen, depth, 0.5 * diameter_mm, spacing_mm)
    if near_bone is not None and diameter_mm < 2 * _NEAR_BONE_RADIUS_MM:
        kept &= ~near_bone | _opened(lumen, depth, _NEAR_BONE_RADIUS_MM, spacing_mm)
    return kept


def _opened(mask: BoolArray, depth: FloatArray, radius_mm: float, spacing_mm: float) -> BoolArray:
    centers: BoolArray = depth >= radius_mm
    if not centers.any():
        return centers
    reached: BoolArray = mask & (ndimage.distance_transform_edt(~centers) * spacing_mm <= radius_mm)
    return reached


def _bridged(lumen: BoolArray, axis: BoolArray, spacing_mm: float) -> tuple[BoolArray, int]:
    """`lumen` closed where a vessel axis goes on across a short gap, or joins two parts corner to corner, and how often.

    A communicating artery may be a voxel wide or less; it is carried on three voxels wide.
    """
    parts, _ = ndimage.label(lumen)
    highest = ndimage.maximum_filter(parts, size=3)
    lowest = ndimage.minimum_filter(np.where(lumen, parts, np.iinfo(parts.dtype).max), size=3)
    gaps, _ = ndimage.label(axis & (~lumen | (highest != lowest)), CORNERS)
    result, bridges = lumen.copy(), 0
    for index, place in enumerate(ndimage.find_objects(gaps), start=1):
        assert place is not None
        around = tuple(slice(max(side.start - 2, 0), side.stop + 2) for side in place)
        gap = gaps[around] == index
        ends = parts[around] * ndimage.binary_dilation(gap, CORNERS)
        joins = np.count_nonzero(np.unique(ends)) > 1 or ndimage.label(ends > 0, CORNERS)[1] > 1
        if joins and np.count_nonzero(gap) * spacing_mm <= _LONGEST_GAP_MM:
            result[around] |= ndimage.binary_dilation(gap)
            bridges += 1
    return result, bridges


def _kept_trees(lumen: BoolArray, settings: SegmentSettings, spacing_mm: float) -> tuple[BoolArray, tuple[Note, ...]]:
    """The largest connected trees, and what was left out."""
    parts, count = label(lumen, return_num=True, connectivity=1)
    if count == 0:
        raise InputError(NO_VESSEL)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    order = np.argsort(sizes)[::-1]
    kept = ndimage.binary_fill_holes(np.isin(parts, order[: settings.trees]))
    left = order[settings.trees : count]
    volume_ml = sizes * spacing_mm**3 / 1000
    notes: tuple[Note, ...] = ()
    if len(left) and volume_ml[left].sum() > 0.005 * volume_ml.sum():
        values = {
            "count": len(left),
            "volume_ml": float(volume_ml[left].sum()),
            "kept_ml": float(volume_ml[order[: settings.trees]].sum()),
        }
        notes = (Note("vessels_left_out", values),)
    return kept, notes


def _soft_map(above: Float32Array, wall: Float32Array, trees: BoolArray) -> Float32Array:
    """The share of lumen in each voxel: 0.5 at the wall level, 1 at twice of it, 0 away from the trees."""
    near = ndimage.binary_dilation(trees, CORNERS, iterations=2)
    share: Float32Array = np.clip(above / (2 * wall), 0, 1).astype(np.float32, copy=False)
    share[trees] = np.maximum(share[trees], np.float32(0.55))
    outside = near & ~trees
    share[outside] = np.minimum(share[outside], np.float32(0.499))
    share[~near] = 0
    return share
