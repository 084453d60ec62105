"""DICOMweb over a project's cases: searched (QIDO-RS), retrieved (WADO-RS), and studies posted (STOW-RS)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import ColumnElement, delete
from starlette.concurrency import run_in_threadpool

from aneuflow.service import jobs
from aneuflow.service.access import OnProject, Passed
from aneuflow.service.api.cases import KEPT_FREE, MOST_FILES, make_case, refuse_without_room
from aneuflow.service.dicomweb import (
    Instance,
    Page,
    conditions,
    find_series,
    find_studies,
    instance_answer,
    instances_of,
    series_answer,
    shown_to,
)
from aneuflow.service.judgement import GRADE_SHOWN, is_shown_before
from aneuflow.service.models import DicomSeries, Upload, new_id
from aneuflow.service.problems import Problem
from aneuflow.service.publish import read_file
from aneuflow.service.stow import Parts, Posted, boundary_of
from aneuflow.service.system import System, system_of

router = APIRouter()
AT = "/api/projects/{project_id}/dicomweb"
JSON, DICOM = "application/dicom+json", "application/dicom"
Read = Annotated[Passed, Depends(OnProject("read"))]
Change = Annotated[Passed, Depends(OnProject("change"))]
Uid = Annotated[str, Path(max_length=64, pattern=r"^[0-9][0-9.]*$")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]
# Of a search these ask for no attribute; all that is known is answered, and names are compared as they are.
_NO_ATTRIBUTES = ("limit", "offset", "includefield", "fuzzymatching")
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
# Of a stored object: its elements were coerced. Of one that is not: it cannot be understood (PS3.18 table I.2-2).
_COERCED, _NOT_UNDERSTOOD = 0xB000, 0xC000
_GIB = 2**30


def _asked(request: Request) -> list[ColumnElement[bool]]:
    return conditions({name: value for name, value in request.query_params.items() if name not in _NO_ATTRIBUTES})


def _base(request: Request, passed: Passed) -> str:
    address = system_of(request).settings.public_url or str(request.base_url)
    return f"{address.rstrip('/')}{AT.format(project_id=passed.project.id)}"


def _json(answers: Iterable[dict[str, Any]]) -> Response:
    return Response(json.dumps(list(answers)), media_type=JSON)


def _with_address(base: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer with where the study, series or instance is retrieved."""
    parts = (("studies", "0020000D"), ("series", "0020000E"), ("instances", "00080018"))
    place = "".join(f"/{name}/{answer[tag]['Value'][0]}" for name, tag in parts if tag in answer)
    return {**answer, "00081190": {"vr": "UR", "Value": [base + place]}}


@router.get(f"{AT}/studies")
def search_studies(request: Request, passed: Read, limit: Limit = 200, offset: Offset = 0) -> Response:
    """QIDO-RS: studies by PatientID (the pseudonym), StudyInstanceUID, SeriesInstanceUID, ModalitiesInStudy; `*` and `?`."""
    wanted, base = _asked(request), _base(request, passed)
    with system_of(request).database.reading() as session:
        found = find_studies(session, wanted, shown_to(passed), Page(limit, offset))
    return _json(_with_address(base, answer) for answer in found)


@router.get(f"{AT}/series")
def search_all_series(request: Request, passed: Read, limit: Limit = 200, offset: Offset = 0) -> Response:
    """QIDO-RS: series of all studies, by the same attributes."""
    return _series(request, passed, _asked(request), Page(limit, offset))


@router.get(f"{AT}/studies/{{study_uid}}/series")
def search_series(request: Request, study_uid: Uid, passed: Read, limit: Limit = 200, offset: Offset = 0) -> Response:
    """QIDO-RS: series of one study."""
    return _series(request, passed, [DicomSeries.study_uid == study_uid, *_asked(request)], Page(limit, offset))


def _series(request: Request, passed: Passed, wanted: list[ColumnElement[bool]], page: Page) -> Response:
    base = _base(request, passed)
    with system_of(request).database.reading() as session:
        return _json(_with_address(base, series_answer(row)) for row in find_series(session, wanted, shown_to(passed), page))


@router.get(f"{AT}/studies/{{study_uid}}/instances")
def search_instances(request: Request, study_uid: Uid, passed: Read, limit: Limit = 1000, offset: Offset = 0) -> Response:
    """QIDO-RS: instances of one study."""
    return _instances(request, passed, [DicomSeries.study_uid == study_uid, *_asked(request)], Page(limit, offset))


@router.get(f"{AT}/studies/{{study_uid}}/series/{{series_uid}}/instances")
def search_instances_of_series(
    request: Request, study_uid: Uid, series_uid: Uid, passed: Read, limit: Limit = 1000, offset: Offset = 0
) -> Response:
    """QIDO-RS: instances of one series."""
    of_series = [DicomSeries.study_uid == study_uid, DicomSeries.series_uid == series_uid]
    return _instances(request, passed, [*of_series, *_asked(request)], Page(limit, offset))


