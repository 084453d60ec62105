"""Uploads, the worklist, a case with its numbers, files and history, and the work on it."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from aneuflow.boundary import is_bundled
from aneuflow.errors import InputError
from aneuflow.pipeline.settings import Tables, settings_from
from aneuflow.service import jobs
from aneuflow.service.access import PERMISSIONS, OnCase, OnProject, OnUpload, Passed, SignedIn, projects_of, standing_of
from aneuflow.service.accounts import Caller
from aneuflow.service.dicom_series import is_listed
from aneuflow.service.judgement import HIDING, Standing, is_shown_before, standings
from aneuflow.service.labels import may_see_file
from aneuflow.service.models import AuditEntry, Case, CaseFile, Job, Upload
from aneuflow.service.problems import Problem
from aneuflow.service.records import plain_records, read_given, without_records
from aneuflow.service.system import system_of

router = APIRouter()
SUFFIXES = r"^(|\.nii|\.nii\.gz|\.nrrd|\.mha|\.zip|\.dcm|\.ima|\.stl|\.obj|\.ply|\.vtp)$"
MOST_FILES = 50_000
KEPT_FREE = 2 * 2**30
Label = Annotated[str, Field(min_length=1, max_length=80)]
Settings = dict[str, dict[str, Any]]


class UploadFile(BaseModel):
    size: int = Field(ge=1)
    suffix: str = Field("", pattern=SUFFIXES)


class NewUpload(BaseModel):
    label: Label
    files: list[UploadFile] = Field(min_length=1, max_length=MOST_FILES)
    settings: Settings = {}
    priority: int = Field(0, ge=0, le=2)


class RecordFile(BaseModel):
    """`content`: CSV, JSON or a DICOM waveform object in base64."""

    content: str = Field(min_length=1, max_length=2**20)


class CaseChange(BaseModel):
    label: Label | None = None
    priority: int | None = Field(None, ge=0, le=2)


class Work(BaseModel):
    """`last`: measure ends after the shape, so that a correction of the model can be judged before the flow is computed."""

    settings: Settings = {}
    last: Literal["report", "measure"] = "report"


def checked_settings(tables: Tables) -> dict[str, dict[str, Any]]:
    """The settings with nothing in their records but curves.

    Raises InputError where they are wrong or one would name a file of the server.
    """
    plain = plain_records(tables)
    settings = settings_from(without_records(plain)[0])
    if not is_bundled(settings.boundary.waveform):
        raise InputError("Setting boundary.waveform cannot name a file here; give one that is bundled, or a Doppler record.")
    if settings.segment.model is not None:
        raise InputError("Setting segment.model cannot name a file here; leave it out.")
    if settings.predict.networks:
        raise InputError("Setting predict.networks cannot name a folder here; leave it out.")
    if settings.grade.model:
        raise InputError("Setting grade.model cannot name a folder here; leave it out.")
    if settings.grade.regions_model:
        raise InputError("Setting grade.regions_model cannot name a file here; leave it out.")
    for name, table in tables.items():
        for key, value in table.items():
            if name != "report" and isinstance(value, str) and ("/" in value or "\\" in value):
                raise InputError(f"Setting {name}.{key} is {value!r}, which names a file; here it cannot.")
    return plain


@router.post("/api/records", dependencies=[Depends(SignedIn())])
def read_record(request: Request, given: RecordFile) -> dict[str, Any]:
    """The curves of a Doppler or pressure record's file, as settings take them; nothing of the file is kept here."""
    return read_given(given.content, system_of(request).settings.passing)


@router.post("/api/projects/{project_id}/uploads", status_code=201)
def begin_upload(request: Request, given: NewUpload, passed: Annotated[Passed, Depends(OnProject("change"))]) -> dict[str, Any]:
    """The files' bytes follow one after the other, in this order, as one stream; their names stay with the sender."""
    system = system_of(request)
    settings = checked_settings(given.settings)
    size = sum(file.size for file in given.files)
    if size > system.settings.upload_gib * 2**30:
        raise Problem(413, "upload_too_large", size=f"{size / 2**30:.1f}", limit=f"{system.settings.upload_gib:g}")
    upload = Upload(
        project_id=passed.project.id,
        user_id=passed.caller.user_id,
        label=given.label,
        priority=given.priority,
        files=[[file.size, file.suffix] for file in given.files],
        settings=settings,
        size=size,
    )
    with system.database.writing() as session:
        refuse_without_room(session, system.settings.incoming, size)
        session.add(upload)
    (system.settings.incoming / upload.id).touch(0o600)
    return {"id": upload.id, "offset": 0, "size": size}


def refuse_without_room(session: Session, incoming: Path, size: int) -> None:
    """An upload needs its size twice, as a stream and unpacked; what others were promised and have not sent is not free."""
    open_ones = session.execute(select(Upload.id, Upload.size).where(Upload.case_id == "")).all()
    sent = {upload_id: _sent(incoming / upload_id) for upload_id, _ in open_ones}
    promised = sum(2 * whole - (sent[upload_id] or 0) for upload_id, whole in open_ones if sent[upload_id] is not None)
    free = shutil.disk_usage(incoming).free - promised
    if 2 * size + KEPT_FREE > free:
        raise Problem(507, "no_room", free=f"{max(free, 0) / 2**30:.1f}")


