"""Populations of a lattice from its velocity and pressure."""

from __future__ import annotations

import numpy as np

from aneuflow.numerics.lattice.velocity_set import VELOCITIES, WEIGHTS
from aneuflow.types import Float32Array, FloatArray


def equilibrium(density: FloatArray, velocity: FloatArray) -> Float32Array:
    """(27, n) float32 deviations from rest of the incompressible equilibrium (He and Luo 1997), lattice units.

    density (n,): deviation from one; velocity (n, 3).
    """
    along = velocity @ VELOCITIES.T
    square = np.einsum("nd,nd->n", velocity, velocity)
    f = WEIGHTS[:, None] * (density + 3.0 * along.T + 4.5 * along.T**2 - 1.5 * square)
    return np.ascontiguousarray(f, dtype=np.float32)
