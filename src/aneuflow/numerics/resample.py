"""Volumes on cubic voxels."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.ndimage import affine_transform

from aneuflow.types import Float32Array, FloatArray


def resample_isotropic(
    values: Float32Array, affine: FloatArray, spacing_mm: float, order: Literal[0, 1, 2, 3] = 1
) -> tuple[Float32Array, FloatArray]:
    """`values` (nx, ny, nz) on a grid of cubic voxels: new values (float32) and their affine (4, 4) to LPS mm.

    The new axes are the nearest orthonormal frame to the old ones (polar decomposition), so a sheared grid becomes a
    straight one that covers it; what lies outside the old grid takes its lowest value. order 1 is trilinear, 3 cubic.
    """
    u, _, vt = np.linalg.svd(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0))
    axes = u @ vt
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in values.shape], indexing="ij")).reshape(3, -1)
    projected = axes.T @ (affine[:3, :3] @ corners + affine[:3, 3:])
    low, high = projected.min(axis=1), projected.max(axis=1)
    shape = np.floor((high - low) / spacing_mm + 1e-6).astype(int) + 1
    new = np.eye(4)
    new[:3, :3] = axes * spacing_mm
    new[:3, 3] = axes @ low
    to_old = np.linalg.inv(affine) @ new
    matrix, offset, size = to_old[:3, :3], to_old[:3, 3], tuple(int(n) for n in shape)
    # The edge goes on outside, else a cubic spline rings along it; only what truly lies outside is cleared afterwards.
    result = affine_transform(values, matrix, offset, output_shape=size, order=order, mode="nearest")
    if not np.allclose(axes.T @ affine[:3, :3], np.diag(np.diag(axes.T @ affine[:3, :3])), atol=1e-6):
        inside = affine_transform(
            np.ones(values.shape, np.uint8), matrix, offset, output_shape=size, order=0, mode="grid-constant"
        )
        result[inside == 0] = values.min()
    return result.astype(np.float32, copy=False), new
