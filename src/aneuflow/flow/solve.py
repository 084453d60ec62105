"""The flow in a lumen: steady, or pulsatile until cycles agree."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aneuflow.errors import MethodError
from aneuflow.flow.checkpoint import Checkpoint
from aneuflow.flow.intervals import with_intervals
from aneuflow.flow.loads import held_outlets, stored_pressures
from aneuflow.flow.problem import Problem, Solved, coarse_of
from aneuflow.flow.pulsatile import RUN_IN, SAMPLES, one_cycle, run_cycles
from aneuflow.flow.result import flow_ratio, upstream_shear_over_poiseuille
from aneuflow.flow.run import Start
from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.setup import relaxation_time, thread_count
from aneuflow.flow.steady import opening_speed, settle
from aneuflow.numerics.lattice.velocity_set import SOUND_SPEED
from aneuflow.types import BoundaryConditions, FlowSolution, LumenModel, Measure, Note, Progress, no_progress

_FEW_CELLS = 7.0
_IMBALANCE_PERCENT = 0.5
# Wall shear of the sac over the artery's. The least of 65 IntrA sacs is 0.019; the blind end of a cut artery had 2e-6.
_NO_FLOW = 0.002
_COARSEST_CELLS = 3.0  # across the narrowest opening, for the start on a coarser lattice to be worth it
# Coarse lattices of whole trees diverged without; with it the speeds stay within some percent of what they were until then.
_SUBGRID = 0.1
_START_SHARE = 0.1  # of the work
_LEAST_FLOW = 0.05  # of the waveform's highest, for a steady start: with less it would take long to settle


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
    began = time.monotonic()
    progress = _rising(progress)
    progress(0.0, "flow, lattice")
    if settings.steady:
        boundary = replace(boundary, waveform=None)
    problem = Problem.of(model, boundary, settings, thread_count(settings.threads), checkpoint)
    state = checkpoint.load() if checkpoint is not None else None
    start, numbers = None, {} if state is None else coarse_of(state)
    if state is None:
        start, coarse = _start(problem, lambda f, m: progress(_START_SHARE * f, m))
        numbers = {} if coarse is None else {m.id: m.value for m in coarse.measures}
    problem = replace(problem, coarse=numbers)
    march = settle if boundary.waveform is None else run_cycles
    solved = march(problem, start, state, lambda f, m: progress(_START_SHARE + (1.0 - _START_SHARE) * f, m))
    numerics = _numerics(problem, solved, time.monotonic() - began)
    solution = problem.solution(solved.averages, solved.run, numerics)
    progress(1.0, "flow, done")
    measures = with_intervals(solution.measures, numbers)
    return replace(solution, measures=measures, notes=notes_on(model, numerics, solution.measures))


def coarse_flow(
    model: LumenModel, boundary: BoundaryConditions, settings: FlowSettings, progress: Progress = no_progress
) -> FlowSolution:
    """The steady flow on the lattice of `settings.resolution_mm` alone, from rest; its measures have no intervals.

    Raises what `simulate` raises.
    """
    problem = Problem.of(model, replace(boundary, waveform=None), settings, thread_count(settings.threads))
    return _settled(replace(problem, subgrid=_SUBGRID), progress)[1]


def _rising(progress: Progress) -> Progress:
    """The same, never going back: what is left of a run is an estimate, and a step may have to be shortened."""
    highest = 0.0

    def report(fraction: float, message: str) -> None:
        nonlocal highest
        highest = max(highest, fraction)
        progress(highest, message)

    return report


def _start(problem: Problem, progress: Progress) -> tuple[Start | None, FlowSolution | None]:
    """A flow near the one that is sought, from a lattice of half the resolution at a sixteenth of the cost.

    Where that is too coarse: rest for a steady flow, a steady flow for a pulsatile one, and no solution.
    """
    steady = problem.boundary.waveform is None
    coarse = _coarse(problem.model, problem.boundary, problem.settings, problem.threads)
    if coarse is not None:
        try:
            if steady:
                return _settled(coarse, progress)
            still = _still_start(coarse, lambda f, m: progress(0.4 * f, m))
            return one_cycle(coarse, still, lambda f, m: progress(0.4 + 0.6 * f, m))
        except MethodError:  # unstable on the coarse lattice, which says nothing about the fine one
            pass
    return (None if steady else _still_start(problem, progress)), None


def _still_start(problem: Problem, progress: Progress) -> Start:
    """The steady flow at the phase at which pulsatile runs begin; `speed` is that expected at the peak of the waveform."""
    ratio = flow_ratio(problem.boundary, SAMPLES)
    held = max(float(ratio[-RUN_IN]), _LEAST_FLOW * float(ratio.max()))
    inlets = tuple(replace(inlet, mean_flow_ml_s=held * inlet.mean_flow_ml_s) for inlet in problem.boundary.inlets)
    stored = stored_pressures(problem.boundary, -RUN_IN / SAMPLES)
    outlets = held_outlets(problem.boundary, stored)
    boundary = replace(problem.boundary, waveform=None, inlets=inlets, outlets=outlets)
    start, _ = _settled(replace(problem, boundary=boundary, checkpoint=None), progress)
    return replace(start, stored=stored, speed=start.speed * float(ratio.max()) / held)


def _settled(problem: Problem, progress: Progress) -> tuple[Start, FlowSolution]:
    solved = settle(problem, None, None, progress)
    run = solved.run
    start = run.to_start(max(problem.lumen_speed(run), opening_speed(problem.model, problem.boundary)))
    return start, problem.solution(solved.averages, run, {"resolution_mm": problem.domain.voxels.spacing, **solved.reached})


def _coarse(model: LumenModel, boundary: BoundaryConditions, settings: FlowSettings, threads: int) -> Problem | None:
    """The problem at half the resolution, None where that is too coarse."""
    spacing = 2.0 * settings.resolution_mm
    if spacing_with_coarse(model, settings.resolution_mm) < settings.resolution_mm:
        return None
    settings = settings.model_copy(update={"resolution_mm": spacing})
    try:
        return replace(Problem.of(model, boundary, settings, threads), subgrid=_SUBGRID)
    except MethodError:
        return None


def spacing_with_coarse(model: LumenModel, most_mm: float) -> float:
    """The largest lattice spacing up to `most_mm`, mm, for which the lattice of twice of it resolves the narrowest opening."""
    return min(most_mm, _narrowest_mm(model) / (2.0 * _COARSEST_CELLS))


def _narrowest_mm(model: LumenModel) -> float:
    return min(2.0 * cap.radius_mm for cap in model.extended_caps)


def notes_on(model: LumenModel, numerics: Mapping[str, Any], measures: Sequence[Measure]) -> tuple[Note, ...]:
    """What a reader has to know of a flow besides its numbers."""
    notes = []
    if not numerics["converged"]:
        notes.append(Note("flow_not_converged", {"change_percent": numerics["change_percent"]}))
    if numerics.get("wavers"):
        notes.append(Note("flow_wavers", {"change_percent": numerics["change_percent"]}))
    across = _narrowest_mm(model) / float(numerics["resolution_mm"])
    if across < _FEW_CELLS:
        notes.append(Note("flow_coarse", {"cells": across}))
    if numerics["mass_imbalance_percent"] > _IMBALANCE_PERCENT:
        notes.append(Note("flow_mass_imbalance", {"imbalance_percent": numerics["mass_imbalance_percent"]}))
    if any(measure.id == "tawss_ratio" and measure.value < _NO_FLOW for measure in measures):
        notes.append(Note("sac_without_flow", {}))
    return tuple(notes)


def _numerics(problem: Problem, solved: Solved, wall_s: float) -> dict[str, Any]:
    run, voxels = solved.run, problem.domain.voxels
    largest = max(cap.radius_mm for cap in problem.model.extended_caps if cap.role == "inlet")
    return {
        "resolution_mm": voxels.spacing,
        "cells": voxels.count,
        "cells_per_parent_diameter": 2.0 * largest / voxels.spacing,
        "relaxation_time": relaxation_time(problem.boundary, run.units),
        "time_step_s": float(run.units.time_step_s),
        "steps": run.steps,
        "mach_peak": float(run.peak / SOUND_SPEED),
        "mlups": run.steps * voxels.count / max(run.seconds, 1e-9) / 1e6,
        "threads": problem.threads,
        "wall_seconds": wall_s,
        "upstream_shear_over_poiseuille": upstream_shear_over_poiseuille(problem.sampler, solved.averages),
        **solved.reached,
    }
