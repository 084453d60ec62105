"""`aneuflow train regions`: the network that marks regions of the wall, from readers' labels or a database of flows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from aneuflow.cli.progress import shown_progress
from aneuflow.cli.train import train
from aneuflow.pipeline.train_regions import evaluate_regions, prepare_regions, results_text, train_regions, write_card


def register(app: typer.Typer) -> None:
    train.command("regions")(regions)


def regions(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="Folder of case folders whose wall was painted, or one that `aneuflow database pack` wrote."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the network, its card and results.")],
    networks: Annotated[
        Path | None, typer.Option("--networks", help="Of a database: the folder of `aneuflow train surrogate` on it.")
    ] = None,
    python: Annotated[
        Path | None, typer.Option("--python", help="Python that has torch and onnx, where this one has not.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, max=256, help="CPU threads; 0 leaves it to torch.")] = 0,
) -> None:
    """Train the network that marks regions of the wall: on what readers painted, or on the definitions' consensus."""
    with shown_progress() as progress:
        cases, agreement = prepare_regions(source, networks, output, progress("prepare"))
    typer.echo(f"{len(cases)} cases")
    train_regions(output, python or Path(sys.executable), threads)
    results = evaluate_regions(output, cases, agreement)
    write_card(output, results)
    typer.echo(results_text(results))
    typer.echo(f"Written: regions.onnx, its card and results to {output}")
