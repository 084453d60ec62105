"""`aneuflow compare`: two examinations of one patient."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from aneuflow.cli.progress import shown_progress
from aneuflow.errors import InputError
from aneuflow.pipeline.compare import compare_cases
from aneuflow.report.comparison import verdict_sentences
from aneuflow.report.text import Language


def register(app: typer.Typer) -> None:
    app.command("compare")(compare)


def compare(
    first: Annotated[Path, typer.Argument(metavar="CASE1", help="Case folder of the earlier examination.")],
    second: Annotated[Path, typer.Argument(metavar="CASE2", help="Case folder of the later examination.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the map of growth, the changes and the report.")],
    language: Annotated[str, typer.Option("--language", help="Language of the report: en or zh.")] = "en",
) -> None:
    """Compare two examinations of one aneurysm: laid over each other by the artery, has the sac grown?"""
    if language not in ("en", "zh"):
        raise InputError(f'--language "{language}" is not known; give en or zh.')
    with shown_progress() as progress:
        result = compare_cases(first, second, output, cast(Language, language), progress("compare"))
    for sentence in verdict_sentences(result.verdict, result.growth, "en"):
        typer.echo(sentence)
    typer.echo(f"Report: {output / 'report.html'}")
