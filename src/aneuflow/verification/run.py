"""Runs trials, keeps what has ended, judges the cases."""

from __future__ import annotations

import ast
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aneuflow
from aneuflow.case.checkpoint import CheckpointFile
from aneuflow.errors import AneuflowError, InputError
from aneuflow.numerics.lattice import core
from aneuflow.types import Progress
from aneuflow.verification.trial import Case, Found, Gate, Means, Record, Row, Trial

RECORDS = "records"


@dataclass(frozen=True)
class Judged:
    """A case after its trials: those that ended, by name; why others were not run; why others failed."""

    case: Case
    records: Mapping[str, Record]
    not_run: Mapping[str, str]
    failed: Mapping[str, str]

    @property
    def found(self) -> dict[str, Found]:
        return {name: record.found for name, record in self.records.items()}

    @property
    def rows(self) -> tuple[Row, ...]:
        """The case's rows; a trial that failed is a row that failed, so that no worst-of hides it."""
        failed = tuple(Row(f"{name} did not end: {why}", "", Gate(), float("nan")) for name, why in self.failed.items())
        return (*self.case.judge(self.found), *failed)


@dataclass(frozen=True)
class Wanted:
    """What a call of `verify` runs, and with what."""

    folder: Path
    data: Path
    threads: int
    quick: bool = False
    only: tuple[str, ...] = ()
    keep_older: bool = False
    run: bool = True
    code: str = field(default_factory=lambda: code_fingerprint())


def verify(cases: Sequence[Case], wanted: Wanted, started: Callable[[str], Progress]) -> tuple[Judged, ...]:
    """Every case that is wanted, judged; trials whose record is kept in the folder are not run again.

    started: called with a trial's name, gives its progress callback. Raises InputError for a name in `only` that is no case.
    """
    unknown = [name for name in wanted.only if name not in {case.name for case in cases}]
    if unknown:
        names = ", ".join(case.name for case in cases)
        raise InputError(f'There is no case "{unknown[0]}" to verify; choose from {names}.')
    chosen = [case for case in cases if (not wanted.only or case.name in wanted.only) and (not wanted.quick or case.quick)]
    return tuple(_judged(case, wanted, started) for case in chosen)


def _judged(case: Case, wanted: Wanted, started: Callable[[str], Progress]) -> Judged:
    records: dict[str, Record] = {}
    not_run: dict[str, str] = {}
    failed: dict[str, str] = {}
    for trial in case.trials:
        missing = [path for path in trial.data if not (wanted.data / path).exists()]
        kept = kept_record(trial, wanted)
        if wanted.quick and trial.name not in case.quick:
            not_run[trial.name] = "not part of --quick"
        elif kept is not None:
            records[trial.name] = kept
        elif not wanted.run:
            not_run[trial.name] = "not run yet"
        elif missing:
            not_run[trial.name] = f"{missing[0]} is not under {wanted.data}"
        else:
            try:
                records[trial.name] = _ran(trial, wanted, started(trial.name))
            except AneuflowError as error:
                failed[trial.name] = str(error)
    return Judged(case, records, not_run, failed)


def _ran(trial: Trial, wanted: Wanted, progress: Progress) -> Record:
    folder = wanted.folder / RECORDS
    folder.mkdir(parents=True, exist_ok=True)
    state = CheckpointFile(folder / f"{trial.name}.state", record_key(trial, wanted.code))
    began, used = time.monotonic(), time.process_time()
    found = trial.run(Means(wanted.data, wanted.threads, state, progress))
    record = Record(found, time.monotonic() - began, time.process_time() - used, wanted.code)
    key = {"version": aneuflow.__version__, "settings": dict(trial.settings)}
    file = folder / f"{trial.name}.json"
    temporary = file.with_suffix(".writing")
    temporary.write_text(json.dumps(key | asdict(record), indent=1), "utf-8")
    temporary.replace(file)
    state.remove()
    progress(1.0, trial.name)
    return record


def kept_record(trial: Trial, wanted: Wanted) -> Record | None:
    """The record of this trial with these settings and this code (any code where `keep_older`), None where there is none."""
    try:
        stored: dict[str, Any] = json.loads((wanted.folder / RECORDS / f"{trial.name}.json").read_text("utf-8"))
        same = stored["settings"] == json.loads(json.dumps(dict(trial.settings))) and stored["version"] == aneuflow.__version__
        if not same or (stored["code"] != wanted.code and not wanted.keep_older):
            return None
        curves = {name: (list(x), list(y)) for name, (x, y) in stored["found"]["curves"].items()}
        return Record(Found(stored["found"]["numbers"], curves), stored["wall_seconds"], stored["cpu_seconds"], stored["code"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def record_key(trial: Trial, code: str) -> str:
    """SHA-256 over what a record depends on."""
    text = json.dumps([aneuflow.__version__, code, trial.name, dict(trial.settings)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def code_fingerprint() -> str:
    """SHA-256 over the compiled core and the source of the packages that the flow goes through, its first 16 digits."""
    total = hashlib.sha256(Path(core.__file__).read_bytes())
    for file in solver_sources():
        total.update(file.read_bytes())
    return total.hexdigest()[:16]


def solver_sources() -> list[Path]:
    """The Python files that a flow goes through: the package `flow` and what it imports of `numerics`."""
    root = Path(aneuflow.__file__).parent
    found, left = set[Path](), sorted((root / "flow").rglob("*.py"))
    while left:
        file = left.pop()
        found.add(file)
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aneuflow.numerics"):
                for name in (node.module, *(f"{node.module}.{one.name}" for one in node.names)):
                    place = root.joinpath(*str(name).split(".")[1:])
                    files = {place.with_suffix(".py"), place / "__init__.py"}
                    left += [one for one in files - found if one.is_file()]
    return sorted(found)