def _instances(request: Request, passed: Passed, wanted: list[ColumnElement[bool]], page: Page) -> Response:
    base, system = _base(request, passed), system_of(request)
    with system.database.reading() as session:
        found = instances_of(system, session, find_series(session, wanted, shown_to(passed)))
        part = islice(found, page.offset, page.offset + page.limit)
        return _json(_with_address(base, instance_answer(row, instance)) for row, instance in part)


@router.get(f"{AT}/studies/{{study_uid}}")
def retrieve_study(request: Request, study_uid: Uid, passed: Read) -> Response:
    """WADO-RS: all instances of a study as multipart/related, in Explicit VR Little Endian as they are kept."""
    return _retrieved(request, passed, study_uid)


@router.get(f"{AT}/studies/{{study_uid}}/series/{{series_uid}}")
def retrieve_series(request: Request, study_uid: Uid, series_uid: Uid, passed: Read) -> Response:
    """WADO-RS: all instances of a series."""
    return _retrieved(request, passed, study_uid, series_uid)


@router.get(f"{AT}/studies/{{study_uid}}/series/{{series_uid}}/instances/{{instance_uid}}")
def retrieve_instance(request: Request, study_uid: Uid, series_uid: Uid, instance_uid: Uid, passed: Read) -> Response:
    """WADO-RS: one instance, as multipart/related or, where that is accepted, as it is (application/dicom)."""
    return _retrieved(request, passed, study_uid, series_uid, instance_uid)


@router.get(f"{AT}/studies/{{study_uid}}/metadata")
def see_study_metadata(request: Request, study_uid: Uid, passed: Read) -> Response:
    """WADO-RS: the attributes of a study's instances in DICOM JSON, bulk data left out."""
    return _json(instance.metadata for instance in _wanted(request, passed, study_uid))


@router.get(f"{AT}/studies/{{study_uid}}/series/{{series_uid}}/metadata")
def see_series_metadata(request: Request, study_uid: Uid, series_uid: Uid, passed: Read) -> Response:
    """WADO-RS: the same of a series."""
    return _json(instance.metadata for instance in _wanted(request, passed, study_uid, series_uid))


@router.get(f"{AT}/studies/{{study_uid}}/series/{{series_uid}}/instances/{{instance_uid}}/metadata")
def see_instance_metadata(request: Request, study_uid: Uid, series_uid: Uid, instance_uid: Uid, passed: Read) -> Response:
    """WADO-RS: the same of one instance."""
    return _json(instance.metadata for instance in _wanted(request, passed, study_uid, series_uid, instance_uid))


def _wanted(
    request: Request, passed: Passed, study_uid: str, series_uid: str | None = None, instance_uid: str | None = None
) -> list[Instance]:
    """The instances that are asked for. Raises Problem where there is none that the caller is shown."""
    system, wanted = system_of(request), [DicomSeries.study_uid == study_uid]
    if series_uid is not None:
        wanted.append(DicomSeries.series_uid == series_uid)
    with system.database.reading() as session:
        rows = find_series(session, wanted, shown_to(passed))
        found = [instance for _, instance in instances_of(system, session, rows) if instance_uid in (None, instance.uid)]
    if not found:
        raise Problem(404, "no_dicom")
    request.state.case_id = found[0].case_id
    request.state.detail = "" if all(is_shown_before(instance.path) for instance in found) else GRADE_SHOWN
    return found


def _retrieved(
    request: Request, passed: Passed, study_uid: str, series_uid: str | None = None, instance_uid: str | None = None
) -> Response:
    accepted = _accepted(request.headers.get("accept", "*/*"))
    if not accepted & ({"multipart", "single"} if instance_uid else {"multipart"}):
        raise Problem(406, "dicom_accepted")
    found, system = _wanted(request, passed, study_uid, series_uid, instance_uid), system_of(request)
    if "multipart" not in accepted:
        return StreamingResponse(_content(system, found[0]), media_type=DICOM)
    boundary = uuid4().hex
    kind = f'multipart/related; type="{DICOM}"; boundary={boundary}'
    return StreamingResponse(_parts(system, found, boundary), headers={"content-type": kind})


def _accepted(header: str) -> set[str]:
    """Which forms of answer a request accepts: multipart, single."""
    found = set()
    for entry in header.split(","):
        kind, *parameters = (part.strip() for part in entry.split(";"))
        given = {name.strip(): value.strip().strip('"') for name, _, value in (each.partition("=") for each in parameters)}
        if given.get("transfer-syntax", "*") not in ("*", _EXPLICIT_LITTLE_ENDIAN):
            continue
        if kind in ("*/*", "multipart/*", "multipart/related") and given.get("type", DICOM) in (DICOM, "*/*"):
            found.add("multipart")
        elif kind in (DICOM, "application/*"):
            found.add("single")
    return found


