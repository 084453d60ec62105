"""`aneuflow monitor`: whether the model of resemblance still meets the patients it was trained for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from aneuflow.errors import InputError
from aneuflow.pipeline.monitoring import look_at
from aneuflow.report.monitoring import alert_sentences, headline
from aneuflow.report.text import Language


def register(app: typer.Typer) -> None:
    app.command("monitor")(monitor)


def monitor(
    cases: Annotated[
        Path, typer.Argument(metavar="CASES", help="Folder of graded cases, or a CSV table (docs/monitoring.md).")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for monitoring.json, .html and .pdf.")],
    model: Annotated[
        Path | None, typer.Option("--model", help="Folder of `aneuflow train risk`; without it the model that ships.")
    ] = None,
    language: Annotated[str, typer.Option("--language", help="Language of the page: en or zh.")] = "en",
) -> None:
    """Look for drift of the cases against the model's training table, and hold outcomes against what it said."""
    if language not in ("en", "zh"):
        raise InputError(f'--language "{language}" is not known; give en or zh.')
    look = look_at(cases, output, model, cast(Language, language))
    typer.echo(headline(look.found, "en"))
    for sentence in alert_sentences(look.found, "en"):
        typer.echo(f"  {sentence}")
    typer.echo(f"Page: {look.page}")
