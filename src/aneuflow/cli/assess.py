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
from aneuflow.pipeline.settings import Tables


def register(app: typer.Typer) -> None:
    app.command("assess")(assess)


@options.taking(*options.OPTIONS)
def assess(
    tables: Tables,
    input_path: Annotated[
        Path | None, typer.Argument(metavar="INPUT", help="Angiogram (NIfTI, NRRD, MHA, DICOM), label map or surface.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Case folder (with --batch: folder of cases).")] = None,
    batch: Annotated[
        Path | None, typer.Option("--batch", help="List of inputs, one path a line, or CSV: input,case,kind,units.")
    ] = None,
) -> None:
    """Assess an angiogram, a label map or a surface: model, shape, flow and report, into a case folder."""
    if output is None:
        raise InputError("No case folder is given; add -o CASE.")
    if (batch is None) == (input_path is None):
        raise InputError("Give either one INPUT or --batch LIST, not both or neither.")
    if batch is not None:
        _assess_list(batch, output, tables)
        return
    assert input_path is not None
    with shown_progress() as progress:
        run_assess(input_path, output, tables, progress)
    print_summary(output)


def _assess_list(batch: Path, output: Path, tables: Tables) -> None:
    """All inputs of a list; a script learns from the exit code 1 that some failed, and from the table which and why."""
    with shown_progress() as progress:
        ended = run_batch(read_list(batch), output, tables, progress("batch"))
    typer.echo(f"Table of all cases: {ended.table}")
    if ended.failed:
        typer.echo(f"aneuflow: {ended.failed} of {ended.count} cases failed; the table says why.", err=True)
        raise typer.Exit(1)
