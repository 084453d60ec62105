"""Regions that readers paint on the wall of a case: one's own, and never those of others."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from aneuflow.service import labels
from aneuflow.service.access import OnCase, Passed
from aneuflow.service.labels import Painted
from aneuflow.service.system import system_of

router = APIRouter()
Change = Annotated[Passed, Depends(OnCase("change"))]


@router.get("/api/cases/{case_id}/labels")
def see_labels(request: Request, passed: Change) -> dict[str, Any]:
    """What the caller has painted: `label`, base64 of a byte for each point of model/lumen.vtp, null before there is any.

    0 is not marked, k the k-th of `classes`; `is_stale`: there is something, painted before the model was made anew.
    """
    assert passed.case is not None
    return labels.own_labels(system_of(request), passed.case.id, passed.case.label, passed.caller.user_id)


@router.put("/api/cases/{case_id}/labels")
def keep_labels(request: Request, given: Painted, passed: Change) -> dict[str, int]:
    """In place of what the caller had painted; nothing marked is a reading too. `surface` is that which was given with GET."""
    case, system = passed.case, system_of(request)
    assert case is not None
    marked = labels.keep_labels(system, case.id, case.label, passed.caller.user_id, given)
    request.state.detail = f"{marked} points"
    return {"marked": marked}
