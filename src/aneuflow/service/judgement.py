"""A reader's own judgement comes first: what of a case is shown before, and whether a reader has stated one."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from aneuflow.service.child import DICOM, VIEWS
from aneuflow.service.models import AuditEntry, Case, CaseFile, Judgement, Project

GRADE_FILE = "risk/risk.json"
# What the trail says beside a retrieval of objects that tell the grade.
GRADE_SHOWN = "grade shown"
# "": nobody asks; waits: there is no grade yet; asked: state a judgement; given: one is stated, so the grade is shown.
Standing = Literal["", "waits", "asked", "given"]
HIDING = ("waits", "asked")
# What says nothing of the grade; of anything else, whatever later versions add, it is taken that it might.
_STAGES = ("image", "surface", "segmentation", "model", "morphology", "waveform", "doppler", "pressure", "boundary", "flow")
_PLAIN_DICOM = ("images/", "segmentation.", "measurements.")
_PLAIN_VIEWS = ("image.", "model.", "painting.", "flow.")
_CLEARED_VIEWS = ("scene.", "summary.")
_GRADE_STAGE = "grade"


def standings(session: Session, user_id: str, cases: Sequence[Case]) -> dict[str, Standing]:
    """How each of the cases stands to the user, by its id."""
    projects = {case.project_id for case in cases}
    asking = set(session.scalars(select(Project.id).where(Project.judgement_first, Project.id.in_(projects))))
    asked = [case.id for case in cases if case.project_id in asking]
    if not asked:
        return dict.fromkeys((case.id for case in cases), "")
    mine = select(Judgement.case_id).where(Judgement.user_id == user_id, Judgement.case_id.in_(asked))
    given = set(session.scalars(mine))
    graded = set(session.scalars(select(CaseFile.case_id).where(CaseFile.path == GRADE_FILE, CaseFile.case_id.in_(asked))))

    def standing(case: Case) -> Standing:
        if case.project_id not in asking:
            return ""
        return "given" if case.id in given else "asked" if case.id in graded else "waits"

    return {case.id: standing(case) for case in cases}


def has_seen_a_grade(session: Session, name: str, case: Case) -> bool:
    """Whether the trail says that the user was shown a grade of the case, or the judgements of its project with theirs."""
    tells = or_(AuditEntry.action.in_(("see_grade", "see_risk")), AuditEntry.detail == GRADE_SHOWN)
    of_case = and_(AuditEntry.case_id == case.id, tells)
    of_all = and_(AuditEntry.project_id == case.project_id, AuditEntry.action == "get_judgements")
    found = select(AuditEntry.number).where(AuditEntry.user == name, AuditEntry.status < 300, or_(of_case, of_all))
    return session.scalar(found.limit(1)) is not None


def is_shown_before(path: str) -> bool:
    """Whether a file of a case, cleared where need be, is shown to who has stated no judgement."""
    folder, _, name = path.partition("/")
    starts = {VIEWS: _PLAIN_VIEWS + _CLEARED_VIEWS, DICOM: _PLAIN_DICOM}
    return folder in _STAGES or name.startswith(starts.get(folder, ()))


def needs_clearing(path: str) -> bool:
    return path.startswith(tuple(f"{VIEWS}/{start}" for start in _CLEARED_VIEWS))


def cleared(content: bytes) -> bytes:
    """A view without what the grade made of the case: no regions of the wall, no notes of the grade.

    Notes of a view that does not say which stage they are of are all left out.
    """
    from aneuflow.report.viewer import SCALARS  # this late, as it draws

    view: dict[str, Any] = json.loads(gzip.decompress(content))
    if "spots" in view:
        plain = (*SCALARS, "WSS_peak", "region")
        view |= {"spots": [], "fields": [field for field in view["fields"] if field["name"] in plain]}
    if "notes" in view:
        view["notes"] = [note for note in view["notes"] if len(note) > 2 and note[2] != _GRADE_STAGE]
    return gzip.compress(json.dumps(view).encode(), compresslevel=1, mtime=0)
