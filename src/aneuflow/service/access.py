"""The doors: every endpoint stands behind one, which says who may pass. A project one is not in does not exist for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from sqlalchemy import select
from sqlalchemy.orm import Session

from aneuflow.errors import AneuflowError
from aneuflow.service.accounts import TOKEN_PREFIX, Caller, caller_of_session, caller_of_token, mark_seen
from aneuflow.service.judgement import HIDING, Standing, standings
from aneuflow.service.models import Case, Membership, Project, Upload
from aneuflow.service.problems import Problem
from aneuflow.service.system import System, system_of

COOKIE = "aneuflow_session"
SAFE_METHODS = {"GET", "HEAD"}
# What a page asks for by itself while nobody is at it does not keep its session from ending.
UNATTENDED = "x-unattended"
PERMISSIONS = {
    "reader": frozenset({"read"}),
    "editor": frozenset({"read", "change"}),
    "administrator": frozenset({"read", "change", "manage", "audit"}),
    "auditor": frozenset({"audit"}),
}


class Door:
    """What stands before an endpoint; called with the request, it lets the caller pass or raises Problem."""


class Open(Door):
    """Open to everyone."""

    def __call__(self) -> None:
        return None


class SignedIn(Door):
    """Open to whoever is signed in; `even_first` also before the first password has been changed."""

    def __init__(self, even_first: bool = False) -> None:
        self.even_first = even_first

    def __call__(self, request: Request) -> Caller:
        caller = _caller(request)
        if caller.must_change and not self.even_first:
            raise Problem(403, "first_password")
        return caller


class SystemDoor(Door):
    """Open to administrators of the system."""

    def __call__(self, request: Request) -> Caller:
        caller = SignedIn()(request)
        if not caller.is_administrator:
            raise Problem(403, "administrators_only")
        return caller


@dataclass(frozen=True)
class Passed:
    """Who passed a project's door, in which role, and what it led to."""

    caller: Caller
    role: str
    project: Project
    case: Case | None = None
    upload: Upload | None = None


class OnProject(Door):
    """Open to members of the project `project_id` whose role has the permission."""

    said: ClassVar = "no_project"

    def __init__(self, permission: str) -> None:
        self.permission = permission

    def __call__(self, request: Request, project_id: str) -> Passed:
        return self._pass(request, project_id)

    def _pass(self, request: Request, project_id: str, case: Case | None = None, upload: Upload | None = None) -> Passed:
        caller = SignedIn()(request)
        with system_of(request).database.reading() as session:
            project, role = _project_and_role(session, project_id, caller)
        if project is None or role is None:
            raise Problem(404, self.said)
        request.state.project_id = project.id
        if self.permission not in PERMISSIONS[role]:
            raise Problem(403, "role", project=project.name, role=role)
        return Passed(caller, role, project, case, upload)


class OnCase(OnProject):
    """The same for the project of the case `case_id`."""

    said = "no_case"

    def __call__(self, request: Request, case_id: str) -> Passed:
        SignedIn()(request)
        with system_of(request).database.reading() as session:
            case = session.get(Case, case_id)
        if case is None or case.deleted:
            raise Problem(404, self.said)
        request.state.case_id = case.id
        return self._pass(request, case.project_id, case=case)


class OnGrade(OnCase):
    """The same for who may see the case's grade: where the project asks for it, after a judgement of one's own."""

    def __call__(self, request: Request, case_id: str) -> Passed:
        passed = super().__call__(request, case_id)
        if standing_of(request, passed) in HIDING:
            raise Problem(403, "judgement_first")
        return passed


def standing_of(request: Request, passed: Passed) -> Standing:
    """How the case stands to the caller."""
    assert passed.case is not None
    with system_of(request).database.reading() as session:
        return standings(session, passed.caller.user_id, [passed.case])[passed.case.id]


class OnUpload(OnProject):
    """The same for the project of the upload `upload_id`, which only its sender may touch."""

    said = "no_upload"

    def __call__(self, request: Request, upload_id: str) -> Passed:
        caller = SignedIn()(request)
        with system_of(request).database.reading() as session:
            upload = session.get(Upload, upload_id)
        if upload is None or upload.user_id != caller.user_id:
            raise Problem(404, self.said)
        return self._pass(request, upload.project_id, upload=upload)


def _project_and_role(session: Session, project_id: str, caller: Caller) -> tuple[Project | None, str | None]:
    role = session.scalar(
        select(Membership.role).where(Membership.project_id == project_id, Membership.user_id == caller.user_id)
    )
    return session.get(Project, project_id), role


def projects_of(session: Session, caller: Caller, permission: str) -> list[tuple[Project, str]]:
    """The projects in which the caller has the permission, with the role."""
    found = session.execute(
        select(Project, Membership.role).join(Membership).where(Membership.user_id == caller.user_id).order_by(Project.name)
    )
    return [(project, role) for project, role in found if permission in PERMISSIONS[role]]


def _caller(request: Request) -> Caller:
    """Who sends this; remembered on the request, so that the trail names the caller however it ends."""
    if getattr(request.state, "caller", None) is None:
        request.state.caller = _by_token(request) or _by_cookie(request, system_of(request))
    found: Caller = request.state.caller
    return found


def _by_token(request: Request) -> Caller | None:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.startswith(TOKEN_PREFIX):
        return None
    with system_of(request).database.reading() as session:
        caller = caller_of_token(session, secret)
    if caller is None:
        raise Problem(401, "token")
    return caller


def _by_cookie(request: Request, system: System) -> Caller:
    secret = request.cookies.get(COOKIE)
    with system.database.reading() as session:
        found = caller_of_session(session, secret, system.settings) if secret else None
    if found is None or secret is None:
        raise Problem(401, "signed_out")
    caller, is_to_mark = found
    if request.method not in SAFE_METHODS and request.headers.get("x-csrf-token") != caller.csrf:
        raise Problem(403, "csrf")
    if is_to_mark and UNATTENDED not in request.headers:
        with system.database.writing() as session:
            mark_seen(session, secret)
    return caller


def refuse_endpoints_without_door(router: APIRouter) -> None:
    """Raises AneuflowError naming an endpoint that someone forgot to put behind a door."""
    for route in router.routes:
        if isinstance(route, APIRoute) and not any(isinstance(call, Door) for call in _calls(route.dependant)):
            raise AneuflowError(f"Endpoint {route.path} stands behind no door; give it one.")


def _calls(dependant: Dependant) -> list[object]:
    return [call for part in dependant.dependencies for call in (part.call, *_calls(part))]
