"""`aneuflow predict`: the flow of a case by the surrogate, in seconds, with intervals."""

from __future__ import annotations

import typer

from aneuflow.case.files import read_json
from aneuflow.case.prediction_store import FOLDER
from aneuflow.case.store import notes_from_json
from aneuflow.cli import options
from aneuflow.cli.progress import shown_progress
from aneuflow.cli.results import print_ends
from aneuflow.cli.stages import Case
from aneuflow.pipeline.predict import predict_case, predicted_and_simulated
from aneuflow.pipeline.settings import Tables
from aneuflow.quantities import quantity
from aneuflow.report.text import note_text
from aneuflow.types import Measure


def register(app: typer.Typer) -> None:
    app.command("predict", help="Predict the blood flow by networks, in seconds, with intervals.")(
        options.taking("networks", "coarse", *options.BOUNDARY_OPTIONS)(predict)
    )


def predict(case: Case, *, tables: Tables) -> None:
    with shown_progress() as progress:
        ends = predict_case(case, tables, progress)
    print_ends(case, ends)
    typer.echo(f"  {'':<45} {'predicted':>12}  {'90 % interval':<22} {'simulated':>10}")
    for predicted, simulated in predicted_and_simulated(case):
        typer.echo(_line(predicted, simulated))
    for note in notes_from_json(read_json(case / FOLDER / "hemodynamics.json")["notes"]):
        typer.echo(note_text("en", note))


def _line(predicted: Measure, simulated: Measure | None) -> str:
    entry = quantity(predicted.id)
    name = entry.name_en if entry.unit == "1" else f"{entry.name_en}, {entry.unit}"
    interval = f"{predicted.low:.3g} to {predicted.high:.3g}"
    return f"  {name:<45} {predicted.value:>12.3g}  {interval:<22} {'' if simulated is None else f'{simulated.value:.3g}':>10}"
