"""How the population that comes back from a wall follows from those of the cell and of the cell behind it."""

from __future__ import annotations

import numpy as np

from aneuflow.types import Float32Array


def wall_coefficients(distance: Float32Array) -> Float32Array:
    """(n, 3) float32: shares of what left the cell along the link, of what arrives from behind, of what leaves backward.

    distance (n,): of the wall, in units of the link. Linear interpolation of Bouzidi et al. 2001.
    """
    q = distance.astype(np.float64)
    far = 1.0 / (2.0 * np.maximum(q, 0.5))
    near = q < 0.5
    rows = [np.where(near, 2.0 * q, far), np.where(near, 1.0 - 2.0 * q, 0.0), np.where(near, 0.0, 1.0 - far)]
    return np.ascontiguousarray(np.stack(rows, axis=1), dtype=np.float32)
