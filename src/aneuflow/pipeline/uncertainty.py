"""Sobol indices of the flow in real vessels: the simulations of a design, kept one by one, and what follows from them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aneuflow import __version__
from aneuflow.boundary import BoundarySettings, set_boundary
from aneuflow.case.files import read_json, write_json
from aneuflow.errors import AneuflowError, InputError, MethodError
from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import simulate
from aneuflow.geometry.model import build_model
from aneuflow.geometry.offset import moved_wall
from aneuflow.geometry.settings import ModelSettings
from aneuflow.pipeline.database import read_shape
from aneuflow.surrogate.cohort import Source, read_sources
from aneuflow.surrogate.uncertainty import ASKED, UNCERTAIN, WALL, UncertaintySettings, design, page, shares, values_at
from aneuflow.types import FloatArray, LumenModel, Progress, no_progress

PLAN, RUNS, RESULTS, PAGE = "plan.json", "runs", "uncertainty.json", "uncertainty.md"
_LEAST_OUTLETS = 2
_LEAST_CELLS = 4.0  # across the narrowest opening where the wall is moved inward


def run_uncertainty(
    data: Path,
    folder: Path,
    settings: UncertaintySettings,
    threads: int = 1,
    patience_s: float | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Simulate real shapes in an order by the seed, one a patient, until as many as asked for are whole; gives the indices by
    shape, also kept in `folder` with a page.

    Stopped or killed, it goes on with what is left. A shape of which a stage refuses a simulation, or one takes more than
    `patience_s` of CPU time, is left out, with the reason.
    Raises InputError where the folder holds an analysis with other settings.
    """
    about = {"aneuflow": __version__, "settings": settings.model_dump(), "axes": [axis.name for axis in UNCERTAIN]}
    if (folder / PLAN).exists() and read_json(folder / PLAN) != about:
        raise InputError(f"{folder} holds an analysis with other settings; choose a new folder with -o.")
    (folder / RUNS).mkdir(parents=True, exist_ok=True)
    write_json(folder / PLAN, about)
    points = design(settings)
    results: dict[str, Any] = {"shapes": {}, "left_out": {}, "cpu_s": {}}
    for source in _in_order(read_sources(data), settings.seed):
        if (done := len(results["shapes"])) == settings.shapes:
            break

        def report(fraction: float, message: str, done: int = done, name: str = source.name) -> None:
            progress((done + fraction) / settings.shapes, f"{name}, {message}")

        file = folder / RUNS / f"{source.name}.json"
        runs = _run_shape(source, file, settings, points, threads, patience_s, report)
        if "refused" in runs:
            results["left_out"][source.name] = runs["refused"]
            continue
        results["shapes"][source.name] = shares(points, [run["measures"] for run in runs["points"]])
        results["cpu_s"][source.name] = round(sum(run["cpu_s"] for run in runs["points"]), 1)
        write_json(folder / RESULTS, results)
        (folder / PAGE).write_text(page(settings, results), "utf-8")
    return results


def _in_order(sources: Sequence[Source], seed: int) -> list[Source]:
    """One shape of each patient, shuffled."""
    first = {source.patient: source for source in reversed(sources)}
    patients = sorted(first)
    return [first[patients[k]] for k in np.random.default_rng(seed).permutation(len(patients))]


def _run_shape(
    source: Source,
    file: Path,
    settings: UncertaintySettings,
    points: FloatArray,
    threads: int,
    patience_s: float | None,
    progress: Progress,
) -> dict[str, Any]:
    """The simulations of one shape, kept in `file` after each: {"points": [...]}, or {"refused": why}, which is kept where it
    stands whatever the patience.
    """
    runs: dict[str, Any] = read_json(file) if file.exists() else {"points": []}
    if "refused" in runs or len(runs["points"]) == len(points):
        return runs
    stage = ModelSettings()
    try:
        model = build_model(read_shape(source), stage)
        _refuse_unsuited(model, settings.resolution_mm)
        usual = sum(inlet.mean_flow_ml_s for inlet in set_boundary(model, BoundarySettings(), True).inlets)
        for number in range(len(runs["points"]), len(points)):
            if patience_s is not None and any(run["cpu_s"] > patience_s for run in runs["points"]):
                return {"refused": f"A simulation takes more than {patience_s:g} s of CPU time."}
            progress(number / len(points), f"simulation {number + 1} of {len(points)}")
            began = time.process_time()
            measures = _measures(model, stage, values_at(points[number]), usual, settings, threads)
            runs["points"].append({"measures": measures, "cpu_s": round(time.process_time() - began, 1)})
            write_json(file, runs)
    except AneuflowError as error:
        runs = {"refused": str(error)}
        write_json(file, runs)
    return runs


def _refuse_unsuited(model: LumenModel, resolution_mm: float) -> None:
    if model.aneurysm is None:
        raise MethodError("No aneurysm was found.")
    if sum(cap.role == "outlet" for cap in model.caps) < _LEAST_OUTLETS:
        raise MethodError("It has a single outlet, to which all blood goes whatever is assumed of outlets.")
    narrowest = min(2.0 * cap.radius_mm for cap in model.caps) + 2.0 * min(axis.low for axis in UNCERTAIN if axis.name == WALL)
    if narrowest < _LEAST_CELLS * resolution_mm:
        raise MethodError(
            f"Its narrowest end has {narrowest:.2f} mm with the wall moved inward, under {_LEAST_CELLS:g} cells of the lattice."
        )


def _measures(
    model: LumenModel,
    stage: ModelSettings,
    values: Mapping[str, float],
    usual: float,
    settings: UncertaintySettings,
    threads: int,
) -> dict[str, float]:
    """What is asked of the flow at one point of the design; usual: the inflow by the artery's size, mL/s."""
    vessel = moved_wall(model, values[WALL], stage)
    given = BoundarySettings(
        flow_ml_s=values["flow_factor"] * usual,
        murray_exponent=values["outlet_exponent"],
        viscosity=f"newtonian:{1e-3 * values['viscosity_mpa_s']:.6g}",
    )
    flow = FlowSettings(resolution_mm=settings.resolution_mm, steady=settings.steady, threads=threads)
    solution = simulate(vessel, set_boundary(vessel, given, settings.steady), flow)
    return {measure.id: measure.value for measure in solution.measures if measure.id in ASKED}
