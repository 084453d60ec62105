"""The queue: jobs are put in, taken by one worker each, watched, and ended once. Pure database work, in any process."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from aneuflow.service import traces
from aneuflow.service.models import Case, Job, Project
from aneuflow.service.problems import Problem

INTAKE, ASSESS = "intake", "assess"
ACTIVE = ("queued", "running")
LOST = "Its worker was lost {attempts} times; ask the administrator to look at the machine, then start it again."
# How long the stages of a whole run take beside each other, measured on the bundled case; only the bar is made from it.
_WEIGHTS = {
    "import": 0.03, "segment": 0.05, "model": 0.08, "measure": 0.06, "boundary": 0.01, "predict": 0.01,
    "simulate": 0.55, "grade": 0.06, "report": 0.15, "views": 0.01,
}  # fmt: skip
STAGES = tuple(_WEIGHTS)


def check_quota(session: Session, project_id: str) -> None:
    """Raises Problem where the project's queue is full."""
    project = session.get_one(Project, project_id)
    queued = session.scalar(
        select(func.count()).select_from(Job).where(Job.project_id == project.id, Job.state == "queued")
    )  # fmt: skip
    if (queued or 0) >= project.queued_quota:
        raise Problem(409, "queue_full", project=project.name, count=queued)


def submit(session: Session, case: Case, kind: str, user_id: str, settings: Mapping[str, Any], **more: Any) -> Job:
    """Queue work on a case. Raises Problem where the case has work already; the quota is for who asks to check."""
    session.refresh(case, with_for_update=True)
    if session.scalar(select(Job.id).where(Job.case_id == case.id, Job.state.in_(ACTIVE))) is not None:
        raise Problem(409, "computing", label=case.label)
    job = Job(
        case_id=case.id,
        project_id=case.project_id,
        user_id=user_id,
        kind=kind,
        priority=case.priority,
        settings=dict(settings),
        traceparent=traces.current(),
        **more,
    )
    session.add(job)
    case.state, case.reason, case.changed = ("reading" if kind == INTAKE else "queued"), "", time.time()
    session.flush()
    return job


def claim(session: Session, worker: str, kind: str, uploads: Collection[str] = ()) -> Job | None:
    """Take the next job of this kind: the highest priority first, then the oldest; projects at their quota compute no more.

    `uploads`: those whose bytes the worker's machine holds; of intakes it takes no other.
    """
    running = select(Job.project_id, func.count().label("count")).where(Job.state == "running", Job.kind == ASSESS)
    busy = running.group_by(Job.project_id).subquery()
    waiting = (
        select(Job)
        .join(Project, Project.id == Job.project_id)
        .outerjoin(busy, busy.c.project_id == Job.project_id)
        .where(Job.state == "queued", Job.kind == kind)
        .order_by(Job.priority.desc(), Job.created)
        .limit(1)
        .with_for_update(skip_locked=True, of=Job)
    )
    has_room = func.coalesce(busy.c.count, 0) < Project.running_quota
    job = session.scalar(waiting.where(Job.upload_id.in_(uploads) if kind == INTAKE else has_room))
    if job is None or (kind == ASSESS and not _has_room(session, job.project_id)):
        return None
    now = time.time()
    job.state, job.worker, job.attempt, job.seen, job.started = "running", worker, job.attempt + 1, now, now
    job.stage, job.fraction, job.remaining_s = "", 0.0, None
    case = session.get_one(Case, job.case_id)
    case.state, case.changed = ("reading" if job.kind == INTAKE else "running"), now
    return job


def _has_room(session: Session, project_id: str) -> bool:
    """Whether the project may compute one more; who claim at once ask this one after the other."""
    project = session.get_one(Project, project_id, with_for_update=True)
    running = select(func.count()).select_from(Job)
    running = running.where(Job.project_id == project_id, Job.state == "running", Job.kind == ASSESS)
    return (session.scalar(running) or 0) < project.running_quota


