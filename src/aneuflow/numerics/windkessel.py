"""Vessels beyond an outlet as resistances and compliances: exact periodic flow, and the circuit that fits measured pressure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from aneuflow.types import FloatArray

ComplexArray = npt.NDArray[np.complex128]

# Part of the total resistance that lies before the compliance, and time constant of the rest, where fits begin.
_FIRST_PART, _FIRST_TIME_S = 0.1, 0.5


@dataclass(frozen=True)
class Circuit:
    """Three-element Windkessel (Westerhof et al. 1971), SI: Pa s/m3, m3/Pa, Pa; a resistance alone where compliance is 0."""

    resistance: float
    compliance: float = 0.0
    distal_resistance: float = 0.0
    distal_pressure: float = 0.0

    def impedance(self, frequency_hz: FloatArray) -> ComplexArray:
        """Pressure over flow, (m,) complex128 Pa s/m3, at frequencies (m,)."""
        omega = 2.0 * np.pi * np.asarray(frequency_hz, dtype=np.float64)
        distal = self.distal_resistance / (1.0 + 1j * omega * self.distal_resistance * self.compliance)
        return np.asarray(self.resistance + distal, dtype=np.complex128)

    def keep(self, time_step_s: float) -> float:
        """Part of the compliance's pressure that is left after a time step without flow."""
        time_constant = self.distal_resistance * self.compliance
        return float(np.exp(-time_step_s / time_constant)) if time_constant > 0.0 else 0.0


def periodic_flows(circuits: Sequence[Circuit], inflow: FloatArray, period_s: float) -> tuple[FloatArray, FloatArray]:
    """Flow into each circuit, (k, n) m3/s, and their common pressure, (n,) Pa, when `inflow` (n,) m3/s has become periodic.

    The circuits leave one node; inflow at n equal steps of the period. Exact for each harmonic.
    """
    spectrum = np.fft.rfft(inflow)
    frequencies = np.arange(len(spectrum)) / period_s
    admittance = np.stack([1.0 / circuit.impedance(frequencies) for circuit in circuits])
    far = np.zeros((len(circuits), len(spectrum)), dtype=np.complex128)
    far[:, 0] = [circuit.distal_pressure * len(inflow) for circuit in circuits]
    pressure = (spectrum + (admittance * far).sum(axis=0)) / admittance.sum(axis=0)
    flows = admittance * (pressure - far)
    return np.fft.irfft(flows, n=len(inflow), axis=1), np.fft.irfft(pressure, n=len(inflow))


def fit_resistance(flow: FloatArray, pressure: FloatArray, distal_pressure: float) -> Circuit:
    """The resistance that has the mean of `pressure` (n,) Pa over `distal_pressure` at the mean of `flow` (n,) m3/s."""
    return Circuit(float((np.mean(pressure) - distal_pressure) / np.mean(flow)), distal_pressure=distal_pressure)


def fit_windkessel(flow: FloatArray, pressure: FloatArray, period_s: float, distal_pressure: float) -> tuple[Circuit, float]:
    """The Windkessel whose periodic pressure under `flow` (n,) m3/s is nearest to `pressure` (n,) Pa, and what is left.

    Both at n equal steps of one period. The total resistance follows from the means and is exact; the other two numbers are
    a least-squares fit. The second result is the root mean square difference, Pa.
    """
    total = fit_resistance(flow, pressure, distal_pressure).resistance

    def circuit(logarithms: FloatArray) -> Circuit:
        part, time_s = 1.0 / (1.0 + np.exp(-logarithms[0])), np.exp(logarithms[1])
        distal = total * (1.0 - part)
        return Circuit(float(total * part), float(time_s / distal), float(distal), distal_pressure)

    def difference(logarithms: FloatArray) -> FloatArray:
        return periodic_flows([circuit(logarithms)], flow, period_s)[1] - pressure

    first = np.array([np.log(_FIRST_PART / (1.0 - _FIRST_PART)), np.log(_FIRST_TIME_S)])
    fit = least_squares(difference, first, x_scale=1.0, bounds=([-9.0, -9.0], [9.0, 5.0]))
    return circuit(fit.x), float(np.sqrt(np.mean(fit.fun**2)))


def shared_out(circuit: Circuit, shares: FloatArray) -> list[Circuit]:
    """Circuits for outlets that take `shares` (k,) of the flow, which side by side act as `circuit` does."""
    return [
        Circuit(
            circuit.resistance / share, circuit.compliance * share, circuit.distal_resistance / share, circuit.distal_pressure
        )
        for share in np.asarray(shares, dtype=np.float64).tolist()
    ]
