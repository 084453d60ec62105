"""`aneuflow train morphology`: the network that checks a sac's measures from points of the wall alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from aneuflow.cli.progress import shown_progress
from aneuflow.cli.train import train
from aneuflow.pipeline.morphology_shapes import prepare_shapes
from aneuflow.pipeline.train_morphology import evaluate, plan_training, results_text, train_network, write_card


def register(app: typer.Typer) -> None:
    train.command("morphology")(morphology)


def morphology(
    shapes: Annotated[Path, typer.Argument(metavar="SHAPES", help="Folder of `aneuflow database plan`; no flow is needed.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the network, its card and results.")],
    python: Annotated[
        Path | None, typer.Option("--python", help="Python that has torch and onnx, where this one has not.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, max=256, help="CPU threads; 0 leaves it to torch.")] = 0,
) -> None:
    """Train the network that checks the sac's measures, and calibrate it; run again it goes on where it stopped."""
    with shown_progress() as progress:
        records = prepare_shapes(shapes, output, progress("prepare"))
    counts = plan_training(output, records)
    typer.echo(", ".join(f"{split} {count}" for split, count in counts.items()) + " shapes")
    train_network(output, python or Path(sys.executable), threads)
    with shown_progress() as progress:
        results = evaluate(output, records, progress("evaluate"))
    write_card(output, results)
    typer.echo(results_text(results))
    typer.echo(f"Written: sac.onnx, morphology.json, their card and results to {output}")
