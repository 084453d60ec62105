"""What is solved, on which lattice, and what is done where the flow outruns its time step."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aneuflow.errors import MethodError
from aneuflow.flow.checkpoint import Checkpoint, SolverState
from aneuflow.flow.result import Averages, Sampler, solution_of
from aneuflow.flow.run import MACH_MARGIN, Run, Start, TooFast
from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.setup import Domain, Units, build_domain, build_lattice
from aneuflow.numerics.lattice.cuda import CudaDevice
from aneuflow.numerics.lattice.gpu import GpuLattice
from aneuflow.numerics.lattice.velocity_set import SOUND_SPEED
from aneuflow.types import BoundaryConditions, FlowSolution, LumenModel

ATTEMPTS = 4
_SAVE_EVERY_S = 60.0
# The equilibrium keeps a steady velocity free of divergence at any Mach number, and the longer step blunts thin layers less. A
# flow that changes in time stores blood while sound passes: where the blood, at its mean speed at the inlet, does not cross the
# lumen in this part of a cycle, steps are shorter.
_MACH, _MACH_SLOW = 0.2, 0.15
_CROSSED = 0.4
_COARSE = "coarse "  # before the ids, among a checkpoint's numbers
_CELLS_A_THREAD = 5000  # with fewer, threads wait for each other rather than work


@dataclass(frozen=True, eq=False)
class Problem:
    """A flow to be solved on one lattice; a boundary without waveform means that it is steady.

    subgrid: Smagorinsky's constant, for a lattice that only gives the start for a finer one. coarse: the measures on that
    lattice by quantity id, kept with the checkpoints.
    """

    model: LumenModel
    boundary: BoundaryConditions
    settings: FlowSettings
    threads: int
    domain: Domain
    sampler: Sampler
    checkpoint: Checkpoint | None = None
    subgrid: float = 0.0
    coarse: Mapping[str, float] = field(default_factory=dict)
    saved: list[float] = field(default_factory=lambda: [time.monotonic()])

    @classmethod
    def of(
        cls,
        model: LumenModel,
        boundary: BoundaryConditions,
        settings: FlowSettings,
        threads: int,
        checkpoint: Checkpoint | None = None,
    ) -> Problem:
        """Raises what `build_domain` raises."""
        domain = build_domain(model, boundary, settings.resolution_mm, threads)
        threads = min(threads, max(1, domain.voxels.count // _CELLS_A_THREAD))
        return cls(model, boundary, settings, threads, domain, Sampler.of(model, boundary, domain), checkpoint)

    def units(self, time_step_s: float) -> Units:
        return Units(1e-3 * self.domain.voxels.spacing, time_step_s, self.boundary.blood.density)

    @property
    def mach(self) -> float:
        """Mach number of the lattice at the highest expected velocity."""
        waveform = self.boundary.waveform
        if self.settings.max_mach or waveform is None:
            return self.settings.max_mach or _MACH
        areas = {cap.id: cap.area_mm2 for cap in self.model.extended_caps}
        speed_mm_s = max(1e3 * inlet.mean_flow_ml_s / areas[inlet.cap_id] for inlet in self.boundary.inlets)
        length_mm = float(np.linalg.norm(np.ptp(self.domain.voxels.points, axis=0)))
        return _MACH if length_mm < _CROSSED * waveform.period_s * speed_mm_s else _MACH_SLOW

    def time_step_s(self, speed: float) -> float:
        """With which the lattice reaches `mach` at `speed` m/s."""
        return float(self.mach * SOUND_SPEED / speed * 1e-3 * self.domain.voxels.spacing)

    def begin(self, time_step_s: float, start: Start | None) -> Run:
        """A run from `start`, or from rest."""
        units = self.units(time_step_s)
        host = build_lattice(self.domain, self.model, self.boundary, units, self.subgrid)
        lattice = host if self.settings.device == "cpu" else GpuLattice(host, CudaDevice())
        run = Run(self.domain, units, lattice, self.threads, MACH_MARGIN * self.mach, absolute=self.boundary.absolute)
        if start is not None:
            run.set_to(start)
        return run

    def resumed(self, state: SolverState) -> Run:
        run = self.begin(float(state.numbers["time_step_s"]), None)
        run.resume(state)
        return run

    def solution(self, averages: Averages, run: Run, numerics: Mapping[str, Any]) -> FlowSolution:
        """A flow with its measures, those of the lattice alone."""
        return solution_of(self.model, self.boundary, self.sampler, averages, run.units, numerics)

    def lumen_speed(self, run: Run) -> float:
        """Highest speed in the lumen, m/s; outlets of a coarse lattice have single cells that are much too fast."""
        velocity = run.lattice.fields(run.threads)[1:4, self.sampler.lumen]
        return float(np.sqrt(np.einsum("dn,dn->n", velocity, velocity).max())) * run.units.velocity

    def save(self, state: Callable[[], SolverState]) -> None:
        """Hands the state to the checkpoint once a minute."""
        if self.checkpoint is not None and time.monotonic() - self.saved[0] > _SAVE_EVERY_S:
            now = state()
            self.checkpoint.save(SolverState({**now.numbers, **{_COARSE + id: v for id, v in self.coarse.items()}}, now.arrays))
            self.saved[0] = time.monotonic()

    def unstable(self) -> MethodError:
        return MethodError(
            f"The flow did not stay stable on the lattice of {self.domain.voxels.spacing:g} mm, even after its time step was "
            f"shortened {ATTEMPTS - 1} times; set a finer --resolution."
        )


def coarse_of(state: SolverState) -> dict[str, float]:
    """The `coarse` that a checkpoint was saved with."""
    return {name.removeprefix(_COARSE): value for name, value in state.numbers.items() if name.startswith(_COARSE)}


@dataclass(frozen=True, eq=False)
class Solved:
    """A run that has ended: what was averaged, and how far it has come, in the words of `FlowSolution.numerics`."""

    run: Run
    averages: Averages
    reached: Mapping[str, Any]


def raised(speed: float, stopped: TooFast) -> float:
    """The speed to expect, m/s, after the flow has outrun a time step made for `speed`."""
    return max(1.3 * speed, 1.2 * stopped.speed) if np.isfinite(stopped.speed) else 2.0 * speed
