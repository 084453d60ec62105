"""Bone in a CT angiogram: as bright as arteries and brighter, in plates and shells where arteries are round."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import watershed

from aneuflow.segmentation.tubes import tubularity
from aneuflow.types import Float32Array

# Cortical bone exceeds the contrast column by this; a calcified plaque does too, but is small.
_BONE_OVER_LUMEN = 1.3
_PLAQUE_MM3 = 6.0
_AIR_HU = -300.0
# Plates of the skull base are thinner than twice this, the arteries that pass them thicker.
_PLATE_HALF_MM = 1.0
_PLATE_REACH_MM = 5.0
_LUMEN, _BONE, _TISSUE = 1, 2, 3


def bone_mask(hounsfield: Float32Array, lumen_hu: float, tissue_hu: float, spacing_mm: float) -> npt.NDArray[np.bool_]:
    """Where bone is, (nx, ny, nz) bool; hounsfield on cubic voxels, lumen_hu the level in large arteries.

    Markers compete for the bright voxels by a watershed on the gradient: bone starts from what is brighter than any
    lumen and from bright sheets beside it or beside air (the walls of the sinuses), lumen from round, even cores.
    """
    contrast = lumen_hu - tissue_hu
    bright = hounsfield > tissue_hu + 0.35 * contrast
    core = _without_small(hounsfield > tissue_hu + _BONE_OVER_LUMEN * contrast, _PLAQUE_MM3 / spacing_mm**3)
    hard = core | (hounsfield < _AIR_HU)
    if not core.any():
        return core
    from_hard = ndimage.distance_transform_edt(~hard) * spacing_mm
    clipped = np.clip(hounsfield, tissue_hu, tissue_hu + _BONE_OVER_LUMEN * contrast)
    strength, roundness = tubularity(clipped, bright, spacing_mm, (0.5, 0.8, 1.2))
    round_core, flat = np.zeros_like(bright), np.zeros_like(bright)
    round_core[bright] = (roundness > 0.55) & (strength > 0.2 * contrast)
    flat[bright] = roundness < 0.4
    thick = _opened(bright, _PLATE_HALF_MM / spacing_mm)
    even = np.abs(hounsfield - lumen_hu) < 0.3 * contrast
    markers = np.zeros(hounsfield.shape, np.int32)
    markers[~bright] = _TISSUE
    markers[flat & ~thick & (from_hard < _PLATE_REACH_MM)] = _BONE
    markers[core] = _BONE
    markers[even & (from_hard > 1.0) & (round_core | thick) & (markers == 0)] = _LUMEN
    gradient = ndimage.gaussian_gradient_magnitude(clipped, 0.4 / spacing_mm)
    territory = watershed(gradient, markers, mask=ndimage.binary_dilation(bright, iterations=2))
    # An arterial fork can look flat; but bone reaches close to cortex or air.
    parts, count = ndimage.label(territory == _BONE)
    anchored = np.unique(parts[from_hard < 2.0])
    bone: npt.NDArray[np.bool_] = np.isin(np.arange(count + 1), anchored[anchored > 0])[parts]
    return bone


def _opened(mask: npt.NDArray[np.bool_], radius: float) -> npt.NDArray[np.bool_]:
    """The part of `mask` a ball of `radius` voxels reaches."""
    centers = ndimage.distance_transform_edt(mask) >= radius
    return mask & (ndimage.distance_transform_edt(~centers) < radius) if centers.any() else centers


def _without_small(mask: npt.NDArray[np.bool_], voxels: float) -> npt.NDArray[np.bool_]:
    parts, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    keep = np.bincount(parts.ravel()) >= voxels
    keep[0] = False
    result: npt.NDArray[np.bool_] = keep[parts]
    return result
