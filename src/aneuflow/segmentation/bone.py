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
    round_core, sheet = np.zeros_like(bright), np.zeros_like(bright)
    round_core[bright] = (roundness > 0.55) & (strength > 0.2 * contrast)
    sheet[bright] = roundness < 0.35
    even = np.abs(hounsfield - lumen_hu) < 0.3 * contrast
    thick = ndimage.distance_transform_edt(bright) * spacing_mm
    markers = np.zeros(hounsfield.shape, np.int32)
    markers[~bright] = _TISSUE
    markers[sheet & (from_hard < 1.5) & (thick < 1.0)] = _BONE
    markers[core] = _BONE
    markers[even & (from_hard > 1.0) & (round_core | (thick > 1.3)) & (markers == 0)] = _LUMEN
    gradient = ndimage.gaussian_gradient_magnitude(clipped, 0.4 / spacing_mm)
    territory = watershed(gradient, markers)
    bone: npt.NDArray[np.bool_] = territory == _BONE
    return bone


def _without_small(mask: npt.NDArray[np.bool_], voxels: float) -> npt.NDArray[np.bool_]:
    parts, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    keep = np.bincount(parts.ravel()) >= voxels
    keep[0] = False
    result: npt.NDArray[np.bool_] = keep[parts]
    return result
