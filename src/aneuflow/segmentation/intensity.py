"""Grey values brought to one scale for the network: tissue near 0, arteries near 2, whatever the modality."""

from __future__ import annotations

import numpy as np

from aneuflow.types import Float32Array

# CT has its own scale: brain at 0, a contrast column of 300 HU at about 1.
_BRAIN_HU, _UNIT_HU = 40.0, 250.0
_LOWEST, _HIGHEST = -1.5, 4.0
_BRIGHT_PERCENTILE = 99.9
# Below this share of the bright level is air.
_AIR_SHARE = 0.04
_MOST_COUNTED = 4_000_000


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
    return np.asarray(np.clip(scaled, _LOWEST, _HIGHEST), np.float32)
