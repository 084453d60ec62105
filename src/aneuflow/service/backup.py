"""The whole system in a folder and back: rows as lines of JSON, objects by hash. Also the way from one form to another.

A backup holds no key: what is sealed in it needs the key file of the system it was made of.
"""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.orm import Session

from aneuflow import __version__
from aneuflow.case.files import read_json, write_json
from aneuflow.case.folder import file_hash
from aneuflow.errors import InputError, ResourceError
from aneuflow.service import audit, jobs
from aneuflow.service.database import migrations
from aneuflow.service.models import Base, Case, CaseFile, Job, ProviderSignIn, SignIn, Upload, User, Worker
from aneuflow.service.objects import Objects, StoreAway
from aneuflow.service.seal import Seal
from aneuflow.service.settings import ServiceSettings
from aneuflow.service.system import System
from aneuflow.types import Progress

CONTENTS, PSEUDONYMS = "backup.json", "pseudonyms"
LOST_UPLOAD = "Its upload had not been read when the backup was made; upload it again."
# Of the moment: who is signed in, which machines are there.
_LEFT_OUT = {SignIn.__tablename__, ProviderSignIn.__tablename__, Worker.__tablename__}
_ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class Backup:
    """What a backup holds."""

    made: float
    rows: int
    objects: int


def back_up(system: System, folder: Path, tell: Progress) -> Backup:
    """Copy the system into the folder; the server may run meanwhile. Raises InputError where other things lie there.

    Into the folder of an earlier backup only new objects are copied, and what is gone from the system leaves it. Until the
    new one is whole, the earlier one stays.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / CONTENTS).exists() and not (folder / "objects").exists():
        raise InputError(f"Folder {folder} holds something other than a backup; give a new one.")
    store = _store(system, folder)
    _copy(system.objects, store, _hashes(system), lambda part: tell(0.9 * part, "objects"), strict=False)
    rows = Path(tempfile.mkdtemp(prefix="rows-", dir=folder))
    with system.database.reading() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        tables = {table.name: _write(rows / f"{table.name}.jsonl", _rows(session, table)) for table in _tables()}
        kept = sorted(set(session.scalars(select(CaseFile.sha256))))
    sealed = ([case_id, base64.b64encode(content).decode(), at] for case_id, content, at in system.pseudonyms.sealed())
    tables[PSEUDONYMS] = _write(rows / f"{PSEUDONYMS}.jsonl", sealed)
    _copy(system.objects, store, kept, lambda part: tell(0.9 + 0.1 * part, "objects"))  # those that came meanwhile
    contents = {"version": __version__, "schema": _schema(), "made": time.time(), "rows": rows.name, "tables": tables}
    write_json(folder / CONTENTS, {**contents, "objects": len(kept)})
    for other in folder.glob("rows-*"):
        if other != rows:
            shutil.rmtree(other)
    for sha256 in set(store.names()) - set(kept):
        store.remove(sha256)
    return _summary(folder)


def restore_backup(system: System, folder: Path, tell: Progress) -> Backup:
    """Fill an empty system, of whatever form, with a backup.

    Raises InputError where the folder is no backup of this version's schema or the system is not empty, ResourceError where
    the backup is damaged or its key is missing. Until all of it is there, the system stays empty.
    """
    contents = _contents(folder)
    with system.database.reading() as session:
        if session.scalar(select(User.id).limit(1)) is not None:
            raise InputError("There are users in this system already; restore into an empty one.")
    rows = folder / contents["rows"]
    for name, known in contents["tables"].items():
        file = rows / f"{name}.jsonl"
        if not file.is_file() or file_hash(file) != known["sha256"]:
            raise ResourceError(f"File {file} of the backup is missing or damaged; take another backup.")
    pseudonyms = ((case_id, base64.b64decode(sealed), at) for case_id, sealed, at in _lines(rows / f"{PSEUDONYMS}.jsonl"))
    system.pseudonyms.take(pseudonyms)
    kept = sorted({line["sha256"] for line in _lines(rows / f"{CaseFile.__tablename__}.jsonl")})
    _copy(_store(system, folder), system.objects, kept, lambda part: tell(part, "objects"))
    with system.database.writing() as session:
        for table in _tables():
            session.execute(delete(table))  # the migration has put a first row into some
            lines = _lines(rows / f"{table.name}.jsonl")
            while batch := [line for _, line in zip(range(_ROWS_AT_ONCE), lines, strict=False)]:
                session.execute(insert(table), batch)
        _end_lost_uploads(session)
        if not audit.check(session).whole:
            raise ResourceError("The trail in the backup was changed after it was written; take another backup.")
    return _summary(folder)


def _end_lost_uploads(session: Session) -> None:
    """Bytes on their way in are no part of a backup: who sent them has to do it again."""
    lost = select(Job.case_id).where(Job.kind == jobs.INTAKE, Job.state.in_(jobs.ACTIVE))
    session.execute(update(Case).where(Case.id.in_(lost)).values(state="failed", reason=LOST_UPLOAD))
    is_lost = (Job.kind == jobs.INTAKE, Job.state.in_(jobs.ACTIVE))
    session.execute(update(Job).where(*is_lost).values(state="failed", reason=LOST_UPLOAD, ended=time.time()))
    session.execute(delete(Upload).where(Upload.case_id == ""))


def _tables() -> list[Table]:
    """Those that are kept, each after those it refers to."""
    return [table for table in Base.metadata.sorted_tables if table.name not in _LEFT_OUT]


def _schema() -> str:
    return str(ScriptDirectory.from_config(migrations()).get_current_head())


def _rows(session: Session, table: Table) -> Iterator[dict[str, Any]]:
    return (dict(row) for row in session.execute(select(table).execution_options(yield_per=1000)).mappings())


def _write(file: Path, rows: Iterator[Any]) -> dict[str, Any]:
    count = 0
    with file.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return {"rows": count, "sha256": file_hash(file)}


def _lines(file: Path) -> Iterator[Any]:
    with file.open(encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)


def _hashes(system: System) -> list[str]:
    with system.database.reading() as session:
        return sorted(set(session.scalars(select(CaseFile.sha256))))


def _store(system: System, folder: Path) -> Objects:
    """The objects of the backup: a folder store like any other, sealed where the system's is."""
    settings = ServiceSettings.model_construct(data=folder, seal_objects=system.settings.seal_objects)
    return Objects(settings, Seal(system.settings.seal_key.read_bytes()))


def _copy(source: Objects, target: Objects, hashes: list[str], tell: Callable[[float], None], strict: bool = True) -> None:
    """Copy what is not there yet, each checked on the way. Not `strict`: what is gone meanwhile is passed over."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "object"
        for number, sha256 in enumerate(hashes):
            tell(number / len(hashes))
            if not target.has(sha256):
                try:
                    source.fetch(sha256, file)
                except StoreAway:
                    raise
                except ResourceError:
                    if strict:
                        raise
                    continue
                target.add(file, sha256)


def _contents(folder: Path) -> dict[str, Any]:
    if not (folder / CONTENTS).is_file():
        raise InputError(f"Folder {folder} holds no whole backup ({CONTENTS} is missing); give one made by aneuflow backup.")
    contents: dict[str, Any] = read_json(folder / CONTENTS)
    if contents["schema"] != _schema():
        raise InputError(
            f"The backup in {folder} was made by aneuflow {contents['version']}, whose tables are others; restore it with that "
            "version and then upgrade."
        )
    return contents


def _summary(folder: Path) -> Backup:
    contents = read_json(folder / CONTENTS)
    return Backup(contents["made"], sum(table["rows"] for table in contents["tables"].values()), contents["objects"])
