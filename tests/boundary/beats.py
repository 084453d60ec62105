"""Flow and pressure of a known heart and circuit, and records of them, for the tests of measured boundary conditions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aneuflow.numerics.windkessel import Circuit, periodic_flows
from aneuflow.numerics.womersley import womersley_number, womersley_profile
from aneuflow.types import PA_PER_MMHG, FloatArray

NU = 0.0035 / 1060.0
CIRCUIT = Circuit(4e8, 3e-10, 3.2e9, 5.0 * PA_PER_MMHG)
STEPS = 800


@dataclass(frozen=True)
class Heart:
    """A flow of 3 mL/s with one systole; diameter in mm."""

    period_s: float = 0.85
    mean_ml_s: float = 3.0
    diameter_mm: float = 4.2

    def flow_ml_s(self) -> FloatArray:
        """(STEPS,) over a period that begins 10 % before the steepest rise."""
        phase = np.arange(STEPS) / STEPS
        systole = np.exp(-(((phase - 0.17) / 0.06) ** 2)) + 0.35 * np.exp(-(((phase - 0.42) / 0.09) ** 2))
        shape = 0.55 + systole
        return self.mean_ml_s * shape / shape.mean()

    def center_velocity(self) -> FloatArray:
        """(STEPS,) m/s on the axis, by Womersley's profile."""
        radius = 0.5e-3 * self.diameter_mm
        flow = self.flow_ml_s()
        alpha = womersley_number(radius, self.period_s, NU)
        section = 1e-6 * self.mean_ml_s / (np.pi * radius**2)
        return section * womersley_profile(np.zeros(1), flow / self.mean_ml_s, alpha)[0]

    def pressure_pa(self) -> FloatArray:
        """(STEPS,) Pa before CIRCUIT."""
        return periodic_flows([CIRCUIT], 1e-6 * self.flow_ml_s(), self.period_s)[1]

    def over(self, cycle: FloatArray, cycles: float, rate_hz: float) -> tuple[FloatArray, FloatArray]:
        """Times and values of a record over so many cycles."""
        time = np.arange(0.0, cycles * self.period_s, 1.0 / rate_hz)
        return time, np.interp(time / self.period_s, np.arange(STEPS) / STEPS, cycle, period=1.0)


def write_csv(path: Path, header: str, *columns: FloatArray, facts: str = "") -> Path:
    rows = "\n".join(",".join(f"{value:.8g}" for value in row) for row in np.column_stack(columns))
    path.write_text(f"{facts}{header}\n{rows}\n")
    return path
