"""A lattice on its way: what moves it, watches it and sets it going."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from aneuflow.flow.checkpoint import SolverState
from aneuflow.flow.setup import Domain, Units
from aneuflow.numerics.lattice import core
from aneuflow.numerics.lattice.equilibrium import equilibrium
from aneuflow.numerics.lattice.gpu import GpuLattice
from aneuflow.numerics.lattice.velocity_set import SOUND_SPEED
from aneuflow.types import FloatArray

# Past this multiple of the Mach number that the time step is set for, at the speed that is expected, it is shortened.
MACH_MARGIN = 4.0 / 3.0
_PAIRS_AT_ONCE = 50  # a divergence is noticed, and an interruption obeyed, after so many pairs of steps
_LOOKS = 5  # of these between two looks at the highest speed, which cost as much as some steps


class TooFast(Exception):
    """The flow has outrun the time step; `speed` in m/s, NaN where it diverged."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self.speed = speed


@dataclass(frozen=True, eq=False)
class Start:
    """A flow to start from, and what is known to come.

    points (n, 3) mm, velocity (n, 3) m/s, pressure (n,) Pa, outlet_pressure (m,) Pa; stored (m,) Pa, pressure at the outlets'
    compliances, empty where outlets have no load; speed: the highest expected, m/s.
    """

    points: FloatArray
    velocity: FloatArray
    pressure: FloatArray
    outlet_pressure: FloatArray
    speed: float
    stored: FloatArray = field(default_factory=lambda: np.zeros(0))


@dataclass(eq=False)
class Run:
    """A lattice with its units, how many steps it has done, its highest speed now and ever, and the flows of its last advance.

    mach_limit: past which the time step was too long; speed, peak in lattice units; inflow (inlets,) and outflow (outlets,) in
    mL/s. absolute: the outlets have loads.
    """

    domain: Domain
    units: Units
    lattice: core.Lattice | GpuLattice
    threads: int
    mach_limit: float
    steps: int = 0
    speed: float = 0.0
    peak: float = 0.0
    seconds: float = 0.0
    inflow: FloatArray = field(default_factory=lambda: np.zeros(0))
    outflow: FloatArray = field(default_factory=lambda: np.zeros(0))
    absolute: bool = False

    @property
    def reference(self) -> float:
        """What is to be added to the lattice's pressures, Pa."""
        return self.lattice.reference / 3.0 * self.units.stress if self.absolute else 0.0

    def set_to(self, start: Start) -> None:
        """Gives the lattice the flow of `start`."""
        distance, near = cKDTree(start.points).query(self.domain.voxels.points, k=4)
        weight = 1.0 / np.maximum(distance, 1e-6) ** 2
        weight /= weight.sum(axis=1, keepdims=True)
        velocity = np.einsum("nk,nkd->nd", weight, start.velocity[near]) / self.units.velocity
        density = 3.0 * np.einsum("nk,nk->n", weight, start.pressure[near]) / self.units.stress
        self.lattice.populations = equilibrium(density, velocity)
        held = 3.0 * start.outlet_pressure / self.units.stress
        self.lattice.controls = [0.0, *np.stack([held, np.zeros_like(held)], axis=1).ravel().tolist()]
        if len(start.stored):
            self.lattice.stored = [self.units.density_of(pressure) for pressure in start.stored]

    def resume(self, state: SolverState) -> None:
        """Sets all as it was when `state` was taken."""
        self.lattice.populations = np.ascontiguousarray(state.arrays["populations"], dtype=np.float32)
        self.lattice.controls = state.arrays["controls"].tolist()
        if self.absolute:
            self.lattice.stored = state.arrays["stored"].tolist()
        self.steps, self.peak = int(state.numbers["steps"]), float(state.numbers["peak"])
        self.seconds = float(state.numbers["seconds"])

    def state(self, numbers: Mapping[str, float], arrays: Mapping[str, npt.NDArray[Any]]) -> SolverState:
        own = {"time_step_s": self.units.time_step_s, "steps": self.steps, "peak": self.peak, "seconds": self.seconds}
        held = {"populations": self.lattice.populations, "controls": np.asarray(self.lattice.controls)}
        held |= {"stored": np.asarray(self.lattice.stored)} if self.absolute else {}
        return SolverState(own | dict(numbers), held | dict(arrays))

    def to_start(self, speed: float) -> Start:
        """This moment as a start for another lattice, on which `speed` m/s is expected."""
        fields = self.lattice.fields(self.threads).astype(np.float64)
        held = np.asarray(self.lattice.controls[1:]).reshape(-1, 2)[:, 0] / 3.0 * self.units.stress
        velocity, pressure = fields[1:4].T * self.units.velocity, fields[0] / 3.0 * self.units.stress
        stored = np.asarray(self.lattice.stored) / 3.0 * self.units.stress if self.absolute else np.zeros(0)
        return Start(self.domain.voxels.points, velocity, pressure, held, speed, stored)

    def advance(self, pairs: int, ramp: tuple[float, float] = (1.0, 1.0), phase: float = 0.0, phase_step: float = 0.0) -> None:
        """Runs pairs of steps, the inflow going from ramp[0] to ramp[1] and the phase on by `phase_step` a step.

        Raises TooFast where the flow diverged or passed the limit.
        """
        began, done, looked = time.perf_counter(), 0, 0
        into, out = np.zeros_like(self.lattice.inlet_flow()), np.zeros_like(self.lattice.outlet_flow())
        while done < pairs:
            now = min(_PAIRS_AT_ONCE, pairs - done)
            first, last = (ramp[0] + (ramp[1] - ramp[0]) * at / pairs for at in (done, done + now))
            self.lattice.run(now, first, last, phase + 2 * done * phase_step, phase_step, self.threads)
            into += now / pairs * np.asarray(self.lattice.inlet_flow())
            out += now / pairs * np.asarray(self.lattice.outlet_flow())
            done += now
            self.steps += 2 * now
            # The walls share out the mass they gain, so what is not finite anywhere soon is at the outlets too.
            if not np.isfinite(out).all():
                raise TooFast(float("nan"))
            if done - looked >= _LOOKS * _PAIRS_AT_ONCE or done == pairs:
                looked = done
                self._look()
        self.seconds += time.perf_counter() - began
        self.inflow, self.outflow = into * self.units.flow_ml_s, out * self.units.flow_ml_s

    def _look(self) -> None:
        self.speed = self.lattice.peak_speed(self.threads)
        if not self.speed < self.mach_limit * SOUND_SPEED:
            raise TooFast(self.speed * self.units.velocity if self.speed < 1.0 else float("nan"))
        self.peak = max(self.peak, self.speed)
