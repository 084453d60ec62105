"""The voxels of a simulated image, the finer grid its anatomy is drawn on, and smooth random fields over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aneuflow.types import Float32Array, FloatArray

# Mean square of the sum of cubic B-spline weights over one knot interval: what a field of unit knots loses.
_SPLINE_POWER = 151 / 315


@dataclass(frozen=True, eq=False)
class Grid:
    """Voxels along the LPS axes: middle of the first `origin_mm` (3,), `spacing_mm` (3,), `shape`; each cut into `factor`^3."""

    origin_mm: FloatArray
    spacing_mm: FloatArray
    shape: tuple[int, int, int]
    factor: int

    @property
    def affine(self) -> FloatArray:
        affine = np.diag([*self.spacing_mm, 1.0])
        affine[:3, 3] = self.origin_mm
        return affine

    @property
    def fine_shape(self) -> tuple[int, int, int]:
        a, b, c = (n * self.factor for n in self.shape)
        return a, b, c

    @property
    def fine_spacing_mm(self) -> FloatArray:
        return self.spacing_mm / self.factor

    @property
    def fine_origin_mm(self) -> FloatArray:
        """The middle of the first fine voxel: fine voxels fill the coarse ones exactly."""
        return self.origin_mm - 0.5 * self.spacing_mm + 0.5 * self.fine_spacing_mm

    def fine_axis(self, axis: int) -> Float32Array:
        """Middles of the fine voxels along an axis in mm, (n,), shaped to broadcast over the fine grid."""
        places = self.fine_origin_mm[axis] + self.fine_spacing_mm[axis] * np.arange(self.fine_shape[axis])
        return np.asarray(places, np.float32).reshape([-1 if k == axis else 1 for k in range(3)])


def random_field(grid: Grid, length_mm: float, rng: np.random.Generator) -> Float32Array:
    """A smooth Gaussian random field on the fine grid: mean 0, variance 1, cubic B-splines with knots `length_mm` apart."""
    axes = [_spline_weights(n, step / length_mm) for n, step in zip(grid.fine_shape, grid.fine_spacing_mm, strict=True)]
    knots = rng.standard_normal([weights.shape[1] for weights in axes]).astype(np.float32)
    return _along_axes(knots, axes) / np.float32(_SPLINE_POWER**1.5)


def to_fine(grid: Grid, values: Float32Array) -> Float32Array:
    """Values on the voxels, interpolated linearly to the fine grid, even beyond the outer middles."""
    axes = []
    for n in grid.shape:
        place = np.clip((np.arange(n * grid.factor) + 0.5) / grid.factor - 0.5, 0, n - 1)
        low = np.minimum(place.astype(int), max(n - 2, 0))
        weights = np.zeros((len(place), n), np.float32)
        weights[np.arange(len(place)), low] = 1 - (place - low)
        weights[np.arange(len(place)), np.minimum(low + 1, n - 1)] += place - low
        axes.append(weights)
    return _along_axes(values.astype(np.float32), axes)


def voxel_mean(grid: Grid, fine: Float32Array) -> Float32Array:
    """The mean over each voxel of values on the fine grid: what a detector that integrates over the voxel sees."""
    f = grid.factor
    a, b, c = grid.shape
    return fine.reshape(a, f, b, f, c, f).mean(axis=(1, 3, 5), dtype=np.float32)


def _spline_weights(count: int, step: float) -> Float32Array:
    """Cubic B-spline weights (count, knots) at `count` places `step` knot intervals apart."""
    place = np.arange(count) * step
    first = place.astype(int)
    t = place - first
    weights = np.zeros((count, first[-1] + 4), np.float32)
    pieces = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    for k, piece in enumerate(pieces):
        weights[np.arange(count), first + k] = piece / 6
    return weights


def _along_axes(values: Float32Array, axes: list[Float32Array]) -> Float32Array:
    result = np.einsum("xi,ijk->xjk", axes[0], values, optimize=True)
    result = np.matmul(axes[1], result)
    return np.asarray(np.matmul(result, axes[2].T), np.float32)
