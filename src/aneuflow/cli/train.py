"""`aneuflow train ...`: models from a user's own data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from aneuflow.cli.progress import shown_progress
from aneuflow.errors import ResourceError
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
) -> None:
    """Compare models of resemblance on a cohort, write the simplest that is not worse than the best, and its card."""
    described = read_columns(columns) if columns is not None else None
    cohort = read_cohort(table, described)
    with shown_progress() as progress:
        made = train_risk(cohort, ValidationPlan(repeats, folds, seed), (described or {}).get("aliases"), progress("train"))
    files = {
        "resemblance.json": made.model,
        "resemblance-cases.csv": made.cases,
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
