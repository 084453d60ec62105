"""For those who run the system: health, metrics, resources, the trail, and the sealed identities."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import func, select

from aneuflow import __version__
from aneuflow.errors import ResourceError
from aneuflow.report.text import Language, text
from aneuflow.service import audit, storage
from aneuflow.service.access import OnCase, OnProject, Open, Passed, SignedIn, SystemDoor
from aneuflow.service.costs import case_cost
from aneuflow.service.jobs import counts
from aneuflow.service.metrics import exposition
from aneuflow.service.models import AuditEntry, CaseFile, Job, Worker
from aneuflow.service.problems import Problem
from aneuflow.service.system import system_of

router = APIRouter()


@router.get("/health", dependencies=[Depends(Open())])
def health() -> dict[str, str]:
    return {"status": "up"}


@router.get("/ready", dependencies=[Depends(Open())])
def ready(request: Request) -> dict[str, str]:
    system = system_of(request)
    if not system.database.answers() or not system.objects.answers():
        raise Problem(503, "not_ready")
    return {"status": "ready", "version": __version__}


@router.get("/metrics", dependencies=[Depends(SystemDoor())])
def metrics(request: Request) -> Response:
    return Response(exposition(system_of(request)), media_type="text/plain; version=0.0.4")


@router.get("/api/resources", dependencies=[Depends(SignedIn())])
def see_resources(request: Request) -> dict[str, Any]:
    """The machines that compute, the queue, what is stored, and what the last cases took of a worker's time."""
    with system_of(request).database.reading() as session:
        workers = [
            {column.name: getattr(worker, column.name) for column in Worker.__table__.columns}
            for worker in session.scalars(select(Worker).where(Worker.seen > time.time() - 60))
        ]
        queue = [{"kind": kind, "state": state, "count": count} for (kind, state), count in counts(session).items()]
        distinct = select(CaseFile.sha256, func.max(CaseFile.size).label("size")).group_by(CaseFile.sha256).subquery()
        stored = session.execute(select(func.count(), func.coalesce(func.sum(distinct.c.size), 0))).one()
        cost = case_cost(session)
    return {"workers": workers, "queue": queue, "objects": stored[0], "stored_bytes": int(stored[1]), "cost": asdict(cost)}


@router.get("/api/storage", dependencies=[Depends(SystemDoor())])
def see_storage(request: Request, language: Language = "en") -> dict[str, Any]:
    """The store's servers, free bytes, volumes and those that lack copies, its growth, and what somebody should see to.

    `store` is null where only its own provider can tell of it; `days_left` where nobody knows.
    """
    system = system_of(request)
    with system.database.reading() as session:
        bytes_a_day = storage.growth(session, time.time())
    try:
        store = storage.look(system.settings)
    except ResourceError as error:
        return {"store": None, "bytes_a_day": bytes_a_day, "days_left": None, "warnings": [str(error)]}
    if store is None:
        return {"store": None, "bytes_a_day": bytes_a_day, "days_left": None, "warnings": []}
    found = [text(language, f"storage.{key}", **values) for key, values in storage.warnings(store, bytes_a_day)]
    shown = {**asdict(store), "free_bytes": store.free_bytes}
    return {"store": shown, "bytes_a_day": bytes_a_day, "days_left": storage.days_left(store, bytes_a_day), "warnings": found}


@router.get("/api/projects/{project_id}/audit")
def see_project_audit(
    request: Request,
    passed: Annotated[Passed, Depends(OnProject("audit"))],
    before: Annotated[int, Query(ge=0, le=2**62)] = 2**62,
) -> list[dict[str, Any]]:
    """The last 200 lines of the trail about a project, before the number `before`."""
    with system_of(request).database.reading() as session:
        chosen = select(AuditEntry).where(AuditEntry.project_id == passed.project.id, AuditEntry.number < before)
        found = session.scalars(chosen.order_by(AuditEntry.number.desc()).limit(200))
        return [{name: getattr(entry, name) for name in audit.FIELDS} for entry in found]


@router.get("/api/failures", dependencies=[Depends(SystemDoor())])
def list_failures(request: Request) -> list[dict[str, Any]]:
    """The last 50 failures that no code foresaw, with their tracebacks."""
    names = ("id", "case_id", "kind", "stage", "attempt", "ended", "failure")
    with system_of(request).database.reading() as session:
        found = session.scalars(select(Job).where(Job.failure != "").order_by(Job.ended.desc()).limit(50))
        return [{name: getattr(job, name) for name in names} for job in found]


@router.get("/api/audit/check", dependencies=[Depends(SystemDoor())])
def check_audit(request: Request) -> dict[str, Any]:
    """Whether the trail's chain is whole, and where it is broken."""
    with system_of(request).database.reading() as session:
        return dict(audit.check(session).__dict__)


@router.get("/api/audit", dependencies=[Depends(SystemDoor())])
def export_audit(request: Request) -> StreamingResponse:
    """The whole trail, one JSON object a line."""
    system = system_of(request)

    def export() -> Iterator[str]:
        with system.database.reading() as session:
            for line in audit.lines(session):
                yield json.dumps(line) + "\n"

    return StreamingResponse(export(), media_type="application/x-ndjson")


@router.get("/api/cases/{case_id}/identity")
def see_identity(request: Request, passed: Annotated[Passed, Depends(OnCase("manage"))]) -> dict[str, str]:
    """Whose images these are, from the sealed table; who asks stands in the trail."""
    assert passed.case is not None
    return system_of(request).pseudonyms.open(passed.case.id) or {}
