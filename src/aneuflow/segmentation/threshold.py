"""Arteries from an angiogram without a network: tubes as seeds, hysteresis, walls at the local half maximum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import label
from skimage.morphology import skeletonize

from aneuflow.errors import InputError
from aneuflow.numerics.resample import resample_isotropic
from aneuflow.segmentation.bone import bone_mask
from aneuflow.segmentation.settings import SegmentSettings
from aneuflow.segmentation.tubes import tubularity
from aneuflow.types import ByteArray, Float32Array, FloatArray, LabelMap, Note, Progress, Volume, no_progress

BoolArray = npt.NDArray[np.bool_]

SCALES_MM = (0.4, 0.7, 1.2, 2.0)
# Of the contrast of large arteries: what a seed must have, and how far down a vessel is followed.
_SEED_SHARE = 0.35
_FOLLOW_SHARE = {"CTA": 0.38, "MRA": 0.2, "3DRA": 0.3, "unknown": 0.25}
_NOISE_FACTOR = 5.0
# Below this the noise moves the wall by a tenth of the way from lumen to tissue and more.
_CLEAR_FACTOR = 10.0
_AIR_HU = -300.0
_CORNERS = np.ones((3, 3, 3), bool)
# Beside bone the cavernous sinus and marrow enhance too: there only what reaches the level of arteries is followed, and
# only what is thicker than a plate of bone.
_NEAR_BONE_MM = 3.0
_NEAR_BONE_SHARE = 0.55
_NEAR_BONE_RADIUS_MM = 0.7
_LONGEST_GAP_MM = 5.0
_FINEST_MM = 0.25
_MAX_WORKING_VOXELS = 80_000_000
_FEWEST_VOXELS = 20
_NO_VESSEL = (
    "No vessel was found in the image: nothing in it is bright, round and connected; check that it is an angiogram with "
    "bright vessels and the right modality, give a threshold, or give a mask."
)


@dataclass(frozen=True, eq=False)
class Contrast:
    """What stands above the surroundings: values (nx, ny, nz) over `tissue`, their noise, the level in large arteries."""

    values: Float32Array
    tissue: float
    noise: float
    lumen: float


def segment(volume: Volume, settings: SegmentSettings | None = None, progress: Progress = no_progress) -> LabelMap:
    """The arteries in `volume` as label 1 on a grid of cubic voxels, with the soft map whose 0.5 surface is the vessel wall.

    The wall lies half way between the lumen of that vessel and its surroundings (full width at half maximum), unless
    `settings.threshold` gives one grey value. No aneurysm is told apart. Raises InputError where no vessel is found.
    """
    settings = settings or SegmentSettings()
    spacing_mm = _working_spacing(volume, settings)
    progress(0.0, "resampling")
    values, affine = resample_isotropic(volume.values, volume.affine, spacing_mm, order=3)
    np.clip(values, volume.values.min(), volume.values.max(), out=values)
    progress(0.15, "background")
    contrast, bone = _contrast(values, volume.modality, spacing_mm)
    progress(0.4, "seeds")
    follow = max(_FOLLOW_SHARE[volume.modality] * contrast.lumen, _NOISE_FACTOR * contrast.noise)
    near_bone = None if bone is None else ndimage.distance_transform_edt(~bone) * spacing_mm < _NEAR_BONE_MM
    candidates = _grown_from_seeds(contrast, bone, near_bone, follow, spacing_mm)
    axis = skeletonize(candidates)
    progress(0.7, "walls")
    wall = _wall_level(contrast, axis, follow, spacing_mm)
    if settings.threshold is not None:
        wall = np.full_like(wall, max(settings.threshold - contrast.tissue, 1e-3))
    lumen = candidates & (contrast.values >= wall)
    progress(0.85, "trees")
    lumen = _without_thin(lumen, settings.minimum_diameter_mm, near_bone, spacing_mm)
    lumen, bridges = _bridged(lumen, axis, spacing_mm)
    trees, notes = _kept_trees(lumen, settings, spacing_mm)
    soft = _soft_map(contrast.values, wall, trees)
    progress(1.0, "arteries found")
    if bridges:
        notes = (*notes, Note("vessel_gaps_bridged", {"count": bridges}, "assumption"))
    if contrast.lumen < _CLEAR_FACTOR * contrast.noise:
        notes = (*notes, Note("low_contrast", {"ratio": contrast.lumen / contrast.noise, "limit": _CLEAR_FACTOR}))
    if bone is not None:
        notes = (*notes, Note("bone_removed_by_shape"))
    if spacing_mm > 1.01 * _wanted_spacing(volume, settings):
        notes = (*notes, Note("working_grid_coarsened", {"spacing_mm": spacing_mm}))
    labels: ByteArray = (soft >= 0.5).astype(np.uint8)
    return LabelMap(labels, affine, f"threshold at local half maximum, {spacing_mm:.3g} mm", soft, notes)


def _wanted_spacing(volume: Volume, settings: SegmentSettings) -> float:
    return settings.working_spacing_mm or max(float(np.linalg.norm(volume.affine[:3, :3], axis=0).min()), _FINEST_MM)


def _working_spacing(volume: Volume, settings: SegmentSettings) -> float:
    """The wanted spacing, or the finest that keeps the working grid within memory."""
    size_mm3 = abs(float(np.linalg.det(volume.affine[:3, :3]))) * volume.values.size
    return float(max(_wanted_spacing(volume, settings), (size_mm3 / _MAX_WORKING_VOXELS) ** (1 / 3)))


def _contrast(values: Float32Array, modality: str, spacing_mm: float) -> tuple[Contrast, BoolArray | None]:
    """The image above its surroundings, and bone where the image is a CT with bone in it."""
    if modality == "CTA" and values.min() < _AIR_HU:
        tissue = float(np.median(values[(values > -50) & (values < 130)]))
        above = values - np.float32(tissue)
        noise = 1.4826 * float(np.median(np.abs(above[(values > -50) & (values < 130)])))
        far = ndimage.distance_transform_edt((values < 700) & (values > _AIR_HU)) * spacing_mm > 2.0
        lumen = _lumen_level(above, far & (above > 80) & (above < 700), spacing_mm)
        return Contrast(above, tissue, noise, lumen), bone_mask(values, tissue + lumen, tissue, spacing_mm)
    floor = float(values.min())
    if float(np.mean(values <= floor)) > 0.5:  # background removed: nothing left to measure it by
        above, tissue, noise = values - np.float32(floor), floor, 0.0
    else:
        background = _background(values, spacing_mm)
        above, tissue = values - background, float(np.median(background))
        noise = 1.4826 * float(np.median(np.abs(above)))
    if not (above > 0).any():
        raise InputError(_NO_VESSEL)
    bright = above > max(_NOISE_FACTOR * noise, 0.15 * float(np.percentile(above[above > 0], 99)))
    return Contrast(above, tissue, noise, _lumen_level(above, bright, spacing_mm)), None


def _background(values: Float32Array, spacing_mm: float) -> Float32Array:
    """The tissue level without vessels, following the receiver's shading: a coarse median over some 15 mm."""
    block = max(1, round(3.0 / spacing_mm))
    coarse = ndimage.median_filter(
        values[block // 2 :: block, block // 2 :: block, block // 2 :: block], size=5, mode="nearest"
    )
    zoom = [n / m for n, m in zip(values.shape, coarse.shape, strict=True)]
    smooth = ndimage.zoom(coarse, zoom, order=1, mode="nearest", grid_mode=True)
    return smooth.astype(np.float32, copy=False)


def _lumen_level(above: Float32Array, bright: BoolArray, spacing_mm: float) -> float:
    """The contrast in large arteries: that of the strongest tubes. Raises InputError where there is none."""
    if np.count_nonzero(bright) < _FEWEST_VOXELS:
        raise InputError(_NO_VESSEL)
    strength, roundness = tubularity(above, bright, spacing_mm, (0.7, 1.2))
    strong = (roundness > 0.5) & (strength > np.percentile(strength, 80))
    if np.count_nonzero(strong) < _FEWEST_VOXELS:
        raise InputError(_NO_VESSEL)
    return float(np.percentile(above[bright][strong], 75))


def _grown_from_seeds(
    contrast: Contrast, bone: BoolArray | None, near_bone: BoolArray | None, follow: float, spacing_mm: float
) -> BoolArray:
    """Voxels above `follow`, beside bone above half the lumen's level, that hang together with a round, bright seed."""
    above = contrast.values
    mask = above > follow
    if bone is not None and near_bone is not None:
        mask &= ~bone & (~near_bone | (above > _NEAR_BONE_SHARE * contrast.lumen))
    if not mask.any():
        raise InputError(_NO_VESSEL)
    strength, roundness = tubularity(above, mask, spacing_mm, SCALES_MM)
    seeds = np.zeros_like(mask)
    seeds[mask] = (roundness > 0.5) & (strength > 0.25 * follow) & (above[mask] > _SEED_SHARE * contrast.lumen)
    parts, count = ndimage.label(mask, _CORNERS)
    keep = np.bincount(parts[seeds], minlength=count + 1) >= _FEWEST_VOXELS
    keep[0] = False
    if not keep.any():
        raise InputError(_NO_VESSEL)
    grown: BoolArray = keep[parts]
    return grown


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
    gaps, _ = ndimage.label(axis & (~lumen | (highest != lowest)), _CORNERS)
    result, bridges = lumen.copy(), 0
    for index, place in enumerate(ndimage.find_objects(gaps), start=1):
        assert place is not None
        around = tuple(slice(max(side.start - 2, 0), side.stop + 2) for side in place)
        gap = gaps[around] == index
        ends = parts[around] * ndimage.binary_dilation(gap, _CORNERS)
        joins = np.count_nonzero(np.unique(ends)) > 1 or ndimage.label(ends > 0, _CORNERS)[1] > 1
        if joins and np.count_nonzero(gap) * spacing_mm <= _LONGEST_GAP_MM:
            result[around] |= ndimage.binary_dilation(gap)
            bridges += 1
    return result, bridges


def _kept_trees(lumen: BoolArray, settings: SegmentSettings, spacing_mm: float) -> tuple[BoolArray, tuple[Note, ...]]:
    """The largest connected trees, and what was left out."""
    parts, count = label(lumen, return_num=True, connectivity=1)
    if count == 0:
        raise InputError(_NO_VESSEL)
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
    near = ndimage.binary_dilation(trees, _CORNERS, iterations=2)
    share: Float32Array = np.clip(above / (2 * wall), 0, 1).astype(np.float32, copy=False)
    share[trees] = np.maximum(share[trees], np.float32(0.55))
    outside = near & ~trees
    share[outside] = np.minimum(share[outside], np.float32(0.499))
    share[~near] = 0
    return share
