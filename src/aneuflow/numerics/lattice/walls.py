"""How the population that comes back from a wall follows from what moves along its link.

With all odd non-equilibrium moments relaxed at once (rate 1), what leaves a cell along c in a steady shear flow is, but for a
factor, u - (tau - 1) D, where u is the velocity along c and D, D2 its first and second difference along the link. So are
the populations of the cells behind, shifted. Matching u + q D + q^2 D2 / 2 = 0, no slip at the distance q on a parabola,
leaves one free parameter; it is chosen such that all shares stay in [0, 1] as tau goes to one half, which keeps the wall
stable. Linear rules (Bouzidi et al. 2001; Ginzburg and d'Humieres 2003) miss q^2 D2 / 2 in that limit: the wall then lies up
to a tenth of a cell too far inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aneuflow.numerics.lattice.velocity_set import OPPOSITE
from aneuflow.numerics.lattice.voxels import Voxels
from aneuflow.types import Float32Array, FloatArray, IntArray

# Beyond this excess of tau over one half the viscous correction would make a share strongly negative.
_LARGEST_EXCESS = 0.05


@dataclass(frozen=True, eq=False)
class Behind:
    """What lies behind the cells of some links: how many fluid cells, up to two, and the distance of the wall beyond them.

    count (k,) int32; distance (k,) float64 from the link's cell, in units of the link, infinite where two cells lie behind.
    """

    count: IntArray
    distance: FloatArray


def behind(voxels: Voxels, links: npt.NDArray[np.intp]) -> Behind:
    """What lies behind `links`, indices into the links of `voxels`."""
    cell, direction = voxels.link_cell[links], voxels.link_direction[links]
    back = OPPOSITE[direction]
    first = voxels.streaming.neighbors(cell, back)
    second = np.where(first >= 0, voxels.streaming.neighbors(np.maximum(first, 0), back), -1)
    count = ((first >= 0).astype(np.int32) + (second >= 0)).astype(np.int32)
    keys = len(OPPOSITE) * voxels.link_cell.astype(np.int64) + voxels.link_direction
    order = np.argsort(keys)
    wanted = len(OPPOSITE) * np.where(first >= 0, first, cell).astype(np.int64) + back
    place = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    distance = np.where(count < 2, count + voxels.link_distance[place].astype(np.float64), np.inf)
    return Behind(count, distance)


def wall_coefficients(distance: Float32Array, rear: Behind, tau: float) -> Float32Array:
    """(n, 6) float32: shares of what left x along i, left x - c, left x backward, left x - 2c along i, which sum to 1; then
    the shares of the velocities in x and x - c in the velocity at x + c, beyond the wall.

    distance (n,): of the wall from x, in units of the link. Where fewer than two cells lie behind, the second condition on the
    parabola is no slip on the wall beyond them.
    """
    q = np.maximum(distance.astype(np.float64), 1e-6)
    excess = min(tau - 0.5, _LARGEST_EXCESS)
    m = np.minimum(2.0, 1.0 / (q + q**2))
    d = 0.5 * m * q**2 - excess * (2.0 - m * q)
    c = 1.0 - 0.5 * m
    wide = np.stack([m * q - c + d, 1.0 - m * q - 2.0 * d, c, d], axis=1)

    far = np.maximum(rear.distance, 1e-6)
    slope = np.clip(1.0 / q - 1.0 / far + 2.0 * excess / (q * far), 0.0, None)
    b = np.where((slope > 2.0) & (rear.count == 1), 1.0 - 2.0 / np.maximum(slope, 2.0), 0.0)
    c = np.where(rear.count == 0, 0.0, np.clip(1.0 - 0.5 * slope, 0.0, 1.0))
    narrow = np.stack([1.0 - b - c, b, c, np.zeros_like(q)], axis=1)
    shares = np.where((rear.count == 2)[:, None], wide, narrow)
    near = (q >= 0.5) | (rear.count == 0)
    beyond_here = np.where(near, -(1.0 - q) / np.maximum(q, 0.5), 0.0)
    beyond_behind = np.where(near, 0.0, -(1.0 - q) / (1.0 + q))
    return np.ascontiguousarray(np.column_stack([shares, beyond_here, beyond_behind]), dtype=np.float32)