def _mine(job: Job) -> Any:
    return (Job.id == job.id, Job.worker == job.worker, Job.attempt == job.attempt, Job.state == "running")


def is_held(session: Session, job: Job) -> bool:
    """Whether the job is still the caller's, which it then stays until the session's transaction ends."""
    return session.scalar(select(Job.id).where(*_mine(job)).with_for_update()) is not None


def report(session: Session, job: Job, stage: str, fraction: float, elapsed_s: float) -> bool | None:
    """Say that the job is alive and how far. True: it is to stop; None: it belongs to another by now, drop it."""
    done = overall(stage, fraction, job.last)
    remaining = elapsed_s * (1 - done) / done if done > 0.02 and elapsed_s > 3.0 else None
    values = {"seen": time.time(), "stage": stage, "fraction": done, "remaining_s": remaining}
    changed = session.execute(update(Job).where(*_mine(job)).values(**values))
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        return None
    return bool(session.scalar(select(Job.stop).where(Job.id == job.id)))


def overall(stage: str, fraction: float, last: str = "report") -> float:
    """How far a run is when one of its stages is so far."""
    if stage not in STAGES:
        return 0.0
    whole = sum(_WEIGHTS[name] for name in STAGES[1 : STAGES.index(last) + 1])
    before = sum(_WEIGHTS[name] for name in STAGES[1 : STAGES.index(stage)])
    return min(1.0, (before + fraction * _WEIGHTS[stage]) / whole) if stage != "import" else fraction


def finish(session: Session, job: Job, state: str, reason: str = "", failure: str = "") -> bool:
    """End a job that is still the caller's; False where it is not, and nothing was changed.

    `failure`: the traceback of what no code foresaw, for administrators.
    """
    return _leave(
        session,
        job,
        {"state": state, "reason": reason, "failure": failure, "ended": time.time(), "remaining_s": None, "stop": False},
    )


def _leave(session: Session, job: Job, values: Mapping[str, Any]) -> bool:
    state, reason = values["state"], values.get("reason", "")
    changed = session.execute(update(Job).where(*_mine(job)).values(**values))
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        return False
    case = session.get_one(Case, job.case_id)
    ends = {"done": "read" if job.kind == INTAKE else "done", "queued": "reading" if job.kind == INTAKE else "queued"}
    case.state, case.reason, case.changed = ends.get(state, state), reason, time.time()
    return True


def cancel(session: Session, case: Case) -> bool:
    """Stop the work on a case: what waits ends now, what runs is told to. False where there is none."""
    job = session.scalar(select(Job).where(Job.case_id == case.id, Job.state.in_(ACTIVE)).with_for_update())
    if job is None:
        return False
    if job.state == "queued":
        job.state, job.ended, case.state, case.changed = "canceled", time.time(), "canceled", time.time()
    else:
        job.stop = True
    return True


def requeue_lost(session: Session, lease_s: float, attempts: int) -> list[Job]:
    """Jobs whose worker fell silent wait again, or fail where that has happened too often."""
    lost = list(
        session.scalars(
            select(Job)
            .where(Job.state == "running", Job.seen < time.time() - lease_s)
            .with_for_update(skip_locked=True)
        )
    )  # fmt: skip
    for job in lost:
        give_back(session, job, attempts)
    return lost


def give_back(session: Session, job: Job, attempts: int, planned: bool = False) -> None:
    """Let a job whose worker was lost wait again; after too many times it fails. A planned stop is no loss."""
    losses = job.losses + (not planned)
    if job.stop:
        finish(session, job, "canceled")
    elif losses >= attempts:
        finish(session, job, "failed", LOST.format(attempts=losses))
    else:
        _leave(session, job, {"state": "queued", "stage": "", "seen": 0.0, "losses": losses})


def counts(session: Session) -> dict[tuple[str, str], int]:
    """How many jobs there are by kind and state."""
    found = session.execute(select(Job.kind, Job.state, func.count()).group_by(Job.kind, Job.state))
    return {(kind, state): count for kind, state, count in found}