def _parts(system: System, instances: list[Instance], boundary: str) -> Iterator[bytes]:
    for instance in instances:
        yield f"--{boundary}\r\nContent-Type: {DICOM}; transfer-syntax={_EXPLICIT_LITTLE_ENDIAN}\r\n\r\n".encode()
        yield from _content(system, instance)
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _content(system: System, instance: Instance) -> Iterator[bytes]:
    with system.database.reading() as session:
        found = read_file(system, session, instance.case_id, instance.path)
    if found is not None:  # else it was computed anew meanwhile, and has another name now
        yield from found[1]


@router.post(f"{AT}/studies", status_code=202)
async def store_study(request: Request, passed: Change) -> Response:
    """STOW-RS: the DICOM files of one study as multipart/related become an upload, and that a case, like any other.

    It is de-identified as it is read, so its objects get other UIDs; the answer names those that came, all as coerced.
    """
    boundary, system = boundary_of(request.headers.get("content-type", "")), system_of(request)
    said = request.headers.get("content-length", "0")
    upload_id = await run_in_threadpool(_begin, system, passed, int(said) if said.isdecimal() else 0)
    try:
        with (system.settings.incoming / upload_id).open("wb") as stream:
            parts, come = Parts(boundary, stream, MOST_FILES), 0
            async for content in request.stream():
                come += len(content)
                _refuse_too_much(system, come)
                await run_in_threadpool(parts.write, content)
        if not parts.is_whole or not parts.posted:
            raise Problem(400, "no_multipart")
        request.state.case_id = await run_in_threadpool(_finish, system, passed, upload_id, parts.posted)
    except BaseException:
        await run_in_threadpool(_drop, system, upload_id)
        raise
    headers = {"location": f"/api/cases/{request.state.case_id}"}
    return Response(json.dumps(_stored(parts)), 202, headers, media_type=JSON)


def _begin(system: System, passed: Passed, size: int) -> str:
    """A place for what comes; `size` 0 where the sender does not say it. Raises Problem where there is no room or no quota."""
    _refuse_too_much(system, size)
    upload_id = new_id()
    # What a sender calls a study may be a patient's name.
    label = f"DICOMweb {upload_id[:8]}"
    upload = Upload(id=upload_id, project_id=passed.project.id, user_id=passed.caller.user_id, label=label, size=size)
    upload.files = [[size, ".dcm"]]
    with system.database.writing() as session:
        jobs.check_quota(session, passed.project.id)
        refuse_without_room(session, system.settings.incoming, size)
        session.add(upload)
    (system.settings.incoming / upload_id).touch(0o600)
    return upload_id


def _refuse_too_much(system: System, size: int) -> None:
    if size > system.settings.upload_gib * _GIB:
        limit = f"{system.settings.upload_gib:g}"
        raise Problem(413, "upload_too_large", size=f"{size / _GIB:.1f}", limit=limit)
    free = shutil.disk_usage(system.settings.incoming).free
    if free < KEPT_FREE:
        raise Problem(507, "no_room", free=f"{free / _GIB:.1f}")


def _finish(system: System, passed: Passed, upload_id: str, posted: list[Posted]) -> str:
    """The case of what came; its id."""
    with system.database.writing() as session:
        upload: Upload = session.get_one(Upload, upload_id)
        upload.files, upload.size = [[each.size, ".dcm"] for each in posted], sum(each.size for each in posted)
        return make_case(session, upload, passed.caller)


def _drop(system: System, upload_id: str) -> None:
    with system.database.writing() as session:
        session.execute(delete(Upload).where(Upload.id == upload_id, Upload.case_id == ""))
    (system.settings.incoming / upload_id).unlink(missing_ok=True)


def _stored(parts: Parts) -> dict[str, Any]:
    """The answer to a STOW request in DICOM JSON: what came, and how many parts were no DICOM file."""
    taken = [
        {
            "00081150": {"vr": "UI", "Value": [each.class_uid]},
            "00081155": {"vr": "UI", "Value": [each.uid]},
            "00081190": {"vr": "UR"},
            "00081196": {"vr": "US", "Value": [_COERCED]},
        }
        for each in parts.posted
    ]
    answer: dict[str, Any] = {"00081190": {"vr": "UR"}, "00081199": {"vr": "SQ", "Value": taken}}
    if parts.others:
        failed = [{"00081197": {"vr": "US", "Value": [_NOT_UNDERSTOOD]}}] * parts.others
        answer["00081198"] = {"vr": "SQ", "Value": failed}
    return answer
