"""A case between the folder it is computed in and the store that keeps it: files by hash, the manifest in the database."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aneuflow.case.files import read_json, write_json
from aneuflow.case.folder import CaseFolder, file_hash
from aneuflow.service.child import CASE, IDENTITY, VIEWS
from aneuflow.service.models import Case, CaseFile, Job, Project, Upload
from aneuflow.service.system import System

MANIFEST = "case.json"


def publish(system: System, case_id: str, folder: Path) -> None:
    """Keep all finished stages of the case in `folder` (and its views); what is kept already is not read again."""
    case = CaseFolder(folder / CASE)
    if not case.exists():
        return
    manifest = case.manifest()
    known = {
        f"{record.folder}/{name}": (case.path / record.folder / name, sha256)
        for record in manifest.stages.values()
        for name, sha256 in record.outputs.items()
    }
    views = folder / VIEWS
    if views.is_dir():
        files = [file for file in views.iterdir() if file.is_file() and not file.name.startswith(".")]
        known |= {f"{VIEWS}/{file.name}": (file, file_hash(file)) for file in files}
    with system.database.reading() as session:
        kept = {row.path: row.sha256 for row in session.scalars(select(CaseFile).where(CaseFile.case_id == case_id))}
    fresh = {path: (file, sha256) for path, (file, sha256) in known.items() if kept.get(path) != sha256 and file.is_file()}
    for file, sha256 in fresh.values():
        system.objects.add(file, sha256)
    with system.database.writing() as session:
        row = session.get(Case, case_id)
        if row is None or row.deleted:
            return
        gone = [path for path in kept if path not in known]
        session.execute(delete(CaseFile).where(CaseFile.case_id == case_id, CaseFile.path.in_([*gone, *fresh])))
        session.add_all(
            CaseFile(case_id=case_id, path=path, sha256=sha256, size=file.stat().st_size)
            for path, (file, sha256) in fresh.items()
        )
        row.manifest, row.changed = asdict(manifest), time.time()
        row.settings = manifest.settings
        _summarize(row, case)


def _summarize(row: Case, case: CaseFolder) -> None:
    """The numbers the worklist shows; they are copies, the case's files are the source."""
    done = {record.folder for record in case.manifest().stages.values() if record.state == "done"}
    if "morphology" in done:
        measures = read_json(case.path / "morphology" / "morphology.json")["quantities"]
        row.diameter_mm = next((entry["value"] for entry in measures if entry["id"] == "maximum_diameter"), None)
    if "risk" in done:
        grade = read_json(case.path / "risk" / "risk.json")["grade"]
        row.grade = (grade and grade["grade"]) or ""


def restore(system: System, case_id: str, folder: Path) -> None:
    """Make the case's folder from the store, unless an earlier attempt has left it there."""
    if (folder / CASE / MANIFEST).exists():
        return
    with system.database.reading() as session:
        manifest = session.get_one(Case, case_id).manifest
        files = list(session.scalars(select(CaseFile).where(CaseFile.case_id == case_id)))
    for file in files:
        target = folder / file.path if file.path.startswith(f"{VIEWS}/") else folder / CASE / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        system.objects.fetch(file.sha256, target)
    if manifest is not None:
        write_json(folder / CASE / MANIFEST, manifest)


def seal_identity(system: System, case_id: str, folder: Path) -> None:
    """Move what the reader of an upload found about the patient into the sealed table."""
    file = folder / IDENTITY
    identity = json.loads(file.read_text("utf-8"))
    if any(identity.values()):
        system.pseudonyms.keep(case_id, identity)
    file.unlink()


def read_file(system: System, session: Session, case_id: str, path: str) -> tuple[CaseFile, Iterator[bytes]] | None:
    """A file of a case and its content, checked; None where there is none of that name."""
    file = session.get(CaseFile, (case_id, path))
    return None if file is None else (file, system.objects.read(file.sha256))


def read_content(system: System, session: Session, case_id: str, path: str) -> Any:
    """A JSON file of a case, None where there is none."""
    found = read_file(system, session, case_id, path)
    if found is None:
        return None
    content = b"".join(found[1])
    return json.loads(gzip.decompress(content) if path.endswith(".gz") else content)


def purge_deleted(system: System, now: float) -> int:
    """Remove for good what was deleted longer ago than its project keeps it; gives how many cases that were."""
    with system.database.reading() as session:
        due = [
            case.id
            for case, days in session.execute(
                select(Case, Project.retention_days).join(Project).where(Case.deleted > 0)
            )
            if case.deleted + 86400 * days <= now
        ]  # fmt: skip
    for case_id in due:
        _purge(system, case_id)
    return len(due)


def _purge(system: System, case_id: str) -> None:
    system.pseudonyms.forget(case_id)
    with system.database.writing() as session:
        mine = set(session.scalars(select(CaseFile.sha256).where(CaseFile.case_id == case_id)))
        session.execute(delete(CaseFile).where(CaseFile.case_id == case_id))
        still = set(session.scalars(select(CaseFile.sha256).where(CaseFile.sha256.in_(mine))))
        session.execute(delete(Job).where(Job.case_id == case_id))
        session.execute(delete(Upload).where(Upload.case_id == case_id))
        session.execute(delete(Case).where(Case.id == case_id))
        for sha256 in mine - still:
            system.objects.remove(sha256)
