"""One command a stage, on an existing case folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aneuflow.cli import options
from aneuflow.cli.progress import shown_progress
from aneuflow.cli.results import print_ends
from aneuflow.pipeline.run import run_stage
from aneuflow.pipeline.settings import Tables

Case = Annotated[Path, typer.Argument(metavar="CASE", help="Case folder made by `aneuflow assess`.")]


def register(app: typer.Typer) -> None:
    app.command("segment")(segment)
    app.command("model")(model)
    app.command("measure")(measure)
    app.command("boundary")(boundary)
    app.command("simulate")(simulate)
    app.command("report")(report)


def _run(case: Path, stage: str, tables: Tables) -> None:
    with shown_progress() as progress:
        ends = run_stage(case, stage, tables, progress)
    print_ends(case, ends)


def segment(case: Case, settings: options.SettingsFile = None, segmenter: options.Segmenter = None) -> None:
    """Find the lumen in the case's image."""
    _run(case, "segment", options.tables_from(settings, segment={"segmenter": segmenter}))


def model(
    case: Case,
    settings: options.SettingsFile = None,
    inlet: options.Inlet = None,
    neck_plane: options.NeckPlane = None,
    no_aneurysm: options.NoAneurysm = None,
) -> None:
    """Build the capped lumen with centerlines, sac and ostium."""
    _run(case, "model", options.tables_from(settings, model=options.model_table(inlet, neck_plane, no_aneurysm)))


def measure(case: Case, settings: options.SettingsFile = None) -> None:
    """Measure the shape of aneurysm and artery."""
    _run(case, "measure", options.tables_from(settings))


def boundary(
    case: Case,
    settings: options.SettingsFile = None,
    flow: options.Flow = None,
    waveform: options.WaveformOption = None,
    period: options.Period = None,
    profile: options.Profile = None,
    outlets: options.Outlets = None,
    density: options.Density = None,
    viscosity: options.Viscosity = None,
    steady: options.Steady = None,
) -> None:
    """Set inflow, outlets and blood."""
    table = options.boundary_table(flow, waveform, period, profile, outlets, density, viscosity)
    _run(case, "boundary", options.tables_from(settings, boundary=table, simulate={"steady": steady}))


def simulate(
    case: Case,
    settings: options.SettingsFile = None,
    flow: options.Flow = None,
    waveform: options.WaveformOption = None,
    period: options.Period = None,
    profile: options.Profile = None,
    outlets: options.Outlets = None,
    density: options.Density = None,
    viscosity: options.Viscosity = None,
    steady: options.Steady = None,
    resolution: options.Resolution = None,
    cycles: options.Cycles = None,
    threads: options.Threads = None,
) -> None:
    """Compute the blood flow."""
    tables = options.tables_from(
        settings,
        boundary=options.boundary_table(flow, waveform, period, profile, outlets, density, viscosity),
        simulate=options.simulate_table(steady, resolution, cycles, threads),
    )
    _run(case, "simulate", tables)


def report(case: Case, settings: options.SettingsFile = None, language: options.Language = None) -> None:
    """Write the report as HTML and PDF."""
    _run(case, "report", options.tables_from(settings, report={"language": language}))
