"""The flow in a lumen: steady, or pulsatile until two cycles agree."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from aneuflow.errors import MethodError
from aneuflow.flow.checkpoint import Checkpoint, SolverState
from aneuflow.flow.convergence import relative_change, settled
from aneuflow.flow.result import Averages, Sampler, solution_of
from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.setup import Domain, Units, build_domain, build_lattice, relaxation_time, thread_count
from aneuflow.numerics.lattice import core
from aneuflow.numerics.lattice.equilibrium import equilibrium
from aneuflow.numerics.lattice.velocity_set import SOUND_SPEED
from aneuflow.types import BoundaryConditions, FloatArray, FlowSolution, LumenModel, Note, Progress, no_progress

SAMPLES_PER_CYCLE = 100
STEADY_MACH = 0.15  # sound and compressibility leave no trace in a steady state of the incompressible equilibrium
_CHECKS_PER_FLOW_THROUGH = 4
_MOST_FLOW_THROUGHS = 12
_SAVE_EVERY_S = 60.0
_FASTEST = 0.17  # lattice speed past which the time step is shortened
_FEW_CELLS = 7.0
_IMBALANCE_PERCENT = 0.5
_COARSEST_CELLS = 5.0  # across the narrowest opening, for the start on a coarser lattice to be worth it


class _TooFast(Exception):
    """The flow has outrun the time step; `speed` is NaN where it diverged."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self.speed = speed


@dataclass(frozen=True, eq=False)
class _Case:
    """What does not change while a case is solved."""

    model: LumenModel
    boundary: BoundaryConditions
    settings: FlowSettings
    threads: int
    checkpoint: Checkpoint | None
    saved: list[float] = field(default_factory=lambda: [time.monotonic()])

    def save(self, state: Callable[[], SolverState]) -> None:
        if self.checkpoint is not None and time.monotonic() - self.saved[0] > _SAVE_EVERY_S:
            self.checkpoint.save(state())
            self.saved[0] = time.monotonic()


@dataclass(eq=False)
class _Run:
    """A lattice on its way: its domain, its units, how many steps it has done and the highest lattice speed it saw."""

    domain: Domain
    units: Units
    lattice: core.Lattice
    steps: int = 0
    peak: float = 0.0
    seconds: float = 0.0

    def advance(
        self, pairs: int, threads: int, amplitude: tuple[float, float] = (1.0, 1.0), phase: float = 0.0, by: float = 0.0
    ) -> None:
        start = time.perf_counter()
        self.lattice.run(pairs, *amplitude, phase, by, threads)
        self.seconds += time.perf_counter() - start
        self.steps += 2 * pairs
        speed = self.lattice.peak_speed(threads)
        if not speed < _FASTEST:
            raise _TooFast(speed)
        self.peak = max(self.peak, speed)


def simulate(
    model: LumenModel,
    boundary: BoundaryConditions,
    settings: FlowSettings,
    progress: Progress = no_progress,
    checkpoint: Checkpoint | None = None,
) -> FlowSolution:
    """Velocity, pressure and wall shear in the lumen, on a lattice of `settings.resolution_mm`.

    Goes on from `checkpoint` where it holds a state. Raises InputError for boundary conditions that do not fit the model,
    ResourceError where memory does not suffice, MethodError where the flow stays unstable at ever shorter time steps.
    """
    started = time.monotonic()
    steady = settings.steady or boundary.waveform is None
    case = _Case(model, boundary, settings, thread_count(settings.threads), checkpoint)
    progress(0.0, "flow, lattice")
    domain = build_domain(model, boundary, settings.resolution_mm, case.threads)
    sampler = Sampler.of(model, boundary, domain)
    state = checkpoint.load() if checkpoint is not None else None
    share = 1.0 if steady else 0.2
    if state is not None and not steady and "cycle" in state.numbers:
        run, averages, reached = _cycles(case, domain, sampler, None, state, progress, share)
    else:
        run, averages, reached = _steady(case, domain, sampler, steady, state, lambda f, m: progress(share * f, m))
        if not steady:
            run, averages, reached = _cycles(case, domain, sampler, run, None, progress, share)
    numerics = _numerics(case, run, reached, time.monotonic() - started)
    solution = solution_of(model, boundary, sampler, averages, run.units, numerics)
    progress(1.0, "flow, done")
    return replace(solution, notes=_notes(model, numerics))


