"""How a scanner turns values in space into voxels: resolution and noise of CT and of MR."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from aneuflow.imaging.simulated.grid import Grid, voxel_mean
from aneuflow.types import Float32Array

_SIGMA_OF_FWHM = 1 / np.sqrt(8 * np.log(2))


def ct_voxels(grid: Grid, fine: Float32Array, kernel_fwhm_mm: Sequence[float]) -> Float32Array:
    """Values on the fine grid after a Gaussian kernel (full widths along the axes) and the mean over each voxel."""
    sigma = np.asarray(kernel_fwhm_mm) * _SIGMA_OF_FWHM / grid.fine_spacing_mm
    return voxel_mean(grid, ndimage.gaussian_filter(fine, sigma, mode="nearest", truncate=3.0))


def ct_noise(grid: Grid, sigma: float, cutoff_per_mm: float, rng: np.random.Generator) -> Float32Array:
    """Noise of filtered back projection on the voxels, standard deviation `sigma`.

    Power in the axial plane f exp(-(f / cutoff)^2): the ramp filter under a smooth kernel (Riederer et al. 1978), so none
    at f = 0 and most at cutoff / sqrt(2); along z a Gaussian of the same cutoff.
    """
    white = fft.rfftn(rng.standard_normal(grid.shape).astype(np.float32))
    sizes = zip(grid.shape, grid.spacing_mm, strict=True)
    fx, fy, fz = (
        (fft.rfftfreq if k == 2 else fft.fftfreq)(n, step).reshape([-1 if axis == k else 1 for axis in range(3)])
        for k, (n, step) in enumerate(sizes)
    )
    radial = np.hypot(fx, fy)
    power = radial * np.exp(-((radial / cutoff_per_mm) ** 2)) * np.exp(-((fz / cutoff_per_mm) ** 2))
    noise = fft.irfftn(white * np.sqrt(power).astype(np.float32), grid.shape)
    return np.asarray(noise * (sigma / noise.std()), np.float32)


def mr_voxels(
    grid: Grid, fine: Float32Array, acquired_mm: Sequence[float], sigma: float, rng: np.random.Generator
) -> Float32Array:
    """The magnitude image of `fine` from a finite k-space of voxels `acquired_mm`, zero filled to the grid's voxels.

    Truncation gives the sinc resolution and the ringing of MR; a mild Hamming window dampens the latter as scanners do.
    Complex Gaussian noise of standard deviation `sigma` per channel in the voxels of the result makes the magnitude Rician
    (Gudbjartsson & Patz 1995); zero filling correlates it.
    """
    spectrum = fft.fftn(fine.astype(np.complex64))
    kept = np.zeros(grid.shape, np.complex64)
    window = np.ones((1, 1, 1), np.float32)
    low, high = [], []
    for axis, (n, fine_n) in enumerate(zip(grid.shape, grid.fine_shape, strict=True)):
        acquired = min(n, max(2, round(n * grid.spacing_mm[axis] / acquired_mm[axis])))
        wave = np.arange(-(acquired // 2), acquired - acquired // 2)
        # Fine voxels start before the first voxel's middle: a shift is a phase in k-space.
        phase = np.exp(2j * np.pi * wave * (0.5 - 0.5 / grid.factor) / n)
        hamming = 0.7 + 0.3 * np.cos(2 * np.pi * wave / acquired)
        window = window * (phase * hamming).astype(np.complex64).reshape([-1 if axis == k else 1 for k in range(3)])
        low.append(wave % n)
        high.append(wave % fine_n)
    kept[np.ix_(*low)] = spectrum[np.ix_(*high)] * window
    noise = np.zeros_like(kept)
    count = tuple(len(index) for index in low)
    noise[np.ix_(*low)] = rng.standard_normal(count) + 1j * rng.standard_normal(count)
    signal = fft.ifftn(kept) / grid.factor**3
    # Parseval: `count` noisy coefficients spread over all voxels.
    disturbance = fft.ifftn(noise) * (sigma * np.prod(grid.shape) / np.sqrt(np.prod(count)))
    return np.asarray(np.abs(signal + disturbance), np.float32)


def steady_state(flip: float, repetition_ms: float, t1_ms: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Longitudinal magnetization over that of equilibrium in the steady state of a spoiled gradient echo; flip in radians.

    Source: Ernst & Anderson 1966.
    """
    decay = np.exp(-repetition_ms / np.asarray(t1_ms, np.float64))
    return np.asarray((1 - decay) / (1 - decay * np.cos(flip)))
