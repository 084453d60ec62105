"""Grey values brought to one scale for the network: tissue near 0, arteries near 2 or, leveled, at 1."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from aneuflow.types import Float32Array

# CT has its own scale: brain at 0, a contrast column of 300 HU at about 1.
_BRAIN_HU, _UNIT_HU = 40.0, 250.0
LOWEST, HIGHEST = -1.5, 4.0
_BRIGHT_PERCENTILE = 99.9
# Below this share of the bright level is air.
_AIR_SHARE = 0.04
_MOST_COUNTED = 4_000_000
# Where large arteries are in CTA before any is found; in simulated ones they were between 0.6 and 2.
USUAL_LEVEL = 1.3
# They are the upper quarter of what is thick. At twice the spacing arteries share more of their voxels with tissue, and veins
# and bone are taken too: there the same level is the 90th percentile without what outshines the upper quarter by half.
_THICK_PERCENTILE, _LARGE_PERCENTILE, _SEEN_PERCENTILE, _BONE, _FEWEST_VOXELS = 75, 75, 90, 1.5, 20


def normalized(values: Float32Array, is_ct: bool) -> Float32Array:
    """`values` as the network takes them, float32 of the same shape; is_ct: they are HU.

    Else 0 is the median of what is not air, or the floor where the background is removed (more than half of the voxels at
    the lowest value), and 2 the 99.9th percentile.
    """
    if is_ct:
        low, unit = _BRAIN_HU, _UNIT_HU
    else:
        # A regular part of the voxels is enough for two percentiles.
        some = values.ravel()[:: max(1, values.size // _MOST_COUNTED)]
        floor, bright = float(some.min()), float(np.percentile(some, _BRIGHT_PERCENTILE))
        tissue = some[some > floor + _AIR_SHARE * (bright - floor)]
        removed = float(np.mean(some <= floor)) > 0.5 or tissue.size == 0
        low = floor if removed else float(np.median(tissue))
        unit = max(0.5 * (bright - low), 1e-6)
    scaled = (values - np.float32(low)) / np.float32(unit)
    return np.asarray(np.clip(scaled, LOWEST, HIGHEST), np.float32)


def artery_level(image: Float32Array, share: Float32Array) -> float:
    """How bright large arteries are in an `image` of `normalized`, or USUAL_LEVEL where hardly any lumen is.

    share (nx, ny, nz): true lumen's of each voxel.
    """
    thick = _thick(image, share)
    return _level(thick, _LARGE_PERCENTILE) if thick.size else USUAL_LEVEL


def level_seen(halved: Float32Array, seen: Float32Array) -> float:
    """The same from an image at twice the spacing and the probability (nx, ny, nz) of lumen that a network gives there."""
    thick = _thick(halved, seen)
    if not thick.size:
        return USUAL_LEVEL
    return _level(thick[thick <= _BONE * np.percentile(thick, _LARGE_PERCENTILE)], _SEEN_PERCENTILE)


def _thick(image: Float32Array, lumen: Float32Array) -> Float32Array:
    """Grey values of the thickest quarter of the lumen, none where there is hardly any."""
    inside = lumen > 0.5
    if np.count_nonzero(inside) < _FEWEST_VOXELS:
        return image[:0].ravel()
    depth = ndimage.distance_transform_edt(inside)[inside]
    return np.asarray(image[inside][depth >= np.percentile(depth, _THICK_PERCENTILE)])


def _level(values: Float32Array, percentile: float) -> float:
    return max(float(np.percentile(values, percentile)), 0.1 * USUAL_LEVEL)


def at_level(image: Float32Array, level: float) -> Float32Array:
    """An `image` of `normalized` as leveled networks take it: what is as bright as `level` at 1."""
    return np.asarray(np.clip(image / np.float32(level), LOWEST, HIGHEST), np.float32)