def _steady(
    case: _Case, domain: Domain, sampler: Sampler, final: bool, state: SolverState | None, progress: Progress
) -> tuple[_Run, Averages, dict[str, Any]]:
    """The steady flow; for a pulsatile run the one at the waveform's start, less strictly converged."""
    ratio = _start_ratio(case.boundary, final)
    speed, start = _expected_speed(case.model, case.boundary, ratio), None
    if state is None and _narrowest_mm(case.model) >= 2.0 * _COARSEST_CELLS * domain.voxels.spacing:
        progress(0.0, "flow, coarse start")
        coarse_domain = build_domain(case.model, case.boundary, 2.0 * domain.voxels.spacing, case.threads)
        coarse = _settle(case, coarse_domain, None, speed, final, None, None, lambda f, m: progress(0.1 * f, m))[0]
        speed = 1.1 * coarse.peak * coarse.units.velocity
        start = (coarse_domain.voxels.points, *_fields_si(coarse))
    return _settle(case, domain, sampler, speed, final, start, state, lambda f, m: progress(0.1 + 0.9 * f, m))


def _settle(
    case: _Case,
    domain: Domain,
    sampler: Sampler | None,
    speed: float,
    final: bool,
    start: tuple[FloatArray, FloatArray, FloatArray] | None,
    state: SolverState | None,
    progress: Progress,
) -> tuple[_Run, Averages, dict[str, Any]]:
    """Runs a lattice until its wall shear and pressure loss change little in a flow-through, shortening the step if need be."""
    spacing = 1e-3 * domain.voxels.spacing
    for _ in range(3):
        step = float(state.numbers["time_step_s"]) if state else STEADY_MACH * SOUND_SPEED / speed * spacing
        units = Units(spacing, step, case.boundary.blood.density)
        run = _Run(domain, units, _lattice(case, domain, units, start, final))
        try:
            return _until_settled(case, run, sampler, final, start is None, state, progress)
        except _TooFast as stopped:
            measured = stopped.speed * units.velocity
            speed = max(1.5 * speed, 1.2 * measured) if np.isfinite(measured) and stopped.speed < 0.3 else 2.0 * speed
            state = None
    raise _unstable(domain)


