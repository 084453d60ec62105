"""A case between the folder it is computed in and the store that keeps it: files by hash, the manifest in the database."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aneuflow.case.files import read_json, write_json
from aneuflow.case.folder import MANIFEST, CaseFolder, Manifest, file_hash
from aneuflow.case.label_store import is_label
from aneuflow.pipeline.settings import RECORDS, WAVEFORM_FOLDER
from aneuflow.service import jobs
from aneuflow.service.child import CASE, DICOM, IDENTITY, VIEWS
from aneuflow.service.dicom_series import keep_series
from aneuflow.service.models import Case, CaseFile, Job, UnusedObject
from aneuflow.service.monitoring import keep_graded
from aneuflow.service.problems import Problem
from aneuflow.service.retention import give_up
from aneuflow.service.system import System

# What lies beside the case folder and is kept with its files.
BESIDE = (VIEWS, DICOM)


@dataclass(frozen=True)
class Finding:
    """What a run has made in its folder: the stages that are current there, and whether the run is done."""

    folder: Path
    current: Collection[str]
    is_done: bool = True


def publish(system: System, case_id: str, found: Finding, holder: Job | None = None) -> None:
    """Keep the files of the current stages (and those beside them); what is kept already is not read again.

    Until a run is done nothing is taken away: a run that is canceled or fails in mid chain leaves the case as it was, not
    with numbers of two models beside each other. `holder`: the job that must still be its worker's when this is written.
    """
    case = CaseFolder(found.folder / CASE)
    if not case.exists():
        return
    manifest = case.manifest()
    manifest = _current_manifest(manifest, {*found.current, *given_folders(manifest)})
    known = _files(case, manifest, found.folder)
    with system.database.reading() as session:
        rows = session.scalars(select(CaseFile).where(CaseFile.case_id == case_id))
        kept = {row.path: row.sha256 for row in rows if not is_label(row.path)}
    if not found.is_done and not (kept.keys() <= known.keys() and _are_as_kept(known, kept)):
        return
    fresh = {path: (file, sha256) for path, (file, sha256) in known.items() if kept.get(path) != sha256}
    for file, sha256 in fresh.values():
        system.objects.add(file, sha256)
    with system.database.writing() as session:
        is_held = holder is None or jobs.is_held(session, holder)
        row = session.get(Case, case_id, with_for_update=True)
        if not is_held or row is None or row.deleted:
            return
        gone = [path for path in kept if path not in known]
        session.execute(delete(CaseFile).where(CaseFile.case_id == case_id, CaseFile.path.in_([*gone, *fresh])))
        session.add_all(
            CaseFile(case_id=case_id, path=path, sha256=sha256, size=file.stat().st_size)
            for path, (file, sha256) in fresh.items()
        )
        _take_and_give_up(system, session, fresh, {kept[path] for path in kept if path in fresh or path in gone})
        row.manifest, row.changed = asdict(manifest), time.time()
        row.settings = _given_settings(manifest)
        _summarize(row, case, manifest)
        keep_graded(session, case_id, case, manifest)
        keep_series(session, case_id, found.folder / DICOM)


def _given_settings(manifest: Manifest) -> dict[str, Any]:
    """The settings as users give them: which model grades is a matter of the system."""
    kept = {key: value for key, value in manifest.settings.get("grade", {}).items() if not key.startswith("model")}
    rest = {name: table for name, table in manifest.settings.items() if name != "grade"}
    return {**rest, "grade": kept} if kept else rest


def keep_file(system: System, case_id: str, path: str, file: Path) -> None:
    """Keep a file that no run makes, in place of the case's of that name. Raises Problem where the case is gone."""
    sha256 = file_hash(file)
    system.objects.add(file, sha256)
    with system.database.writing() as session:
        row = session.get(Case, case_id, with_for_update=True)
        if row is None or row.deleted:
            raise Problem(404, "no_case")
        before = session.get(CaseFile, (case_id, path))
        _take_and_give_up(system, session, {path: (file, sha256)}, set() if before is None else {before.sha256})
        session.merge(CaseFile(case_id=case_id, path=path, sha256=sha256, size=file.stat().st_size))


