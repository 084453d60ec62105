"""`aneuflow verify`: how accurate the solver is, by exact problems, references and experiments."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from aneuflow.cli import options
from aneuflow.cli.progress import shown_progress
from aneuflow.flow.setup import thread_count
from aneuflow.verification.cases import all_cases
from aneuflow.verification.page import asked, number, written
from aneuflow.verification.run import Judged, Wanted
from aneuflow.verification.run import verify as run_cases

DATA_VARIABLE = "ANEUFLOW_SHARED_DATA"
EXIT_GATE_MISSED = 1
_WIDTH = 120
_COLORS = {"fail": "red", "pass": "green", "aim": "green"}

Only = Annotated[list[str] | None, typer.Option("--only", help="Case to run; may be repeated. --list names them.")]
Quick = Annotated[bool, typer.Option("--quick", help="A part of it that takes less than three minutes on two cores.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="Folder for table, JSON and page; keeps what has ended.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", help=f"Folder of the reference data; else that of ${DATA_VARIABLE}, else shared/data."),
]
KeepOlder = Annotated[bool, typer.Option("--keep-older", help="Take finished runs over even if the code has changed since.")]
Stored = Annotated[bool, typer.Option("--stored", help="Write the pages from the runs that are kept; run nothing.")]
Show = Annotated[bool, typer.Option("--list", help="Name the cases and end.")]


def register(app: typer.Typer) -> None:
    app.command("verify")(verify)


def verify(
    quick: Quick = False,
    only: Only = None,
    output: Output = Path("verification"),
    data: Data = None,
    threads: options.Threads = None,
    keep_older: KeepOlder = False,
    stored: Stored = False,
    show: Show = False,
) -> None:
    """Measure the solver's accuracy; ends with code 1 where a gate was missed."""
    cases = all_cases()
    if show:
        for case in cases:
            typer.echo(f"{case.name:<22} {case.title}")
        return
    folder = data or Path(os.environ.get(DATA_VARIABLE, "shared/data"))
    wanted = Wanted(output, folder, thread_count(threads or 0), quick, tuple(only or ()), keep_older, not stored)
    with shown_progress() as progress:
        judged = run_cases(cases, wanted, progress)
    written(judged, wanted.code, wanted.threads, output)
    _print(judged)
    typer.echo(f"Page: {output / 'accuracy.html'}")
    if any(row.verdict == "fail" for one in judged for row in one.rows):
        raise typer.Exit(EXIT_GATE_MISSED)


def _print(judged: tuple[Judged, ...]) -> None:
    console = Console(width=_WIDTH)
    for one in judged:
        table = Table("what", "must", "aim", "reached", "", title=one.case.title, title_justify="left")
        for row in one.rows:
            unit = "" if row.unit in ("", "1") else f", {row.unit}"
            limits = (asked(row.gate.must, row.gate.least), asked(row.gate.aim, row.gate.least))
            table.add_row(row.what + unit, *limits, number(row.value), row.verdict, style=_COLORS.get(row.verdict))
        console.print(table)
        for name, why in one.not_run.items():
            console.print(f"not run: {name}, {why}", highlight=False)
