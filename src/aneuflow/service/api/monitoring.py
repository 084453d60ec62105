"""The model over time, for administrators of the system; outcomes of cases, from whoever may change them."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, field_validator
from sqlalchemy import select

from aneuflow import __version__
from aneuflow.pipeline.monitoring import look_as_json
from aneuflow.report.text import Language, text
from aneuflow.service.access import OnCase, OnGrade, Passed, SystemDoor
from aneuflow.service.api.results import REPORT_POLICY
from aneuflow.service.models import Outcome
from aneuflow.service.monitoring import look
from aneuflow.service.system import system_of

router = APIRouter()


class NewOutcome(BaseModel):
    """Whether the aneurysm was known to have ruptured on `day`, which has come."""

    ruptured: bool
    day: date

    @field_validator("day")
    @classmethod
    def _has_come(cls, day: date) -> date:
        # Where this is asked it may be tomorrow already.
        if day > datetime.now(UTC).date() + timedelta(1):
            raise ValueError("the day is to come")
        return day


@router.get("/api/monitoring", dependencies=[Depends(SystemDoor())])
def see_monitoring(request: Request) -> Any:
    """Drift of all cases graded so far against the model's training table, outcomes against the model, and alerts."""
    return look_as_json(look(system_of(request)))


@router.get("/api/monitoring/page", dependencies=[Depends(SystemDoor())])
def see_monitoring_page(request: Request, language: Language = "en") -> HTMLResponse:
    """The same as a page to read or print."""
    from aneuflow.report.monitoring import LookContent, look_page  # this late, as it draws

    created = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    content = LookContent(look(system_of(request)), text(language, "monitor.all_cases"), __version__, created)
    return HTMLResponse(look_page(content, (), language), headers={"content-security-policy": REPORT_POLICY})


@router.get("/api/cases/{case_id}/outcomes")
def see_outcomes(request: Request, passed: Annotated[Passed, Depends(OnGrade("read"))]) -> list[dict[str, Any]]:
    """What was recorded of the case, the last one last; it is the one that counts. A reader's own judgement comes first."""
    assert passed.case is not None
    chosen = select(Outcome).where(Outcome.case_id == passed.case.id).order_by(Outcome.created)
    with system_of(request).database.reading() as session:
        return [_outcome(outcome) for outcome in session.scalars(chosen)]


@router.post("/api/cases/{case_id}/outcomes", status_code=201)
def add_outcome(request: Request, given: NewOutcome, passed: Annotated[Passed, Depends(OnCase("change"))]) -> dict[str, Any]:
    """Record an outcome for the monitoring of the model; no grade reads it, and what was recorded before stays."""
    assert passed.case is not None
    outcome = Outcome(
        case_id=passed.case.id,
        user_id=passed.caller.user_id,
        ruptured=given.ruptured,
        day=given.day,
        created=time.time(),
    )
    request.state.detail = f"{'ruptured' if given.ruptured else 'unruptured'} {given.day}"
    with system_of(request).database.writing() as session:
        session.add(outcome)
        return _outcome(outcome)


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {"ruptured": outcome.ruptured, "day": outcome.day.isoformat(), "created": outcome.created}
