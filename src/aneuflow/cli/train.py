"""`aneuflow train ...`: models from a user's own data."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from aneuflow.cli.progress import shown_progress
from aneuflow.errors import InputError, ResourceError
from aneuflow.pipeline.evaluate_segmenter import evaluate_folds
from aneuflow.pipeline.train_segmenter import prepare, read_cohort_layout, train_fold
from aneuflow.pipeline.train_surrogate import (
    SurrogateTraining,
    evaluate,
    prepare_cases,
    results_text,
    train_beside,
    train_members,
)
from aneuflow.risk.learned import ORIGIN_FILE, model_in
from aneuflow.risk.origin import origin_text
from aneuflow.risk.train.image_features import read_retest
from aneuflow.risk.train.origin import origin_of
from aneuflow.risk.train.run import train_risk
from aneuflow.risk.train.table import read_cohort, read_columns
from aneuflow.risk.train.validate import ValidationPlan

train = typer.Typer(help="Train models on your own data.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(train, name="train")


@train.command("risk")
def risk(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="Cohort as CSV, one aneurysm a line (docs/risk.md).")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for model, cases, numbers and card.")],
    columns: Annotated[
        str | None,
        typer.Option("--columns", help="TOML file that says what the columns are, or a bundled one: bnaiar, aneurisk, ican."),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, max=100, help="Repeats of the outer cross-validation.")] = 3,
    folds: Annotated[int, typer.Option(min=2, max=20, help="Outer folds.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the folds.")] = 7,
    retest: Annotated[
        Path | None, typer.Option("--retest", help="File of `aneuflow radiomics --retest`, needed for image features.")
    ] = None,
) -> None:
    """Compare models of resemblance on a cohort, write the simplest that is not worse than the best, and its card."""
    described = read_columns(columns) if columns is not None else None
    cohort = read_cohort(table, described)
    reliable = read_retest(retest) if retest is not None else None
    with shown_progress() as progress:
        aliases = (described or {}).get("aliases")
        made = train_risk(cohort, ValidationPlan(repeats, folds, seed), aliases, progress("train"), reliable)
    files = {
        "resemblance.json": made.model,
        "resemblance-cases.csv": made.cases,
        "resemblance-training.json": made.origin,
        "results.json": json.dumps(made.results, indent=1, ensure_ascii=False) + "\n",
        "card.md": made.card,
    }
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (output / name).write_text(content, "utf-8")
    except OSError as error:
        raise ResourceError(f"Cannot write {output}: {error.strerror}; choose another folder with -o.") from error
    for name, result in made.results["candidates"].items():
        typer.echo(f"{name:<10} AUC {result['auc']:.3f} ({result['low']:.3f} to {result['high']:.3f})")
    typer.echo(f"Written: {made.results['shipped']}, with card and numbers, to {output}")


@train.command("reference")
def reference(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder with a model that was trained across sites.")],
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="This site's part of what it was trained on, as CSV.")],
    columns: Annotated[
        str | None, typer.Option("--columns", help="TOML file that says what the columns are, or a bundled one.")
    ] = None,
) -> None:
    """Keep beside a model the distributions and marks of this site's own table, which `aneuflow monitor` compares with."""
    if (model / ORIGIN_FILE).exists():
        raise InputError(f"{model / ORIGIN_FILE} is there already; it was kept when the model was trained.")
    known, cohort = model_in(model), read_cohort(table, read_columns(columns) if columns is not None else None)
    try:
        (model / ORIGIN_FILE).write_text(origin_text(origin_of(known.content, known.sha256, cohort)), "utf-8")
    except OSError as error:
        raise ResourceError(f"Cannot write {model / ORIGIN_FILE}: {error.strerror}; check permission and space.") from error
    typer.echo(f"Kept: {len(cohort)} cases in {model / ORIGIN_FILE}")


@train.command("segmenter")
def segmenter(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder in nnU-Net or Medical Decathlon layout.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for plan, folds, models and results.")],
    folds: Annotated[int, typer.Option(min=2, max=20, help="Folds of the cross-validation by patient.")] = 5,
    fold: Annotated[
        list[str] | None, typer.Option("--fold", help="Train this fold alone (0, 1, ... or all); may be repeated.")
    ] = None,
    epochs: Annotated[
        int, typer.Option(min=1, max=10000, help="Epochs at most; fewer where validation no longer gains.")
    ] = 200,
    name: Annotated[str, typer.Option("--name", help="What the model calls itself.")] = "segmenter",
    python: Annotated[
        Path | None, typer.Option("--python", help="Python that has torch and onnx, where this one has not.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, max=256, help="CPU threads; 0 leaves it to torch.")] = 0,
) -> None:
    """Train a segmenter on labeled angiograms, cross-validated by patient; run again it goes on where it stopped."""
    cohort = read_cohort_layout(data)
    with shown_progress() as progress:
        made = prepare(cohort, output, folds, epochs, progress("prepare"))
    chosen = fold or [*made, "all"]
    for each in chosen:
        typer.echo(f"Fold {each}")
        train_fold(output, each, python or Path(sys.executable), name, threads)
    with shown_progress() as progress:
        results = evaluate_folds(output, [each for each in chosen if each != "all"], progress("evaluate"))
    for measure, value in results["mean"].items():
        typer.echo(f"{measure:<24} {value:.3f}")
    typer.echo(f"Models: {', '.join(str(output / f'fold-{each}' / 'model.onnx') for each in chosen)}")


@train.command("surrogate")
def surrogate(
    compact: Annotated[Path, typer.Argument(metavar="COMPACT", help="Folder that `aneuflow database pack` wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the networks, their card and results.")],
    members: Annotated[int, typer.Option(min=1, max=20, help="Networks of each ensemble: given a coarse flow, and not.")] = 5,
    epochs: Annotated[
        int, typer.Option(min=1, max=10000, help="Epochs at most, a quarter for those given a coarse flow.")
    ] = 120,
    resolution: Annotated[float, typer.Option(min=0.05, max=1.0, help="Lattice spacing of the database, mm.")] = 0.24,
    python: Annotated[
        Path | None, typer.Option("--python", help="Python that has torch and onnx, where this one has not.")
    ] = None,
    threads: Annotated[
        int, typer.Option(min=0, max=256, help="CPU threads of a network, as many of which are trained at once as fit; 0: all.")
    ] = 0,
    beside: Annotated[
        bool,
        typer.Option("--beside", help="Train other networks and ones without a part of the input too, to be held against."),
    ] = False,
) -> None:
    """Train the flow surrogate, calibrate it, and hold it against simpler answers; run again it goes on where it stopped."""
    training = SurrogateTraining(members, epochs, resolution)
    with shown_progress() as progress:
        counts = prepare_cases(compact, output, training, progress("prepare"))
    typer.echo(", ".join(f"{split} {count}" for split, count in counts.items()) + " cases")
    train_members(output, members, python or Path(sys.executable), threads)
    if beside:
        train_beside(output, python or Path(sys.executable), threads)
    with shown_progress() as progress:
        results = evaluate(output, progress("evaluate"))
    typer.echo(results_text(results))
    typer.echo(f"Written: {2 * members} networks, their card and results to {output}")
