"""The commands of `aneuflow`, put together; importing this takes seconds."""

from __future__ import annotations

import typer

from aneuflow import __version__
from aneuflow.cli import (
    assess,
    backup,
    bench,
    client,
    compare,
    database,
    edit,
    export,
    grade,
    model_change,
    monitor,
    outcome,
    pacs,
    predict,
    radiomics,
    serve,
    simulate_angiogram,
    stages,
    train,
    train_morphology,
    train_regions,
    verify,
)

app = typer.Typer(
    help="From an angiogram of an intracranial aneurysm to its shape, its blood flow and a report. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aneuflow {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version and end."),
) -> None:
    pass


_COMMANDS = (
    assess,
    stages,
    predict,
    edit,
    export,
    compare,
    pacs,
    verify,
    bench,
    grade,
    radiomics,
    train,
    train_regions,
    train_morphology,
    model_change,
    monitor,
    outcome,
    database,
    serve,
    backup,
    client,
    simulate_angiogram,
)
for command in _COMMANDS:
    command.register(app)
