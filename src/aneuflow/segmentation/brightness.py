"""Veins, sinuses and bone among what a network takes for artery, told by how bright they are beside the large arteries.

The network cannot: its layers make every patch equally bright, so in a patch that shows veins alone they look like arteries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.morphology import skeletonize

from aneuflow.types import Float32Array

# Large arteries are the brighter ones of what is thick: veins are dimmer, and of bone thin plates alone are taken.
_LARGE_MM, _LEVEL_PERCENTILE = 1.2, 75
_FEWEST_VOXELS, _MARGIN = 20, 4
# As far as a rim that the network is unsure of follows its axis.
_CANDIDATE = 0.1
_SMOOTH_MM, _ALONG_MM = 0.3, 1.5
# A thin vessel shares its voxels with tissue, so it may be dimmer: the bounds hold at these radii.
_RADII_MM = (0.5, 1.0, 1.5)


@dataclass(frozen=True)
class Bounds:
    """The least brightness along an artery's axis at each of _RADII_MM, and the greatest, over that of large arteries."""

    least: tuple[float, float, float]
    greatest: float


# Chosen on five validation patients (docs/segmenter-card.md). In MRA blood loses signal on its way and is brightest where it
# enters; bone outshines arteries in CTA alone.
BOUNDS = {
    "CTA": Bounds((0.3, 0.5, 0.6), 1.35),
    "MRA": Bounds((0.15, 0.3, 0.4), np.inf),
    "3DRA": Bounds((0.3, 0.5, 0.6), np.inf),
}


def without_veins(lumen: Float32Array, image: Float32Array, modality: str, spacing_mm: float) -> Float32Array:
    """`lumen` with 0 where the vessel's axis is too dim or too bright for an artery of its radius.

    lumen (nx, ny, nz): the network's probability on cubic voxels; image: grey values as `intensity.normalized` gives them,
    tissue at 0.
    """
    inside = lumen > 0.5
    places = np.argwhere(inside)
    if len(places) < _FEWEST_VOXELS:
        return lumen
    lowest, highest = places.min(axis=0).tolist(), places.max(axis=0).tolist()
    near = tuple(slice(max(low - _MARGIN, 0), high + _MARGIN + 1) for low, high in zip(lowest, highest, strict=True))
    within, values = inside[near], ndimage.gaussian_filter(image[near], _SMOOTH_MM / spacing_mm)
    axis = skeletonize(within)
    if not axis.any():  # thinning leaves nothing of what fills the image
        return lumen
    # Peaks, for the axis of voxels runs beside that of the vessel.
    brightness = ndimage.maximum_filter(values, 3)[axis]
    radius_mm = ndimage.distance_transform_edt(within)[axis] * spacing_mm
    tree = cKDTree(np.argwhere(axis) * spacing_mm)
    along = tree.query_ball_point(tree.data, _ALONG_MM)
    brightness = np.array([np.median(brightness[each]) for each in along])
    radius_mm = np.array([np.median(radius_mm[each]) for each in along])
    large = radius_mm >= min(_LARGE_MM, float(np.percentile(radius_mm, _LEVEL_PERCENTILE)))
    level = float(np.percentile(brightness[large], _LEVEL_PERCENTILE))
    bounds = BOUNDS.get(modality, BOUNDS["MRA"])
    kept = (brightness >= level * np.interp(radius_mm, _RADII_MM, bounds.least)) & (brightness <= level * bounds.greatest)
    candidates = np.argwhere(lumen[near] > _CANDIDATE)
    refused = candidates[~kept[tree.query(candidates * spacing_mm)[1]]]
    result = lumen.copy()
    result[near][tuple(refused.T)] = 0
    return result
