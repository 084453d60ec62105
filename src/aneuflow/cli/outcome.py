"""`aneuflow outcome`: what became of aneurysms that were graded, by hand or from a table of the hospital."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from aneuflow.case.folder import CaseFolder
from aneuflow.case.outcome_store import add_outcome
from aneuflow.errors import InputError

COLUMNS = ("case", "ruptured", "date")
YES, NO = ("yes", "1", "true"), ("no", "0", "false")


def register(app: typer.Typer) -> None:
    app.command("outcome")(outcome)


def outcome(
    case: Annotated[Path, typer.Argument(metavar="CASE", help="Case folder; with --table the folder that holds the cases.")],
    ruptured: Annotated[bool | None, typer.Option("--ruptured/--unruptured", help="What is known of the aneurysm.")] = None,
    day: Annotated[str | None, typer.Option("--date", help="Day on which that was known, YYYY-MM-DD.")] = None,
    table: Annotated[
        Path | None, typer.Option("--table", help="CSV with the columns case, ruptured (yes or no) and date; one case a line.")
    ] = None,
) -> None:
    """Record whether an aneurysm was found ruptured, for the monitoring of the model; no grade reads it."""
    if table is not None:
        if ruptured is not None or day is not None:
            raise InputError("--table has outcomes and dates of its own; leave --ruptured, --unruptured and --date out.")
        rows = read_outcome_table(table)
        for name, _, _ in rows:
            if not (case / name / "case.json").is_file():
                raise InputError(f"Table {table.name} names case {name!r}, which is not in {case}; correct it.")
        for name, found, on in rows:
            add_outcome(CaseFolder(case / name), found, on)
        typer.echo(f"Recorded: {len(rows)} outcomes, {sum(found for _, found, _ in rows)} ruptured")
        return
    if ruptured is None or day is None:
        raise InputError("An outcome needs --ruptured or --unruptured and --date; give both, or --table.")
    add_outcome(CaseFolder(case), ruptured, parse_day(day, "--date"))
    typer.echo(f"Recorded: {'ruptured' if ruptured else 'unruptured'} on {day}")


def parse_day(text: str, where: str) -> date:
    """Raises InputError where the text is no day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{where} is {text!r}, which is no day; write it as 2026-05-31.") from None


def read_outcome_table(path: Path) -> list[tuple[str, bool, date]]:
    """(case, ruptured, day) of each line. Raises InputError naming the first line that is none."""
    try:
        rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"Table {path} cannot be read ({error}); give a UTF-8 CSV with {', '.join(COLUMNS)}.") from None
    if not rows or not set(COLUMNS) <= set(rows[0]):
        raise InputError(f"Table {path.name} needs the columns {', '.join(COLUMNS)} and a line a case; correct it.")
    found = []
    for number, row in enumerate(rows, start=2):
        said = (row["ruptured"] or "").strip().lower()
        name = (row["case"] or "").strip()
        if said not in YES + NO or not name or "/" in name or name.startswith("."):
            raise InputError(f"Line {number} of {path.name} has case {name!r} and ruptured {said!r}; give a name, yes or no.")
        found.append((name, said in YES, parse_day((row["date"] or "").strip(), f"The date in line {number} of {path.name}")))
    return found
