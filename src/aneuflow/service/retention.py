"""What leaves the system: uploads that were read or left, cases past their retention, objects that no case uses."""

from __future__ import annotations

import contextlib
import shutil

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aneuflow.service import jobs
from aneuflow.service.models import Case, CaseFile, Job, Judgement, Project, UnusedObject, Upload
from aneuflow.service.system import System

UPLOAD_DAYS = 7
# Readers may still stream what a case gave up a moment ago, and a request may still be at work in its folder.
GRACE_S = 3600.0


def tidy(system: System, now: float) -> None:
    """Remove what no one needs: folders of ended jobs and requests, uploads read or left, cases past their retention."""
    with system.database.reading() as session:
        for folder in system.settings.work.iterdir():
            job = session.get(Job, folder.name)
            if job is None or job.state not in jobs.ACTIVE:
                shutil.rmtree(folder, ignore_errors=True)
    for folder in system.settings.passing.iterdir():
        with contextlib.suppress(FileNotFoundError):  # its request has ended meanwhile
            if folder.stat().st_mtime < now - GRACE_S:
                shutil.rmtree(folder, ignore_errors=True)
    _drop_uploads(system, now)
    purge_deleted(system, now)
    remove_unused(system, now)


def _drop_uploads(system: System, now: float) -> None:
    """An upload that has become a case is needed by that case's intake alone, however the intake ends."""
    # Listed before the database is asked: a file that came later is not judged by rows that were read earlier.
    files = list(system.settings.incoming.iterdir())
    with system.database.writing() as session:
        needed = set(session.scalars(select(Job.upload_id).where(Job.upload_id != "", Job.state.in_(jobs.ACTIVE))))
        left = Upload.created < now - 86400 * UPLOAD_DAYS
        session.execute(delete(Upload).where(Upload.case_id == "", left))
        open_ones = set(session.scalars(select(Upload.id).where(Upload.case_id == "")))
    for file in files:
        if file.name not in needed | open_ones:
            file.unlink(missing_ok=True)


def give_up(session: Session, hashes: set[str], now: float) -> None:
    """Note that a case has given up these objects."""
    for sha256 in sorted(hashes):
        session.merge(UnusedObject(sha256=sha256, since=now))


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
        with system.database.writing() as session:
            session.get(Case, case_id, with_for_update=True)
            give_up(session, set(session.scalars(select(CaseFile.sha256).where(CaseFile.case_id == case_id))), now)
            for table in (CaseFile, Job, Upload, Judgement):
                session.execute(delete(table).where(table.case_id == case_id))
            session.execute(delete(Case).where(Case.id == case_id))
            # Before the rows are gone for good: a name must not stay where nothing leads to it.
            system.pseudonyms.forget(case_id)
    if due:
        system.database.wipe_deleted()
    return len(due)


def remove_unused(system: System, now: float) -> int:
    """Remove objects that were given up over GRACE_S ago and that no case has taken since; gives how many those were.

    One transaction each: whoever takes the object meanwhile waits for it, and then finds that it is gone.
    """
    with system.database.reading() as session:
        due = list(session.scalars(select(UnusedObject.sha256).where(UnusedObject.since <= now - GRACE_S)))
    removed = 0
    for sha256 in due:
        with system.database.writing() as session:
            row = session.get(UnusedObject, sha256, with_for_update=True)
            if row is None or row.since > now - GRACE_S:
                continue
            if session.scalar(select(CaseFile.case_id).where(CaseFile.sha256 == sha256).limit(1)) is None:
                system.objects.remove(sha256)
                removed += 1
            session.delete(row)
    return removed
