"""`aneuflow model-change`: a new model of resemblance beside the present one, and the record of what was decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aneuflow.errors import InputError
from aneuflow.risk.change import Change, keep_change
from aneuflow.risk.learned import ORIGIN_FILE, Model, model_in, origin_in, shipped_model, shipped_origin
from aneuflow.risk.origin import Origin
from aneuflow.risk.train.change import Verdict, compare_on_locked
from aneuflow.risk.train.table import read_cohort, read_columns


def register(app: typer.Typer) -> None:
    app.command("model-change")(model_change)


def model_change(
    proposed: Annotated[Path, typer.Option("--to", help="Folder of `aneuflow train risk` with the new model.")],
    locked: Annotated[Path, typer.Option("--locked", help="CSV table of cases that neither model was trained on.")],
    by: Annotated[str, typer.Option("--by", help="Who decides; stands in the record and beside every grade by the model.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in a sentence.")],
    accept: Annotated[bool, typer.Option("--accept/--refuse", help="What is decided.")],
    present: Annotated[
        Path | None, typer.Option("--from", help="Folder with the present model; without it the one that ships.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", help="TOML file that says what the table's columns are (docs/risk.md).")
    ] = None,
) -> None:
    """Compare a new model with the present one on a locked set and record the decision; none is used without it."""
    if not by.strip() or not reason.strip():
        raise InputError("--by and --reason are empty; say who decides and why.")
    now = (shipped_model(), shipped_origin()) if present is None else _model(present)
    new = _model(proposed)
    if now[0].sha256 == new[0].sha256:
        raise InputError(f"Model {new[0].content['id']} is the present one; give another with --to.")
    cohort = read_cohort(locked, read_columns(columns) if columns is not None else None)
    verdict = Verdict(by.strip(), "accepted" if accept else "refused", reason.strip())
    change = compare_on_locked(now, new, cohort, verdict)
    keep_change(proposed, change)
    _print(change, proposed)


def _model(folder: Path) -> tuple[Model, Origin | None]:
    """A model with what is kept of its table, which one trained across sites has not."""
    return model_in(folder), origin_in(folder) if (folder / ORIGIN_FILE).exists() else None


def _print(change: Change, folder: Path) -> None:
    typer.echo(f"Locked set: {change.locked.cases} cases, {change.locked.ruptured} ruptured")
    if not change.locked.is_apart:
        typer.echo("Not checked: that it is apart from the training patients, for a model keeps no marks of its table.")
    for name, numbers in ((change.from_model.id, change.present), (change.to_model.id, change.proposed)):
        typer.echo(
            f"{name:<32} AUC {numbers['auc']:.3f} ({numbers['low']:.3f} to {numbers['high']:.3f})  "
            f"slope {numbers['calibration_slope']:.2f}  error {numbers['calibration_error']:.3f}  Brier {numbers['brier']:.3f}"
        )
    found = change.difference
    typer.echo(f"{'difference of AUC':<32}     {found['difference']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})")
    typer.echo(f"{change.decision.capitalize()} by {change.by}; recorded in {folder / 'changes.json'}")
