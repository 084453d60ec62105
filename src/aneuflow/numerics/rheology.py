"""Viscosity of blood as a function of shear rate, and what the lattice makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aneuflow.types import Float32Array, FloatArray

_SHIFT = 20  # eight table entries an octave of the squared stress
_OCTAVES = 72


def viscosity(shear_rate: FloatArray, model: str, parameters: Mapping[str, float]) -> FloatArray:
    """Dynamic viscosity in Pa s at `shear_rate` (n,) in 1/s; parameters in SI as in `aneuflow.types.Blood`.

    newtonian: viscosity. carreau-yasuda: viscosity (at high shear), zero_shear_viscosity, time_constant_s, yasuda_exponent,
    power_index (Abraham et al. 2005). casson: viscosity (at high shear), yield_stress_pa (Merrill 1969), held under 0.01 1/s.
    """
    high = parameters["viscosity"]
    if model == "newtonian":
        return np.full_like(shear_rate, high)
    if model == "casson":
        rate = np.maximum(shear_rate, 0.01)
        return np.asarray((np.sqrt(high) + np.sqrt(parameters["yield_stress_pa"] / rate)) ** 2)
    a = parameters["yasuda_exponent"]
    thinning = (1.0 + (parameters["time_constant_s"] * shear_rate) ** a) ** ((parameters["power_index"] - 1.0) / a)
    return np.asarray(high + (parameters["zero_shear_viscosity"] - high) * thinning)


@dataclass(frozen=True, eq=False)
class RelaxationTable:
    """1 - 1/tau over the float32 bit pattern of the squared deviatoric stress; see core/lattice.hpp."""

    keep: Float32Array
    first_bits: int
    shift: int


def relaxation_table(
    model: str, parameters: Mapping[str, float], density: float, spacing_m: float, time_step_s: float, subgrid: float = 0.0
) -> RelaxationTable:
    """Relaxation for the non-equilibrium stress a cell holds, solved for the shear rate that stress itself stands for.

    In lattice units the stress is -(2/3) tau S, so its norm is sqrt(2) tau rate / 3, which rises with the rate.
    subgrid: Smagorinsky's constant (1963); the eddies that the lattice cannot hold add its square times the rate.
    """
    rate = np.geomspace(1e-16, 10.0, 4000)
    lattice_viscosity = viscosity(rate / time_step_s, model, parameters) / density * time_step_s / spacing_m**2
    tau = 3.0 * (lattice_viscosity + subgrid**2 * rate) + 0.5
    stress = np.sqrt(2.0) / 3.0 * tau * rate
    first = int(np.float32(2.0 ** (4 - _OCTAVES)).view(np.int32))
    bits = first + (np.arange((_OCTAVES << (23 - _SHIFT)) + 1, dtype=np.int64) << _SHIFT)
    square = bits.astype(np.int32).view(np.float32).astype(np.float64)
    keep = 1.0 - 1.0 / np.exp(np.interp(0.5 * np.log(square), np.log(stress), np.log(tau)))
    return RelaxationTable(keep.astype(np.float32), first, _SHIFT)