def given_folders(manifest: Manifest) -> set[str]:
    """What was given beside the input and is still named by the settings: a waveform, records."""
    boundary = manifest.settings.get("boundary", {})
    return {kind for kind in (WAVEFORM_FOLDER, *RECORDS) if kind in manifest.stages and boundary.get(kind)}


def _are_as_kept(known: Mapping[str, tuple[Path, str]], kept: Mapping[str, str]) -> bool:
    """Whether what was given is what the case is kept with, as far as it is kept."""
    given = tuple(f"{kind}/" for kind in (WAVEFORM_FOLDER, *RECORDS))
    return all(kept.get(path, sha256) == sha256 for path, (_, sha256) in known.items() if path.startswith(given))


def _current_manifest(manifest: Manifest, current: Collection[str]) -> Manifest:
    """The manifest without stages that are not current; of a failed one its reason alone stays."""
    stages = {
        name: record if name in current else replace(record, outputs={})
        for name, record in manifest.stages.items()
        if name in current or record.state == "failed"
    }
    return replace(manifest, stages=stages)


def _files(case: CaseFolder, manifest: Manifest, folder: Path) -> dict[str, tuple[Path, str]]:
    known = {
        f"{record.folder}/{name}": (case.path / record.folder / name, sha256)
        for record in manifest.stages.values()
        for name, sha256 in record.outputs.items()
    }
    for name in BESIDE:
        files = [file for file in (folder / name).rglob("*") if file.is_file() and not file.name.startswith(".")]
        known |= {file.relative_to(folder).as_posix(): (file, file_hash(file)) for file in files}
    return known


def _take_and_give_up(system: System, session: Session, fresh: Mapping[str, tuple[Path, str]], old: set[str]) -> None:
    """Settle with whoever removes unused objects: what is taken is unused no more, and there even if it was just removed."""
    taken = {sha256 for _, sha256 in fresh.values()}
    session.execute(delete(UnusedObject).where(UnusedObject.sha256.in_(taken)))
    for file, sha256 in fresh.values():
        system.objects.add(file, sha256)
    give_up(session, old - taken, time.time())


def _summarize(row: Case, case: CaseFolder, manifest: Manifest) -> None:
    """The numbers the worklist shows; they are copies, the case's files are the source."""
    done = {record.folder for record in manifest.stages.values() if record.state == "done"}
    row.diameter_mm, row.grade = None, ""
    if "morphology" in done:
        measures = read_json(case.path / "morphology" / "morphology.json")["quantities"]
        row.diameter_mm = next((entry["value"] for entry in measures if entry["id"] == "maximum_diameter"), None)
    if "risk" in done:
        grade = read_json(case.path / "risk" / "risk.json")["grade"]
        row.grade = (grade and grade["grade"]) or ""


def restore(system: System, case_id: str, folder: Path, only: Collection[str] | None = None) -> None:
    """Make the case's folder from the store, unless an earlier attempt has left it there; `only`: folders wanted of it."""
    if (folder / CASE / MANIFEST).exists():
        return
    with system.database.reading() as session:
        manifest = session.get_one(Case, case_id).manifest
        files = list(session.scalars(select(CaseFile).where(CaseFile.case_id == case_id)))
    for file in files:
        if only is not None and file.path.partition("/")[0] not in only:
            continue
        is_beside = file.path.partition("/")[0] in BESIDE
        target = folder / file.path if is_beside else folder / CASE / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        system.objects.fetch(file.sha256, target)
    if manifest is not None:
        write_json(folder / CASE / MANIFEST, manifest)


def seal_identity(system: System, folder: Path, holder: Job) -> None:
    """Move what the reader of an upload found about the patient into the sealed table, if there is still a case it is of."""
    file = folder / IDENTITY
    identity = json.loads(file.read_text("utf-8"))
    with system.database.writing() as session:
        is_held = jobs.is_held(session, holder)
        row = session.get(Case, holder.case_id, with_for_update=True)
        if is_held and row is not None and not row.deleted and any(identity.values()):
            system.pseudonyms.keep(holder.case_id, identity)
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
