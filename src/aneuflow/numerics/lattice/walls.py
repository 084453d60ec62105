"""How the population that comes back from a wall follows from what moves along its link.

With all odd non-equilibrium moments relaxed at once (rate 1), what leaves a cell along c in a steady shear flow is, but for a
factor, u - (tau - 1) D, where u is the velocity along c and D, D2 its first and second difference along the link. So are
the populations of the cells behind, shifted. Matching u + q D + q^2 D2 / 2 = 0, no slip at the distance q on a parabola, leaves one
free parameter; it is chosen such that all shares stay in [0, 1] as tau goes to one half, which keeps the wall stable. Linear
rules (Bouzidi et al. 2001; Ginzburg and d'Humieres 2003) miss q^2 D2 / 2 in that limit: the wall then lies up to a tenth of a
cell too far inside.
"""

from __future__ import annotations

import numpy as np

from aneuflow.numerics.lattice.velocity_set import OPPOSITE
from aneuflow.types import Float32Array, IntArray

# Beyond this excess of tau over one half the viscous correction would make a share strongly negative.
_LARGEST_EXCESS = 0.05


def cells_behind(neighbors: IntArray, cell: IntArray, direction: IntArray) -> IntArray:
    """How many cells, up to two, lie behind `cell` (k,) seen along the links' `direction` (k,); neighbors (26, n)."""
    back = OPPOSITE[direction] - 1
    first = neighbors[back, cell]
    second = np.where(first >= 0, neighbors[back, np.maximum(first, 0)], -1)
    return ((first >= 0).astype(np.int32) + (second >= 0)).astype(np.int32)


def wall_coefficients(distance: Float32Array, behind: IntArray, tau: float) -> Float32Array:
    """(n, 4) float32: shares of what left x along i, left x - c, left x backward, left x - 2c along i; they sum to 1.

    distance (n,): of the wall from x, in units of the link; behind (n,): fluid cells behind x, see `cells_behind`. With one
    cell behind Bouzidi's linear rule is taken, with none half-way bounce-back.
    """
    q = distance.astype(np.float64)
    excess = min(tau - 0.5, _LARGEST_EXCESS)
    m = np.minimum(2.0, 1.0 / np.maximum(q + q**2, 1e-9))
    d = 0.5 * m * q**2 - excess * (2.0 - m * q)
    c = 1.0 - 0.5 * m
    parabolic = np.stack([m * q - c + d, 1.0 - m * q - 2.0 * d, c, d], axis=1)
    far = 1.0 / (2.0 * np.maximum(q, 0.5))
    near, zero = q < 0.5, np.zeros_like(q)
    linear = np.stack([np.where(near, 2.0 * q, far), np.where(near, 1.0 - 2.0 * q, 0.0), np.where(near, 0.0, 1.0 - far), zero], axis=1)
    half_way = np.stack([zero + 1.0, zero, zero, zero], axis=1)
    rows = np.where((behind >= 2)[:, None], parabolic, np.where((behind == 1)[:, None], linear, half_way))
    return np.ascontiguousarray(rows, dtype=np.float32)
