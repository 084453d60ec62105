"""Doppler and pressure records in settings: where a command names a file, the API has its curves, with `cap` beside them."""

from __future__ import annotations

import base64
import binascii
import json
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aneuflow.boundary import parse_place, read_records, record_to_json
from aneuflow.errors import InputError
from aneuflow.pipeline.settings import RECORDS, Tables
from aneuflow.service.child import RECORD_FILE
from aneuflow.service.engine import LocalEngine, Ticket

RECORD = "record"
MOST_RECORDS = 16
_MEMORY_BYTES = 4 * 2**30
_LONGEST_S = 120.0
_POLL_S = 0.05
# Where a DICOM file has its mark there are blanks: whatever the curves hold, they are read as JSON.
_NO_PREAMBLE = " " * 132
# Each starts a process: they wait for each other.
_ONE_AT_A_TIME = threading.Lock()


def read_given(content: str, folder: Path) -> dict[str, Any]:
    """The curves of a record's file (CSV, JSON, DICOM waveform), given in base64: read in a process that is shut in.

    Nothing else of the file is kept: a header holds a patient's name. Raises what `read_record` raises.
    """
    try:
        given = base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise InputError("The record is not in base64; send the file's bytes so.") from None
    with _ONE_AT_A_TIME, tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name).absolute()
        (place / "given").write_bytes(given)
        ticket = Ticket(RECORD, str(place), {}, _MEMORY_BYTES, source=str(place / "given"), threads=1)
        run, end = LocalEngine().start(ticket), time.monotonic() + _LONGEST_S
        try:
            while not run.is_over() and time.monotonic() < end:
                time.sleep(_POLL_S)
            state, reason = run.seen().end or ("failed", "")
        finally:
            run.stop()
        if state != "done":
            raise InputError(reason or f"Reading the record took over {_LONGEST_S:.0f} s; give a shorter one.")
        record: dict[str, Any] = json.loads((place / RECORD_FILE).read_text("utf-8"))
        return record


def without_records(tables: Tables) -> tuple[dict[str, dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """Settings without records, and the records by kind. Raises InputError where one is a name instead of its curves."""
    rest = {name: dict(table) for name, table in tables.items()}
    given = {kind: rest["boundary"].pop(kind) for kind in RECORDS if kind in rest.get("boundary", {})}
    for kind, records in given.items():
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise InputError(f"Setting boundary.{kind} cannot name files here; give each record's curves with its cap.")
        if len(records) > MOST_RECORDS:
            raise InputError(f"Setting boundary.{kind} has {len(records)} records; give at most {MOST_RECORDS}.")
    return rest, given


def with_records(tables: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, dict[str, Any]]:
    """Settings in which records are named as a command names them: their curves are written into the new `folder`.

    Raises InputError where a cap is none.
    """
    rest, given = without_records(tables)
    for kind, records in given.items():
        folder.mkdir(exist_ok=True)
        rest["boundary"][kind] = [
            _written(record, folder / f"{kind}-{number}") for number, record in enumerate(records, start=1)
        ]
    return rest


def _written(record: Mapping[str, Any], file: Path) -> str:
    cap = record.get("cap")
    if cap is not None and (not isinstance(cap, int) or isinstance(cap, bool) or cap < 0):
        raise InputError(f"Record {file.name} has the cap {cap!r}; give the number of an open end, or leave it out.")
    content = json.dumps({key: value for key, value in record.items() if key != "cap"})
    file.write_text(_NO_PREAMBLE + content, "utf-8")
    return f"{file.absolute()}" if cap is None else f"{cap}={file.absolute()}"


def plain_records(tables: Tables) -> dict[str, dict[str, Any]]:
    """The settings with nothing in their records but curves. Raises InputError as `read_records` does."""
    rest, given = without_records(tables)
    if not given:
        return rest
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        named = with_records({"boundary": given}, folder / "records")["boundary"]
        for kind, names in named.items():
            # Absolute paths stay what they are below any folder.
            found = read_records(folder, names)
            rest["boundary"][kind] = [
                {**({} if cap is None else {"cap": cap}), **record_to_json(found[cap])} for cap, _ in map(parse_place, names)
            ]
    return rest
