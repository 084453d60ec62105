"""The volume field on voxels that cover the lumen."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from aneuflow.numerics.lattice.voxels import Voxels
from aneuflow.types import FloatArray, VolumeField

_CORNERS = np.array([(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)])


def volume_field(voxels: Voxels, lumen: np.ndarray, velocity: FloatArray, pressure: FloatArray) -> VolumeField:
    """Voxels with at least one node in the lumen; nodes outside stand still and take the pressure of the nearest one inside.

    lumen (cells,) bool; velocity (k, 3) in m/s and pressure (k,) in Pa on the k cells of the lumen.
    """
    nodes = voxels.lattice[lumen].astype(np.int64) + 1
    shape = nodes.max(axis=0) + 3
    stride = np.array([1, shape[0], shape[0] * shape[1]])
    offsets = _CORNERS @ stride
    first = np.unique((nodes @ stride)[:, None] - offsets[None, :])
    corners = first[:, None] + offsets[None, :]
    ids, number = np.unique(corners, return_inverse=True)
    place = np.searchsorted(ids, nodes @ stride)
    coordinates = np.stack([ids % shape[0], ids // shape[0] % shape[1], ids // stride[2]], axis=1) - 1
    points = voxels.origin + voxels.spacing * coordinates
    nearest = cKDTree(points[place]).query(points)[1]
    moving = np.zeros((len(ids), 3), dtype=np.float32)
    moving[place] = velocity
    return VolumeField(points, moving, pressure[nearest].astype(np.float32), number.reshape(-1, 8).astype(np.int32))
