"""Veins, sinuses and bone among what a network takes for artery, told by how bright they are beside the large arteries.

A network whose layers make every patch equally bright cannot tell: in a patch that shows veins alone they look like arteries.
One that sees how bright a patch is still takes some.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from skimage.morphology import skeletonize

from aneuflow.types import Float32Array, FloatArray

BoolArray = npt.NDArray[np.bool_]
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
# Where the level is known and not guessed from what was taken: no thick artery is dimmer than this.
_BOUNDS_LEVELED = Bounds((0.3, 0.6, 0.75), 1.35)
# A vein's branches are as bright as thin arteries; they go with it where they hang on it, and on no artery this thick.
_VEIN_MM, _ARTERY_MM, _BESIDE_MM = 0.6, 1.0, 1.3


def without_veins(
    lumen: Float32Array, image: Float32Array, modality: str, spacing_mm: float, level: float | None = None
) -> Float32Array:
    """`lumen` with 0 where the vessel's axis is too dim or too bright for an artery of its radius, or hangs on such a one.

    lumen (nx, ny, nz): the network's probability on cubic voxels; image: grey values as `intensity.normalized` gives them,
    tissue at 0; level: how bright large arteries are in it, None where that is to be found from the lumen.
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
    places_mm: FloatArray = np.argwhere(axis).astype(np.float64) * spacing_mm
    tree = cKDTree(places_mm)
    along = tree.query_ball_point(tree.data, _ALONG_MM)
    brightness = np.array([np.median(brightness[each]) for each in along])
    radius_mm = np.array([np.median(radius_mm[each]) for each in along])
    bounds = BOUNDS.get(modality, BOUNDS["MRA"]) if level is None else _BOUNDS_LEVELED
    if level is None:
        large = radius_mm >= min(_LARGE_MM, float(np.percentile(radius_mm, _LEVEL_PERCENTILE)))
        level = float(np.percentile(brightness[large], _LEVEL_PERCENTILE))
    dim = brightness < level * np.interp(radius_mm, _RADII_MM, bounds.least)
    kept = ~dim & (brightness <= level * bounds.greatest)
    if bounds is _BOUNDS_LEVELED:
        kept &= ~_on_veins(places_mm, kept, dim & (radius_mm >= _VEIN_MM), radius_mm >= _ARTERY_MM, spacing_mm)
    candidates = np.argwhere(lumen[near] > _CANDIDATE)
    refused = candidates[~kept[tree.query(candidates * spacing_mm)[1]]]
    result = lumen.copy()
    result[near][tuple(refused.T)] = 0
    return result


def _on_veins(places_mm: FloatArray, kept: BoolArray, vein: BoolArray, thick: BoolArray, spacing_mm: float) -> BoolArray:
    """Which of the axes' points (n, 3) belong to a piece of what is kept that ends at a vein and holds nothing thick.

    kept, vein, thick (n,): what each point is.
    """
    found = np.zeros(len(kept), bool)
    if not vein.any() or not kept.any():
        return found
    own = places_mm[kept]
    corners = cKDTree(own).sparse_distance_matrix(cKDTree(own), 1.8 * spacing_mm)
    count, piece = connected_components(corners, directed=False)
    beside = cKDTree(places_mm[vein]).query(own)[0] < _BESIDE_MM
    on_vein, on_artery = np.bincount(piece[beside], minlength=count) > 0, np.bincount(piece[thick[kept]], minlength=count) > 0
    found[kept] = (on_vein & ~on_artery)[piece]
    return found
