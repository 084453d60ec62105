"""Arteries from an angiogram without a network: tubes as seeds, hysteresis, walls at the local half maximum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from aneuflow.errors import InputError
from aneuflow.numerics.resample import resample_isotropic
from aneuflow.segmentation.bone import bone_mask
from aneuflow.segmentation.settings import SegmentSettings
from aneuflow.segmentation.tubes import tubularity
from aneuflow.segmentation.walls import (
    CORNERS,
    NO_VESSEL,
    BoolArray,
    Candidates,
    Contrast,
    background,
    labels_within,
    working_spacing,
)
from aneuflow.types import Float32Array, LabelMap, Note, Progress, Volume, no_progress

SCALES_MM = (0.4, 0.7, 1.2, 2.0)
# Of the contrast of large arteries: what a seed must have, and how far down a vessel is followed.
_SEED_SHARE = 0.35
FOLLOW_SHARE = {"CTA": 0.38, "MRA": 0.2, "3DRA": 0.3, "unknown": 0.25}
NOISE_FACTOR = 5.0
_AIR_HU = -300.0
# Beside bone the cavernous sinus and marrow enhance too: there only what reaches the level of arteries is followed, and
# only what is thicker than a plate of bone.
_NEAR_BONE_MM = 3.0
_NEAR_BONE_SHARE = 0.55
_FEWEST_VOXELS = 20


def segment_by_threshold(volume: Volume, settings: SegmentSettings, progress: Progress = no_progress) -> LabelMap:
    """The arteries in `volume` as label 1 on a grid of cubic voxels, with the soft map whose 0.5 surface is the vessel wall.

    The wall: see `walls.labels_within`. No aneurysm is told apart. Raises InputError where no vessel is found.
    """
    spacing_mm = working_spacing(volume, settings)
    progress(0.0, "resampling")
    values, affine = resample_isotropic(volume.values, volume.affine, spacing_mm, order=3)
    np.clip(values, volume.values.min(), volume.values.max(), out=values)
    progress(0.15, "background")
    contrast, bone = _contrast(values, volume.modality, spacing_mm)
    progress(0.4, "seeds")
    follow = max(FOLLOW_SHARE[volume.modality] * contrast.lumen, NOISE_FACTOR * contrast.noise)
    near_bone = None if bone is None else ndimage.distance_transform_edt(~bone) * spacing_mm < _NEAR_BONE_MM
    mask = _grown_from_seeds(contrast, bone, near_bone, follow, spacing_mm)
    candidates = Candidates(mask, contrast, affine, spacing_mm, follow, near_bone)
    found = labels_within(candidates, volume, settings, "threshold at local half maximum", progress)
    return found if bone is None else replace(found, notes=(*found.notes, Note("bone_removed_by_shape")))


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
        ground = background(values, spacing_mm)
        above, tissue = values - ground, float(np.median(ground))
        noise = 1.4826 * float(np.median(np.abs(above)))
    if not (above > 0).any():
        raise InputError(NO_VESSEL)
    bright = above > max(NOISE_FACTOR * noise, 0.15 * float(np.percentile(above[above > 0], 99)))
    return Contrast(above, tissue, noise, _lumen_level(above, bright, spacing_mm)), None


def _lumen_level(above: Float32Array, bright: BoolArray, spacing_mm: float) -> float:
    """The contrast in large arteries: that of the strongest tubes. Raises InputError where there is none."""
    if np.count_nonzero(bright) < _FEWEST_VOXELS:
        raise InputError(NO_VESSEL)
    strength, roundness = tubularity(above, bright, spacing_mm, (0.7, 1.2))
    strong = (roundness > 0.5) & (strength > np.percentile(strength, 80))
    if np.count_nonzero(strong) < _FEWEST_VOXELS:
        raise InputError(NO_VESSEL)
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
        raise InputError(NO_VESSEL)
    strength, roundness = tubularity(above, mask, spacing_mm, SCALES_MM)
    seeds = np.zeros_like(mask)
    seeds[mask] = (roundness > 0.5) & (strength > 0.25 * follow) & (above[mask] > _SEED_SHARE * contrast.lumen)
    parts, count = ndimage.label(mask, CORNERS)
    keep = np.bincount(parts[seeds], minlength=count + 1) >= _FEWEST_VOXELS
    keep[0] = False
    if not keep.any():
        raise InputError(NO_VESSEL)
    grown: BoolArray = keep[parts]
    return grown
