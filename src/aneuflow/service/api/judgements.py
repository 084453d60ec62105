"""Readers' own judgements: stated before the grade is shown, kept beside it, and given out as a table."""

from __future__ import annotations

import csv
import io
import time
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import select

from aneuflow.service.access import OnCase, OnProject, Passed, standing_of
from aneuflow.service.judgement import GRADE_FILE, has_seen_a_grade
from aneuflow.service.models import Case, CaseFile, Judgement, Project, User
from aneuflow.service.problems import Problem
from aneuflow.service.system import system_of

router = APIRouter()
COLUMNS = (
    "case", "label", "reader", "stated_utc", "is_blind", "risk", "confidence", "sentence", "machine_grade", "grade_sha256"
)  # fmt: skip
# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class NewJudgement(BaseModel):
    """`confidence`: from 1, a guess, to 5, certain."""

    risk: Literal["low", "moderate", "high", "cannot_say"]
    confidence: int = Field(ge=1, le=5)
    sentence: str = Field("", max_length=500)


class JudgementFirst(BaseModel):
    asked: bool


@router.put("/api/projects/{project_id}/judgement-first")
def ask_for_judgements(
    request: Request, given: JudgementFirst, passed: Annotated[Passed, Depends(OnProject("change"))]
) -> dict[str, bool]:
    """Whether readers of the project's cases state a judgement of their own before they are shown a grade."""
    request.state.detail = "on" if given.asked else "off"
    with system_of(request).database.writing() as session:
        session.get_one(Project, passed.project.id).judgement_first = given.asked
    return {"asked": given.asked}


@router.get("/api/cases/{case_id}/judgements")
def see_judgements(request: Request, passed: Annotated[Passed, Depends(OnCase("read"))]) -> list[dict[str, Any]]:
    """One's own judgements on the case, in the order they were stated."""
    assert passed.case is not None
    mine = select(Judgement).where(Judgement.case_id == passed.case.id, Judgement.user_id == passed.caller.user_id)
    with system_of(request).database.reading() as session:
        return [_judgement(judgement) for judgement in session.scalars(mine.order_by(Judgement.created))]


def _judgement(judgement: Judgement) -> dict[str, Any]:
    names = ("risk", "confidence", "sentence", "is_blind", "grade_sha256", "created")
    return {name: getattr(judgement, name) for name in names}


@router.post("/api/cases/{case_id}/judgements", status_code=201)
def state_judgement(
    request: Request, given: NewJudgement, passed: Annotated[Passed, Depends(OnCase("read"))]
) -> dict[str, Any]:
    """Kept for good with who, when, and the grade it stands beside; it shows that grade to who has stated it."""
    assert passed.case is not None
    if standing_of(request, passed) == "":
        raise Problem(409, "judgement_unasked", project=passed.project.name)
    with system_of(request).database.writing() as session:
        case = session.get_one(Case, passed.case.id)
        graded = session.get(CaseFile, (case.id, GRADE_FILE))
        if graded is None:
            raise Problem(409, "judgement_early", label=case.label)
        before = select(Judgement.id).where(Judgement.case_id == case.id, Judgement.user_id == passed.caller.user_id)
        is_first = session.scalar(before.limit(1)) is None
        judgement = Judgement(
            **given.model_dump(),
            case_id=case.id,
            user_id=passed.caller.user_id,
            grade=case.grade,
            grade_sha256=graded.sha256,
            is_blind=is_first and not has_seen_a_grade(session, passed.caller.name, case),
            created=time.time(),
        )
        session.add(judgement)
        request.state.detail = f"{given.risk} {given.confidence} beside {graded.sha256}"
        return _judgement(judgement)


@router.get("/api/projects/{project_id}/judgements.csv")
def get_judgements(request: Request, passed: Annotated[Passed, Depends(OnProject("audit"))]) -> Response:
    """All judgements on the project's cases, each beside the grade it preceded; `is_blind` where nothing of it was known."""
    chosen = (
        select(Judgement, Case, User.name).join(Case, Case.id == Judgement.case_id).join(User, User.id == Judgement.user_id)
    )
    wanted = (Case.project_id == passed.project.id, Case.deleted == 0.0)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    with system_of(request).database.reading() as session:
        for judgement, case, name in session.execute(chosen.where(*wanted).order_by(Judgement.created)):
            stated = datetime.fromtimestamp(judgement.created, UTC).isoformat(timespec="seconds")
            own = (judgement.is_blind, judgement.risk, judgement.confidence, judgement.sentence)
            row = (case.id, case.label, name, stated, *own, judgement.grade, judgement.grade_sha256)
            writer.writerow([_harmless(cell) for cell in row])
    headers = {"content-disposition": 'attachment; filename="judgements.csv"'}
    return Response("\ufeff" + table.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