def _sent(file: Path) -> int | None:
    """How many bytes of an upload have come, None where it was removed."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return None


@router.get("/api/uploads/{upload_id}")
def see_upload(request: Request, passed: Annotated[Passed, Depends(OnUpload("change"))]) -> dict[str, Any]:
    upload = passed.upload
    assert upload is not None
    offset = upload.size if upload.case_id else _sent(system_of(request).settings.incoming / upload.id)
    if offset is None:
        raise Problem(404, OnUpload.said)
    return {"id": upload.id, "offset": offset, "size": upload.size, "case_id": upload.case_id}


@router.patch("/api/uploads/{upload_id}")
async def continue_upload(
    request: Request, offset: Annotated[int, Query(ge=0)], passed: Annotated[Passed, Depends(OnUpload("change"))]
) -> dict[str, int]:
    """Append the body at `offset`, which must be where the upload stands; after a cut, ask where that is and go on."""
    upload = passed.upload
    assert upload is not None
    file = system_of(request).settings.incoming / upload.id
    if upload.case_id or not file.exists():
        raise Problem(409, "upload_ended")
    with file.open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Problem(409, "upload_busy") from None
        at = os.fstat(stream.fileno()).st_size
        if at != offset:
            raise Problem(409, "upload_offset", at=at, offset=offset)
        async for part in request.stream():
            at += len(part)
            if at > upload.size:
                raise Problem(413, "upload_longer", size=upload.size)
            await run_in_threadpool(stream.write, part)
    return {"offset": at}


@router.delete("/api/uploads/{upload_id}")
def drop_upload(request: Request, passed: Annotated[Passed, Depends(OnUpload("change"))]) -> None:
    assert passed.upload is not None
    if passed.upload.case_id:
        raise Problem(409, "upload_is_case")
    with system_of(request).database.writing() as session:
        session.execute(delete(Upload).where(Upload.id == passed.upload.id, Upload.case_id == ""))
    (system_of(request).settings.incoming / passed.upload.id).unlink(missing_ok=True)


@router.post("/api/uploads/{upload_id}/case", status_code=201)
def finish_upload(request: Request, passed: Annotated[Passed, Depends(OnUpload("change"))]) -> dict[str, str]:
    """Make the whole upload a case: it is read, de-identified, and assessed. Asked twice, the answer is the same case."""
    system = system_of(request)
    assert passed.upload is not None
    with system.database.writing() as session:
        upload = session.get_one(Upload, passed.upload.id)
        if upload.case_id:
            return {"id": upload.case_id}
        size = _sent(system.settings.incoming / upload.id) or 0
        if size != upload.size:
            raise Problem(409, "upload_shorter", size=upload.size, come=size)
        jobs.check_quota(session, upload.project_id)
        request.state.case_id = make_case(session, upload, passed.caller)
        return {"id": upload.case_id}


def make_case(session: Session, upload: Upload, caller: Caller) -> str:
    """The new case of an upload, whose reading is queued; its id."""
    case = Case(project_id=upload.project_id, label=upload.label, priority=upload.priority, created_by=caller.name)
    session.add(case)
    session.flush()
    jobs.submit(session, case, jobs.INTAKE, caller.user_id, upload.settings, upload_id=upload.id)
    upload.case_id = case.id
    return case.id


SORTS = {
    "created": Case.created.desc(),
    "label": Case.label,
    "state": Case.state,
    "priority": Case.priority.desc(),
    "diameter": Case.diameter_mm.desc(),
}


@router.get("/api/cases")
def list_cases(
    request: Request,
    caller: Annotated[Caller, Depends(SignedIn())],
    search: Annotated[str, Query(max_length=80)] = "",
    state: Annotated[str, Query(max_length=16)] = "",
    sort: Literal["created", "label", "state", "priority", "diameter"] = "created",
    page: Annotated[int, Query(ge=0, le=100_000)] = 0,
) -> dict[str, Any]:
    """The worklist: 50 cases a page of all projects the caller may read, with the job under way."""
    with system_of(request).database.reading() as session:
        projects = {project.id: project.name for project, _ in projects_of(session, caller, "read")}
        wanted = [Case.project_id.in_(projects), Case.deleted == 0.0]
        if search:
            wanted.append(Case.label.icontains(search, autoescape=True))
        if state:
            wanted.append(Case.state == state)
        count = session.scalar(select(func.count()).select_from(Case).where(*wanted)) or 0
        order = (SORTS[sort], Case.created.desc())
        cases = list(session.scalars(select(Case).where(*wanted).order_by(*order).offset(50 * page).limit(50)))
        active = session.scalars(select(Job).where(Job.case_id.in_([case.id for case in cases]), Job.state.in_(jobs.ACTIVE)))
        work = {job.case_id: job for job in active}
        stands = standings(session, caller.user_id, cases)
        listed = [
            {**_case(case, stands[case.id]), "project": projects[case.project_id], "job": _job(work.get(case.id))}
            for case in cases
        ]
    return {"count": count, "cases": listed}


def _case(case: Case, standing: Standing) -> dict[str, Any]:
    names = ("id", "project_id", "label", "state", "priority", "reason", "diameter_mm", "created", "changed")
    grade = "" if standing in HIDING else case.grade
    return {**{name: getattr(case, name) for name in names}, "grade": grade, "judgement": standing}


def _job(job: Job | None) -> dict[str, Any] | None:
    names = ("kind", "state", "stage", "fraction", "remaining_s", "attempt", "reason", "created", "started", "ended")
    return None if job is None else {name: getattr(job, name) for name in names}


@router.get("/api/cases/{case_id}")
def see_case(request: Request, passed: Annotated[Passed, Depends(OnCase("read"))]) -> dict[str, Any]:
    """The case with its job, stages, settings and files."""
    case = passed.case
    assert case is not None
    with system_of(request).database.reading() as session:
        job = session.scalar(select(Job).where(Job.case_id == case.id, Job.state.in_(jobs.ACTIVE)))
        files = session.execute(select(CaseFile.path, CaseFile.size).where(CaseFile.case_id == case.id).order_by(CaseFile.path))
        standing = standings(session, passed.caller.user_id, [case])[case.id]
        shown = [
            {"path": path, "size": size}
            for path, size in files
            if is_listed(path) and (standing not in HIDING or is_shown_before(path)) and may_see_file(passed.role, path)
        ]
    manifest = case.manifest or {}
    stages = {
        name: {"state": record["state"], "seconds": record["seconds"], "reason": record["reason"]}
        for name, record in manifest.get("stages", {}).items()
    }
    more = {"job": _job(job), "stages": stages, "settings": case.settings, "kind": manifest.get("input", {}).get("kind")}
    return {**_case(case, standing), "project": passed.project.name, "role": passed.role, "files": shown, **more}


@router.patch("/api/cases/{case_id}")
def change_case(request: Request, given: CaseChange, passed: Annotated[Passed, Depends(OnCase("change"))]) -> dict[str, Any]:
    assert passed.case is not None
    with system_of(request).database.writing() as session:
        case = session.get_one(Case, passed.case.id)
        for name, value in given.model_dump(exclude_none=True).items():
            setattr(case, name, value)
        if given.priority is not None:
            for job in session.scalars(select(Job).where(Job.case_id == case.id, Job.state == "queued")):
                job.priority = given.priority
        return _case(case, standing_of(request, passed))


@router.delete("/api/cases/{case_id}")
def delete_case(request: Request, passed: Annotated[Passed, Depends(OnCase("manage"))]) -> None:
    """Gone from every list at once, and for good after the project's retention time."""
    assert passed.case is not None
    with system_of(request).database.writing() as session:
        case = session.get_one(Case, passed.case.id)
        jobs.cancel(session, case)
        case.deleted = time.time()


