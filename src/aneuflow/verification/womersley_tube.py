"""Pulsatile flow in a straight tube against Womersley's solution, velocity and wall shear through the cycle."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from aneuflow.flow.problem import Problem
from aneuflow.flow.run import Start
from aneuflow.flow.settings import FlowSettings
from aneuflow.numerics.womersley import womersley_profile, womersley_wall_shear
from aneuflow.types import FloatArray, Waveform
from aneuflow.verification.exact import flow_ml_s, poiseuille_shear_pa
from aneuflow.verification.pulse import through_cycles
from aneuflow.verification.shapes import frame_along, tube_model
from aneuflow.verification.trial import Case, Found, Gate, Means, Plot, Row, Trial
from aneuflow.verification.tubes import PLASMA, RADIUS_MM, tube_conditions

AXIS = np.array([1.0, 2.0, 3.0])
ALPHAS = (2.0, 4.0, 6.0)
CELLS_ACROSS, DIAMETERS = 24, 2.5
SWING = 0.8
REYNOLDS_BY_ALPHA = 50.0  # mean Reynolds number over the Womersley number: enough steps a cycle that sound is fast
SAMPLES, RUN_IN = 40, 10
_PART = (0.3, 0.75)  # of the length


def sine(period_s: float, swing: float) -> Waveform:
    """A mean flow with one harmonic on top."""
    phase = np.arange(256) / 256
    return Waveform("sine", period_s, phase, 1.0 + swing * np.sin(2.0 * np.pi * phase))


def period_s(alpha: float) -> float:
    """At which the tube has the Womersley number `alpha`."""
    kinematic = PLASMA.parameters["viscosity"] / PLASMA.density
    return float(2.0 * np.pi * (1e-3 * RADIUS_MM) ** 2 / kinematic / alpha**2)


def pulsatile_flow(means: Means, alpha: float, cells_across: int) -> Found:
    """L2 errors over one cycle, the tube's middle and its wall, of velocity and wall shear; the start is the exact flow."""
    flow, waveform, w = (
        flow_ml_s(REYNOLDS_BY_ALPHA * alpha, RADIUS_MM, PLASMA),
        sine(period_s(alpha), SWING),
        frame_along(AXIS)[2],
    )
    model = tube_model(RADIUS_MM, 2.0 * RADIUS_MM * DIAMETERS, AXIS)
    settings = FlowSettings(resolution_mm=2.0 * RADIUS_MM / cells_across, threads=means.threads)
    problem = Problem.of(model, tube_conditions(flow, PLASMA, waveform), settings, means.threads)
    points, wall = problem.domain.voxels.points, problem.sampler.wall.points
    height, radius = points @ w, np.linalg.norm(points - (points @ w)[:, None] * w, axis=1) / RADIUS_MM
    low, high = (part * 2.0 * RADIUS_MM * DIAMETERS for part in _PART)
    inside, on_wall = (height > low) & (height < high), (wall @ w > low) & (wall @ w < high)
    ratio = 1.0 + SWING * np.sin(2.0 * np.pi * np.arange(SAMPLES) / SAMPLES)
    exact = womersley_profile(radius.clip(0.0, 1.0), ratio, alpha) * flow / (np.pi * RADIUS_MM**2)
    stress = womersley_wall_shear(ratio, alpha) * poiseuille_shear_pa(flow, RADIUS_MM, PLASMA.parameters["viscosity"])
    start = _start(problem, height, exact, stress, ratio * flow, waveform.period_s)
    errors, scales, measured = np.zeros(2), np.zeros(2), np.zeros(SAMPLES)
    for sample, run in through_cycles(problem, start, waveform, SAMPLES, RUN_IN, 1, means.progress):
        phase, seen = (sample + 1) % SAMPLES, problem.sampler.sample(run)
        velocity = run.lattice.fields(run.threads)[1:4].T[inside] * run.units.velocity
        wanted = (exact[inside, phase][:, None] * w, np.tile(stress[phase] * w, (int(on_wall.sum()), 1)))
        for k, (ours, theirs) in enumerate(zip((velocity, seen["shear"][on_wall]), wanted, strict=True)):
            errors[k] += ((ours - theirs) ** 2).sum()
            scales[k] += (theirs**2).sum()
        measured[phase] = float((seen["shear"][on_wall] @ w).mean())
    velocity_l2, shear_l2 = 100.0 * np.sqrt(errors / scales)
    time = (np.arange(SAMPLES) / SAMPLES).tolist()
    numbers = {
        "velocity_l2_percent": float(velocity_l2),
        "shear_l2_percent": float(shear_l2),
        "mean_shear_l2_percent": float(100.0 * np.sqrt(((measured - stress) ** 2).sum() / (stress**2).sum())),
        "cells": float(len(points)),
        "steps": float(run.steps),
    }
    return Found(numbers, {"exact": (time, stress.tolist()), "computed": (time, measured.tolist())})


def _start(
    problem: Problem, height: FloatArray, exact: FloatArray, stress: FloatArray, flow: FloatArray, period_s: float
) -> Start:
    """The exact flow RUN_IN samples before the cycle, with the pressure that drives it: -dp/dz = rho dU/dt + 2 tau / R."""
    w, phase = frame_along(AXIS)[2], -RUN_IN % SAMPLES
    change = (np.roll(flow, -1) - np.roll(flow, 1))[phase] / (2.0 * period_s / SAMPLES) / (np.pi * RADIUS_MM**2)
    gradient = PLASMA.density * change + 2.0 * stress[phase] / (1e-3 * RADIUS_MM)
    pressure = 1e-3 * gradient * (2.0 * RADIUS_MM * DIAMETERS - height)
    velocity = exact[:, phase][:, None] * w
    return Start(problem.domain.voxels.points, velocity, pressure, np.zeros(1), float(np.abs(exact).max()))


def _judge(found: Mapping[str, Found]) -> tuple[Row, ...]:
    rows: list[Row] = []
    for what, key, gate in (
        ("velocity, L2 over the cycle", "velocity_l2_percent", Gate(1.5, 0.75)),
        ("wall shear, L2 over cycle and wall", "shear_l2_percent", Gate(2.5, 1.25)),
        ("wall shear averaged over the wall, L2 over the cycle", "mean_shear_l2_percent", Gate()),
    ):
        rows += [Row(f"{name.removeprefix('womersley-')}: {what}", "%", gate, one.numbers[key]) for name, one in found.items()]
        if not found:
            rows.append(Row(what, "%", gate, None))
    return tuple(rows)


def _plots(found: Mapping[str, Found]) -> tuple[Plot, ...]:
    return tuple(
        Plot(f"Wall shear through the cycle, Womersley number {name.split('-')[1]}", "phase", "Pa", one.curves, ("computed",))
        for name, one in found.items()
    )


def cases() -> tuple[Case, ...]:
    trials = tuple(
        Trial(
            f"womersley-{alpha:g}",
            {"alpha": alpha, "cells_across": CELLS_ACROSS, "reynolds": REYNOLDS_BY_ALPHA * alpha, "swing": SWING},
            partial(pulsatile_flow, alpha=alpha, cells_across=CELLS_ACROSS),
        )
        for alpha in ALPHAS
    )
    title = f"Womersley flow, {CELLS_ACROSS} cells per diameter, tube along (1,2,3)"
    note = (
        f"Mean Reynolds number {REYNOLDS_BY_ALPHA:g} times the Womersley number, one harmonic of {SWING:g} of the mean; "
        "lines by Womersley number."
    )
    return (Case("womersley", title, trials, _judge, _plots, (trials[2].name,), note),)
