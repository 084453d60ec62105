"""`aneuflow assess`: the whole chain on one input, or on a list of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aneuflow.cli import options
from aneuflow.cli.progress import shown_progress
from aneuflow.cli.results import print_summary
from aneuflow.errors import InputError
from aneuflow.pipeline.batch import read_list, run_batch
from aneuflow.pipeline.run import assess as run_assess


def register(app: typer.Typer) -> None:
    app.command("assess")(assess)


def assess(
    input_path: Annotated[
        Path | None, typer.Argument(metavar="INPUT", help="Angiogram (NIfTI, NRRD, MHA, DICOM), label map or surface.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Case folder (with --batch: folder of cases).")] = None,
    batch: Annotated[
        Path | None, typer.Option("--batch", help="List of inputs, one path a line, or CSV: input,case,kind,units.")
    ] = None,
    mask: Annotated[bool, typer.Option("--mask", help="The input is a label map: 1 artery, 2 aneurysm.")] = False,
    units: Annotated[str | None, typer.Option("--units", help="Unit of a surface: mm, cm, m or auto.")] = None,
    modality: Annotated[str | None, typer.Option("--modality", help="CTA, MRA, 3DRA or auto.")] = None,
    settings: options.SettingsFile = None,
    segmenter: options.Segmenter = None,
    inlet: options.Inlet = None,
    neck_plane: options.NeckPlane = None,
    no_aneurysm: options.NoAneurysm = None,
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
    language: options.Language = None,
) -> None:
    """Assess an angiogram, a label map or a surface: model, shape, flow and report, into a case folder."""
    tables = options.tables_from(
        settings,
        input={"kind": "mask" if mask else None, "units": units, "modality": modality},
        segment={"segmenter": segmenter},
        model=options.model_table(inlet, neck_plane, no_aneurysm),
        boundary=options.boundary_table(flow, waveform, period, profile, outlets, density, viscosity),
        simulate=options.simulate_table(steady, resolution, cycles, threads),
        report={"language": language},
    )
    if output is None:
        raise InputError("No case folder is given; add -o CASE.")
    if (batch is None) == (input_path is None):
        raise InputError("Give either one INPUT or --batch LIST, not both or neither.")
    if batch is not None:
        with shown_progress() as progress:
            table = run_batch(read_list(batch), output, tables, progress("batch"))
        typer.echo(f"Table of all cases: {table}")
        return
    assert input_path is not None
    with shown_progress() as progress:
        run_assess(input_path, output, tables, progress)
    print_summary(output)
