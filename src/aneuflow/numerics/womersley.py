"""Pulsatile flow in a round, rigid, straight tube, from its flow rate (Womersley 1955)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import jve

from aneuflow.types import FloatArray

ComplexArray = npt.NDArray[np.complex128]

# Below this Womersley number the Bessel quotients cancel; the power series has converged to rounding after SERIES_TERMS.
SERIES_LIMIT = 1.0
SERIES_TERMS = 12


def harmonic_profile(radius_ratio: FloatArray, alpha: FloatArray) -> ComplexArray:
    """Complex velocity over the section's mean velocity, for harmonics of Womersley number `alpha`.

    radius_ratio (k,) float64 in [0, 1], r over R; alpha (m,) float64 >= 0, R sqrt(omega rho / mu) of each harmonic.
    Returns (m, k) complex128 with mean 1 over the section; 2 (1 - s^2) where alpha is 0. Stable for any alpha.
    Source: Womersley 1955; Zamir 2000, The Physics of Pulsatile Flow, eq. 4.7.
    """
    alpha = np.atleast_1d(np.asarray(alpha, dtype=np.float64))
    s = np.asarray(radius_ratio, dtype=np.float64)
    profile = np.empty((len(alpha), len(s)), dtype=np.complex128)
    small = alpha < SERIES_LIMIT
    terms, orders = _series(alpha[small])
    profile[small] = (terms @ (1.0 - s[None, :] ** (2 * orders[:, None]))) / (terms @ (orders / (orders + 1.0)))[:, None]
    beta = alpha[~small, None] * 1j**1.5
    # jve is scaled by exp(-|Im z|): the exponential put back is of the difference, which never overflows.
    inner = jve(0, beta * s) * np.exp(np.abs(beta.imag) * (s - 1.0))
    j0, j1 = jve(0, beta), jve(1, beta)
    profile[~small] = (j0 - inner) / (j0 - 2.0 * j1 / beta)
    return profile


def harmonic_wall_shear(alpha: FloatArray) -> ComplexArray:
    """Complex wall shear over that of Poiseuille flow of the same mean velocity, (m,) for alpha (m,); 1 where alpha is 0.

    Source: as `harmonic_profile`, differentiated at the wall.
    """
    alpha = np.atleast_1d(np.asarray(alpha, dtype=np.float64))
    shear = np.empty(len(alpha), dtype=np.complex128)
    small = alpha < SERIES_LIMIT
    terms, orders = _series(alpha[small])
    shear[small] = (terms @ (0.5 * orders)) / (terms @ (orders / (orders + 1.0)))
    beta = alpha[~small] * 1j**1.5
    j0, j1 = jve(0, beta), jve(1, beta)
    shear[~small] = -0.25 * beta * j1 / (j0 - 2.0 * j1 / beta)
    return shear


def womersley_profile(radius_ratio: FloatArray, flow_ratio: FloatArray, alpha: float) -> FloatArray:
    """Velocity over the cycle-mean section velocity, (k, n), at the n times of `flow_ratio`.

    radius_ratio (k,), r over R; flow_ratio (n,) float64, flow over its cycle mean at n equal steps of one period;
    alpha: Womersley number of the first harmonic. The section mean at each time is `flow_ratio`.
    """
    spectrum = np.fft.rfft(flow_ratio)
    profiles = harmonic_profile(radius_ratio, _harmonic_numbers(len(spectrum), alpha))
    return np.fft.irfft(spectrum[:, None] * profiles, n=len(flow_ratio), axis=0).T


def womersley_wall_shear(flow_ratio: FloatArray, alpha: float) -> FloatArray:
    """Wall shear over that of Poiseuille flow at the cycle-mean flow, (n,) at the n times of `flow_ratio` (n,)."""
    spectrum = np.fft.rfft(flow_ratio)
    return np.fft.irfft(spectrum * harmonic_wall_shear(_harmonic_numbers(len(spectrum), alpha)), n=len(flow_ratio))


def womersley_number(radius_m: float, period_s: float, kinematic_viscosity: float) -> float:
    """R sqrt(2 pi / (T nu)) of the first harmonic; radius in m, kinematic viscosity in m2/s."""
    return float(radius_m * np.sqrt(2.0 * np.pi / (period_s * kinematic_viscosity)))


def _harmonic_numbers(count: int, alpha: float) -> FloatArray:
    return alpha * np.sqrt(np.arange(count, dtype=np.float64))


def _series(alpha: FloatArray) -> tuple[ComplexArray, FloatArray]:
    """Terms (m, k) of J0's power series in beta^2 = -i alpha^2, over the first, and their orders (k,)."""
    orders = np.arange(1, SERIES_TERMS + 1, dtype=np.float64)
    # Without the common factor i alpha^2 / 4, which cancels in every quotient and would give 0/0 at alpha = 0.
    scaled = np.ones((len(alpha), SERIES_TERMS), dtype=np.complex128)
    scaled[:, 1:] = np.cumprod(0.25j * alpha[:, None] ** 2 / orders[None, 1:] ** 2, axis=1)
    return scaled, orders