def _until_settled(
    case: _Case, run: _Run, sampler: Sampler | None, final: bool, ramp: bool, state: SolverState | None, progress: Progress
) -> tuple[_Run, Averages, dict[str, Any]]:
    ratio = 1.0 if final else _start_ratio(case.boundary, final)
    inflow = ratio * sum(inlet.mean_flow_ml_s for inlet in case.boundary.inlets) / run.units.flow_ml_s
    through = run.domain.voxels.count / inflow
    pairs = max(25, round(through / _CHECKS_PER_FLOW_THROUGH / 2))
    tolerance = 0.01 * case.settings.convergence_percent * (0.5 if final else 1.0) * (1.0 if sampler else 2.0)
    history: list[tuple[float, ...]] = []
    if state is not None:
        _restore(run, state)
        history = [tuple(row) for row in state.arrays["history"]]
    elif ramp:
        run.advance(max(100, pairs // 4), case.threads, (0.0, 1.0))
    limit = _CHECKS_PER_FLOW_THROUGH * _MOST_FLOW_THROUGHS
    done, change, imbalance = False, float("inf"), float("inf")
    while not done and len(history) < limit:
        run.advance(pairs, case.threads)
        out, into = sum(run.lattice.outlet_flow()), sum(run.lattice.inlet_flow())
        imbalance = abs(out - into) / into
        history.append(_monitors(run, sampler))
        done, change = settled(history, _CHECKS_PER_FLOW_THROUGH, tolerance)
        case.save(lambda: _state(run, {}, {"history": np.asarray(history)}))
        expected = 2.0 * _CHECKS_PER_FLOW_THROUGH if sampler is None or not final else 4.0 * _CHECKS_PER_FLOW_THROUGH
        progress(1.0 - 0.5 ** (2.0 * len(history) / expected), "flow, steady" if sampler else "flow, coarse start")
    averages = Averages.empty()
    if sampler is not None:
        averages.add(sampler.sample(run.lattice, run.units, case.threads), peak=True)
    reached = {"cycles": 0, "converged": done, "change_percent": 100.0 * change, "mass_imbalance_percent": 100.0 * imbalance}
    return run, averages, reached


def _cycles(
    case: _Case,
    domain: Domain,
    sampler: Sampler,
    steady: _Run | None,
    state: SolverState | None,
    progress: Progress,
    share: float,
) -> tuple[_Run, Averages, dict[str, Any]]:
    """Whole cycles until the wall shear of two agrees, or `settings.cycles` have been run."""
    waveform = case.boundary.waveform
    assert waveform is not None
    spacing = 1e-3 * domain.voxels.spacing
    start = None
    if steady is not None:
        start = (domain.voxels.points, *_fields_si(steady))
        swing = float(waveform.ratio.max()) / _start_ratio(case.boundary, False)
        step = case.settings.max_mach * SOUND_SPEED / (steady.peak * steady.units.velocity * swing) * spacing
    for _ in range(3):
        if state is not None:
            pairs = int(state.numbers["pairs_per_sample"])
        else:
            pairs = int(np.ceil(waveform.period_s / step / (2 * SAMPLES_PER_CYCLE)))
        units = Units(spacing, waveform.period_s / (2 * SAMPLES_PER_CYCLE * pairs), case.boundary.blood.density)
        run = _Run(domain, units, _lattice(case, domain, units, start, False))
        try:
            return _until_periodic(case, run, sampler, pairs, state, progress, share)
        except _TooFast:
            step, state = 0.6 * units.time_step_s, None
    raise _unstable(domain)


def _until_periodic(
    case: _Case, run: _Run, sampler: Sampler, pairs: int, state: SolverState | None, progress: Progress, share: float
) -> tuple[_Run, Averages, dict[str, Any]]:
    waveform = case.boundary.waveform
    assert waveform is not None
    averages, before, cycle, first = Averages.empty(), None, 0, 0
    if state is not None:
        _restore(run, state)
        cycle, first = int(state.numbers["cycle"]), int(state.numbers["sample"])
        averages = Averages.restored(state.arrays)
        before = state.arrays["before"] if len(state.arrays["before"]) else None
    peak_sample = int(np.argmax(sampler.flow_ratio(SAMPLES_PER_CYCLE)))
    by = 1.0 / (2 * pairs * SAMPLES_PER_CYCLE)
    change = float("inf")
    while True:
        for sample in range(first, SAMPLES_PER_CYCLE):
            run.advance(pairs, case.threads, phase=sample / SAMPLES_PER_CYCLE, by=by)
            number = (sample + 1) % SAMPLES_PER_CYCLE
            averages.add(sampler.sample(run.lattice, run.units, case.threads), peak=number == peak_sample)
            fraction = (cycle + (sample + 1) / SAMPLES_PER_CYCLE) / max(2, min(cycle + 1, case.settings.cycles))
            progress(share + (1.0 - share) * min(fraction, 1.0), f"flow, cycle {cycle + 1}")
            numbers = {"cycle": cycle, "sample": sample + 1, "pairs_per_sample": pairs}
            kept = {"before": np.empty(0) if before is None else before}
            case.save(lambda n=numbers, k=kept, a=averages: _state(run, n, k | a.arrays()))  # type: ignore[misc]
        first, cycle = 0, cycle + 1
        now = averages.mean_shear()
        change = relative_change(now, before) if before is not None else float("inf")
        if change < 0.01 * case.settings.convergence_percent or cycle >= case.settings.cycles:
            break
        before, averages = now, Averages.empty()
    into, out = averages.flow_sums()
    reached = {
        "cycles": cycle,
        "converged": change < 0.01 * case.settings.convergence_percent,
        "change_percent": 100.0 * change,
        "mass_imbalance_percent": 100.0 * abs(out - into) / into,
    }
    return run, averages, reached


def _lattice(
    case: _Case, domain: Domain, units: Units, start: tuple[FloatArray, FloatArray, FloatArray] | None, final: bool
) -> core.Lattice:
    steady = final or case.boundary.waveform is None
    lattice = build_lattice(domain, case.model, case.boundary, units, steady)
    if start is not None:
        points, velocity, pressure = start
        distance, near = cKDTree(points).query(domain.voxels.points, k=4)
        weight = 1.0 / np.maximum(distance, 1e-6) ** 2
        weight /= weight.sum(axis=1, keepdims=True)
        interpolated = np.einsum("nk,nkd->nd", weight, velocity[near]) / units.velocity
        density = 3.0 * np.einsum("nk,nk->n", weight, pressure[near]) / units.stress
        lattice.populations = equilibrium(density, interpolated)
    return lattice


def _fields_si(run: _Run) -> tuple[FloatArray, FloatArray]:
    fields = run.lattice.fields(1).astype(np.float64)
    return fields[1:4].T * run.units.velocity, fields[0] / 3.0 * run.units.stress


def _monitors(run: _Run, sampler: Sampler | None) -> tuple[float, ...]:
    fields = run.lattice.fields(1)
    rest = fields[0].astype(np.float64)
    energy = float((fields[1:4].astype(np.float64) ** 2).sum())
    spread = float(np.ptp(np.percentile(rest, (1, 99))))
    if sampler is None:
        return energy, spread
    return energy, spread, *sampler.mean_shears(fields[1:4].T * np.float32(run.units.velocity))


def _state(run: _Run, numbers: dict[str, float], arrays: dict[str, Any]) -> SolverState:
    own = {"time_step_s": run.units.time_step_s, "steps": run.steps, "peak": run.peak, "seconds": run.seconds}
    held = {"populations": run.lattice.populations, "controls": np.asarray(run.lattice.controls)}
    return SolverState(own | numbers, held | arrays)


def _restore(run: _Run, state: SolverState) -> None:
    run.lattice.populations = np.ascontiguousarray(state.arrays["populations"], dtype=np.float32)
    run.lattice.controls = [float(value) for value in state.arrays["controls"]]
    run.steps, run.peak = int(state.numbers["steps"]), float(state.numbers["peak"])
    run.seconds = float(state.numbers["seconds"])


def _start_ratio(boundary: BoundaryConditions, final: bool) -> float:
    """Inflow over its cycle mean in the steady stage."""
    return (
        1.0
        if final or boundary.waveform is None
        else float(np.interp(0.0, boundary.waveform.phase, boundary.waveform.ratio, period=1.0))
    )


def _expected_speed(model: LumenModel, boundary: BoundaryConditions, ratio: float) -> float:
    """Highest velocity in m/s that is to be expected: on the axis of the fastest opening, and some more."""
    caps = {cap.id: cap for cap in model.extended_caps}
    total = sum(inlet.mean_flow_ml_s for inlet in boundary.inlets)
    flows = {inlet.cap_id: inlet.mean_flow_ml_s for inlet in boundary.inlets}
    flows |= {outlet.cap_id: total * (outlet.flow_share or 0.0) for outlet in boundary.outlets}
    return 1.3 * ratio * max(2.0 * flow / caps[cap].area_mm2 for cap, flow in flows.items() if cap in caps)


def _narrowest_mm(model: LumenModel) -> float:
    return min(2.0 * cap.radius_mm for cap in model.extended_caps)


def _unstable(domain: Domain) -> MethodError:
    return MethodError(
        f"The flow did not stay stable on the lattice of {domain.voxels.spacing:g} mm even at a quarter of the time step; "
        "set a finer --resolution."
    )


def _notes(model: LumenModel, numerics: dict[str, Any]) -> tuple[Note, ...]:
    notes = []
    if not numerics["converged"]:
        notes.append(Note("flow_not_converged", {"change_percent": numerics["change_percent"]}))
    across = _narrowest_mm(model) / float(numerics["resolution_mm"])
    if across < _FEW_CELLS:
        notes.append(Note("flow_coarse", {"cells": across}))
    if numerics["mass_imbalance_percent"] > _IMBALANCE_PERCENT:
        notes.append(Note("flow_mass_imbalance", {"imbalance_percent": numerics["mass_imbalance_percent"]}))
    return tuple(notes)


def _numerics(case: _Case, run: _Run, reached: dict[str, Any], wall_s: float) -> dict[str, Any]:
    largest = max(cap.radius_mm for cap in case.model.extended_caps if cap.role == "inlet")
    return {
        "resolution_mm": run.domain.voxels.spacing,
        "cells": run.domain.voxels.count,
        "cells_per_parent_diameter": 2.0 * largest / run.domain.voxels.spacing,
        "relaxation_time": relaxation_time(case.boundary, run.units),
        "time_step_s": float(run.units.time_step_s),
        "steps": run.steps,
        "mach_peak": float(run.peak / SOUND_SPEED),
        "mlups": run.steps * run.domain.voxels.count / max(run.seconds, 1e-9) / 1e6,
        "threads": case.threads,
        "wall_seconds": wall_s,
        **reached,
    }
