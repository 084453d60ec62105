"""A look at the model of resemblance over cases that were graded: folders of cases or a table; written as JSON, HTML, PDF."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from aneuflow import __version__
from aneuflow.case.files import read_json, write_json
from aneuflow.case.folder import CaseFolder
from aneuflow.case.outcome_store import read_outcomes
from aneuflow.errors import InputError
from aneuflow.report.text import Language
from aneuflow.risk.clinical import Answer, Number
from aneuflow.risk.learned import Model, model_in, origin_in, resemblance, shipped_model, shipped_origin
from aneuflow.risk.monitor import Monitoring, SeenCase, monitor

RISK_FILE = "risk.json"
_OUTCOMES = {"yes": True, "no": False, "": None}


@dataclass(frozen=True)
class Look:
    """What was found, and the page."""

    found: Monitoring
    page: Path


def look_at(source: Path, output: Path, own: Path | None = None, language: Language = "en") -> Look:
    """Monitor the model in the folder `own` (None: the one that ships) on cases and write monitoring.json, .html and .pdf.

    source: a case folder, a folder of cases, or a CSV table. Raises InputError where it is none or holds no graded case.
    """
    model, origin = (shipped_model(), shipped_origin()) if own is None else (model_in(own), origin_in(own))
    cases = seen_in_table(source, model) if source.is_file() else seen_in_folders(source)
    if not cases:
        raise InputError(f"{source} holds no case that was graded; run `aneuflow grade` first.")
    found = monitor(model, origin, cases)
    created = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    from aneuflow.report.monitoring import LookContent, build_look  # this late, as it draws

    report = build_look(LookContent(found, source.resolve().name, __version__, created), language)
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "monitoring.json", look_as_json(found))
    (output / "monitoring.html").write_text(report.html, "utf-8")
    if report.pdf is not None:
        (output / "monitoring.pdf").write_bytes(report.pdf)
    return Look(found, output / "monitoring.html")


def look_as_json(found: Monitoring) -> Any:
    """The look as JSON holds it: days as YYYY-MM-DD."""
    return TypeAdapter(Monitoring).dump_python(found, mode="json")


def seen_in_folders(folder: Path) -> list[SeenCase]:
    """The graded cases of a case folder or of the folders in it, in the order of their names; cases without a grade are left
    out.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is neither a folder of cases nor a CSV table; check the path.")
    places = [folder] if (folder / "case.json").is_file() else sorted(file.parent for file in folder.glob("*/case.json"))
    found = [_seen(CaseFolder(place)) for place in places]
    return [case for case in found if case is not None]


def _seen(case: CaseFolder) -> SeenCase | None:
    record = case.manifest().stages.get("grade")
    if record is None or record.state != "done":
        return None
    outcomes = read_outcomes(case.path)
    return seen_of(
        read_json(case.stage_folder(record.folder) / RISK_FILE),
        date.fromisoformat(record.ended[:10]) if record.ended else None,
        outcomes[-1].ruptured if outcomes else None,
    )


def seen_of(risk: Mapping[str, Any], day: date | None, ruptured: bool | None) -> SeenCase | None:
    """A case by its risk.json; None where nothing was graded: there is no aneurysm."""
    alike = risk["resemblance"]
    if alike is None:
        return None
    percent = alike["probability"]["value"]
    return SeenCase(day, alike["model"], risk["answers"], None if percent is None else percent / 100.0, ruptured)


def seen_in_table(path: Path, model: Model) -> list[SeenCase]:
    """The lines of a CSV table, whose columns are answers by name, `date` (YYYY-MM-DD) and `ruptured` (yes, no or empty).

    The model says each line's probability anew. Raises InputError naming the first line that is wrong.
    """
    try:
        rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"Table {path} cannot be read ({error}); give a UTF-8 CSV with a header.") from None
    kinds = {term["answer"]: term["kind"] for term in model.terms}
    if not rows or not set(kinds) & set(rows[0]):
        raise InputError(f"Table {path.name} has none of the columns {', '.join(kinds)}; name its columns so.")
    return [_line(row, kinds, model, f"Line {number} of {path.name}") for number, row in enumerate(rows, start=2)]


def _line(row: Mapping[str, str | None], kinds: Mapping[str, str], model: Model, where: str) -> SeenCase:
    given = {name: (row.get(name) or "").strip() for name in (*kinds, "date", "ruptured")}
    try:
        day = date.fromisoformat(given["date"]) if given["date"] else None
        ruptured = _OUTCOMES[given["ruptured"].lower()]
        answers: dict[str, Answer] = {
            name: None if not given[name] else _exactly(float(given[name])) if kind == "number" else given[name]
            for name, kind in kinds.items()
        }
    except (ValueError, KeyError) as error:
        raise InputError(f"{where} holds {error}, which is neither a number, a day, yes nor no; correct it.") from None
    chance = resemblance(model, answers, 0).probability.value
    shown = {name: given[name] for name in kinds if given[name]}
    return SeenCase(day, model.content["id"], shown, None if chance is None else chance / 100.0, ruptured)


def _exactly(value: float) -> Number:
    if not math.isfinite(value):
        raise ValueError(value)
    return Number(value, value, value)
