"""The hospital's archive (PACS), where one is configured: found in it, and ordered from it as a case."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from aneuflow.pacs import Query, search
from aneuflow.service import jobs
from aneuflow.service.access import OnProject, Passed, SignedIn
from aneuflow.service.api.cases import Label, Settings, checked_settings, make_case
from aneuflow.service.models import Upload
from aneuflow.service.retrieval import archive_of, write_order
from aneuflow.service.system import system_of

router = APIRouter()
Change = Annotated[Passed, Depends(OnProject("change"))]
Text = Annotated[str, Field(max_length=64, pattern=r"^[^\\\x00-\x1f]*$")]
Uid = Annotated[str, Field(max_length=64, pattern=r"^[0-9][0-9.]*$")]


class Search(BaseModel):
    """`date`: YYYYMMDD or a range YYYYMMDD-YYYYMMDD; with `study_uid` the series of that study are found."""

    patient_id: Text = ""
    accession: Text = ""
    date: Text = ""
    modality: Text = ""
    study_uid: Uid | None = None


class ArchiveOrder(BaseModel):
    """A study, or one series of it."""

    label: Label
    study_uid: Uid
    series_uid: Uid | None = None
    settings: Settings = {}
    priority: int = Field(0, ge=0, le=2)


@router.get("/api/archive", dependencies=[Depends(SignedIn())])
def see_archive(request: Request) -> dict[str, bool]:
    """Whether there is one."""
    return {"configured": bool(system_of(request).settings.pacs)}


@router.post("/api/projects/{project_id}/archive/search")
def search_archive(request: Request, given: Search, passed: Change) -> list[dict[str, Any]]:
    """Studies, or the series of one, with the patient's name as the archive has it: it is shown and kept nowhere."""
    wanted = {name: value or "" for name, value in given.model_dump().items()}
    return [asdict(found) for found in search(archive_of(system_of(request).settings), Query(**wanted))]


@router.post("/api/projects/{project_id}/archive/cases", status_code=201)
def order_from_archive(request: Request, given: ArchiveOrder, passed: Change) -> dict[str, str]:
    """Make a case of a study or series: it is got from the archive, then read, de-identified and assessed like an upload."""
    system = system_of(request)
    archive_of(system.settings)
    settings = checked_settings(given.settings)
    upload = Upload(
        project_id=passed.project.id,
        user_id=passed.caller.user_id,
        label=given.label,
        priority=given.priority,
        files=[],
        settings=settings,
        size=0,
    )
    with system.database.writing() as session:
        jobs.check_quota(session, passed.project.id)
        session.add(upload)
        session.flush()
        write_order(system.settings.incoming / upload.id, given.study_uid, given.series_uid or "")
        request.state.case_id = make_case(session, upload, passed.caller)
        return {"id": upload.case_id}
