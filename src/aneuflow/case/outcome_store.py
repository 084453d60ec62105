"""What became of an aneurysm: outcome/outcome.json, apart from the clinical answers, for no grade may read it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from aneuflow.case.files import write_json
from aneuflow.case.folder import CaseFolder
from aneuflow.errors import InputError

FOLDER = "outcome"
_FILE = "outcome.json"


@dataclass(frozen=True)
class Outcome:
    """ruptured: whether the aneurysm was known to have ruptured on `day`; recorded: when that was written down (UTC)."""

    ruptured: bool
    day: date
    recorded: datetime


def read_outcomes(case: Path) -> tuple[Outcome, ...]:
    """All that was recorded, the last one last; it is the one that counts. Raises InputError where the file is damaged."""
    file = case / FOLDER / _FILE
    if not file.exists():
        return ()
    try:
        return TypeAdapter(tuple[Outcome, ...]).validate_json(file.read_bytes())
    except ValidationError:
        raise InputError(f"{file} cannot be read as outcomes; restore it or remove it and record the outcome again.") from None


def add_outcome(case: CaseFolder, ruptured: bool, day: date) -> Outcome:
    """Record what is known of a case; what was recorded before stays beside it. Raises InputError where the day is to come."""
    case.manifest()
    if day > date.today():
        raise InputError(f"The outcome of {case.path.name} is dated {day}, which is to come; correct the date.")
    with case.locked():
        outcome = Outcome(ruptured, day, datetime.now(UTC).replace(microsecond=0))
        kept = [*read_outcomes(case.path), outcome]
        with case.writing(FOLDER) as target:
            written = [{**asdict(one), "day": one.day.isoformat(), "recorded": one.recorded.isoformat()} for one in kept]
            write_json(target / _FILE, written)
    return outcome