@router.post("/api/cases/{case_id}/jobs", status_code=201)
def start_job(request: Request, given: Work, passed: Annotated[Passed, Depends(OnCase("change"))]) -> dict[str, Any] | None:
    """Compute the case with settings laid over its own; only what follows from a change is computed again."""
    assert passed.case is not None
    settings = checked_settings(given.settings)
    with system_of(request).database.writing() as session:
        case = session.get_one(Case, passed.case.id)
        if case.manifest is None:
            raise Problem(409, "never_read", label=case.label)
        jobs.check_quota(session, case.project_id)
        return _job(jobs.submit(session, case, jobs.ASSESS, passed.caller.user_id, settings, last=given.last))


@router.delete("/api/cases/{case_id}/jobs")
def cancel_job(request: Request, passed: Annotated[Passed, Depends(OnCase("change"))]) -> dict[str, bool]:
    assert passed.case is not None
    with system_of(request).database.writing() as session:
        return {"canceled": jobs.cancel(session, session.get_one(Case, passed.case.id))}


@router.get("/api/cases/{case_id}/history")
def see_history(request: Request, passed: Annotated[Passed, Depends(OnCase("read"))]) -> dict[str, Any]:
    """The jobs on a case; for who may see the trail, also who read or changed it."""
    assert passed.case is not None
    with system_of(request).database.reading() as session:
        done = session.scalars(select(Job).where(Job.case_id == passed.case.id).order_by(Job.created))
        chosen = select(AuditEntry).where(AuditEntry.case_id == passed.case.id).order_by(AuditEntry.number)
        deeds = session.scalars(chosen) if "audit" in PERMISSIONS[passed.role] else ()
        trail = [{"time": deed.time, "user": deed.user, "action": deed.action, "status": deed.status} for deed in deeds]
        return {"jobs": [_job(job) for job in done], "trail": trail}
