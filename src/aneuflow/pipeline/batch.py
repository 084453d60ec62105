"""Many inputs one after the other, each in a process of its own, and one table of how they ended."""

from __future__ import annotations

import csv
import multiprocessing
import os
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aneuflow.case.files import read_json
from aneuflow.case.folder import CaseFolder
from aneuflow.case.prediction_store import FOLDER, STAGE
from aneuflow.errors import AneuflowError, InputError
from aneuflow.pipeline.run import IMPORT, assess, current_stages
from aneuflow.pipeline.settings import Tables, settings_from
from aneuflow.pipeline.stages import SIMULATE, STAGE_NAMES
from aneuflow.types import Progress

TABLE_FILES = ("batch.csv", "measures.csv")
LIST_COLUMNS = ("input", "case", "kind", "units", "modality")
TIMED = (IMPORT, *STAGE_NAMES, STAGE)


@dataclass(frozen=True)
class BatchEntry:
    """One input of a list, the name of its case, and how it is to be read where the list says so."""

    path: Path
    case: str
    input_settings: dict[str, str]


@dataclass(frozen=True)
class BatchEnd:
    """The path of the table, how many cases there were, and how many of them failed."""

    table: Path
    count: int
    failed: int


def read_list(path: Path) -> list[BatchEntry]:
    """The entries of a list: a path a line, or CSV with the header input[,case][,kind][,units][,modality].

    Paths are relative to the list. Raises InputError where the list is missing, empty or has unknown columns.
    """
    try:
        lines = [line for line in path.read_text("utf-8-sig").splitlines() if line.strip() and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"List {path} cannot be read ({error}); give a text file with one input path a line.") from error
    if not lines:
        raise InputError(f"List {path} is empty; write one input path a line.")
    if lines[0].split(",")[0].strip() == "input":
        try:
            rows = list(csv.DictReader(lines, skipinitialspace=True))
        except csv.Error as error:
            raise InputError(f"List {path} is no CSV table ({error}); correct it.") from error
        if not rows:
            raise InputError(f"List {path} has a header and no inputs; write one input a line.")
        longer = next((row["input"] for row in rows if None in row), None)
        if longer is not None:
            raise InputError(f'List {path} has more cells than columns in the line of {longer}; quote a path as "a, b.nii".')
        unknown = set(rows[0]) - set(LIST_COLUMNS)
        if unknown:
            raise InputError(f"List {path} has unknown column {sorted(unknown)[0]}; known: {', '.join(LIST_COLUMNS)}.")
    else:
        rows = [{"input": line.strip()} for line in lines]
    entries: list[BatchEntry] = []
    taken: set[str] = set()
    for row in rows:
        if not row["input"]:
            raise InputError(f"List {path} has a line without an input; write its path or leave the line out.")
        source = path.parent / row["input"]
        name = row.get("case") or source.name.removesuffix(".gz").rsplit(".", 1)[0]
        if name in ("", ".", "..", *TABLE_FILES) or "/" in name or "\0" in name + row["input"]:
            raise InputError(f"List {path} names a case {name!r}; a case name is one plain folder name, other than a table's.")
        unique = next(n for n in (name, *(f"{name}-{i}" for i in range(2, len(rows) + 2))) if n not in taken)
        taken.add(unique)
        chosen = {key: row[key] for key in ("kind", "units", "modality") if row.get(key)}
        entries.append(BatchEntry(source, unique, chosen))
    return entries


def _end_with_parent() -> None:
    """Ends this process when the batch is gone: a killed batch would else leave a solver running unseen."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _child(entry: BatchEntry, case: Path, tables: Tables, answer: Connection) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        assess(entry.path, case, {**tables, "input": {**tables.get("input", {}), **entry.input_settings}})
        answer.send((0, ""))
    except AneuflowError as error:
        answer.send((error.exit_code, str(error)))
    except KeyboardInterrupt:
        answer.close()  # the parent was interrupted too and says so
    except OSError as error:
        answer.send((4, f"Cannot use {error.filename}: {error.strerror}; check path, permission and free space."))
    except Exception as error:  # its message may quote a patient's name
        answer.send((1, f"Failed in an unforeseen way ({type(error).__name__}); run the case alone to see where."))


def _assess_apart(entry: BatchEntry, case: Path, tables: Tables) -> tuple[int, str]:
    """Exit code and reason; a crash of native code ends the child, not the batch."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(entry, case, tables, theirs))
    child.start()
    theirs.close()
    try:
        answer: tuple[int, str] = ours.recv()
    except EOFError:
        child.join()
        answer = (1, f"The process ended without an answer (exit code {child.exitcode}); run the case alone to see why.")
    except BaseException:
        child.terminate()
        raise
    finally:
        child.join()
    return answer


def _row(entry: BatchEntry, case: CaseFolder, code: int, reason: str, seconds: float) -> dict[str, Any]:
    try:
        stages = case.manifest().stages
    except (InputError, OSError):  # no case was begun, or what is there is none; the reason says so
        stages = {}
    ran = {name: stages[name].seconds for name in TIMED if name in stages}
    times = {f"{name}_s": round(ran[name], 1) if name in ran else "" for name in TIMED}
    state = "done" if code == 0 else "failed"
    # Of a case that was kept, what its stages took when they ran.
    total = round(max(seconds, sum(ran.values())), 1)
    return {"case": entry.case, "state": state, "exit_code": code, "total_s": total, **times, "reason": reason}


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(path)


def _measures(case: CaseFolder, name: str) -> list[dict[str, Any]]:
    flow = "flow" if SIMULATE.name in current_stages(case) else FOLDER
    files = (case.path / "morphology" / "morphology.json", case.path / flow / "hemodynamics.json")
    return [{"case": name, **entry} for file in files for entry in read_json(file)["quantities"]]


def run_batch(entries: list[BatchEntry], folder: Path, tables: Tables, progress: Progress) -> BatchEnd:
    """Assess every entry into folder/<case>; cases that are still valid are kept.

    folder/batch.csv has every case's state, times and reason of failure, folder/measures.csv all numbers of the cases that
    ended well; both grow as the batch goes on.
    """
    settings_from(tables)
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    measures: list[dict[str, Any]] = []
    for count, entry in enumerate(entries):
        progress(count / len(entries), f"{entry.case}, {count + 1} of {len(entries)}")
        start = time.monotonic()
        case = CaseFolder(folder / entry.case)
        code, reason = _assess_apart(entry, case.path, tables)
        rows.append(_row(entry, case, code, reason, time.monotonic() - start))
        _write_table(folder / "batch.csv", rows)
        if code == 0:
            measures += _measures(case, entry.case)
            _write_table(folder / "measures.csv", measures)
    progress(1.0, "batch")
    return BatchEnd(folder / "batch.csv", len(rows), sum(row["state"] != "done" for row in rows))
