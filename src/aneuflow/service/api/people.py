"""Signing in and out, users, tokens, projects and who is in them."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from aneuflow.service import accounts
from aneuflow.service.access import COOKIE, OnProject, Open, Passed, SignedIn, SystemDoor, projects_of
from aneuflow.service.accounts import Caller
from aneuflow.service.models import Membership, Project, ProviderAccount, Token, User
from aneuflow.service.problems import Problem
from aneuflow.service.system import system_of

router = APIRouter()
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._@-]{2,64}$")]
Role = Literal["reader", "editor", "administrator", "auditor"]


class Credentials(BaseModel):
    name: str = Field(max_length=64)
    password: str = Field(max_length=256)


class NewPassword(BaseModel):
    old: str = Field(max_length=256)
    new: str = Field(max_length=256)


class NewUser(BaseModel):
    name: Name
    is_administrator: bool = False


class UserChange(BaseModel):
    disabled: bool | None = None
    new_password: bool = Field(False, description="Make a new first password, shown once.")


class NewToken(BaseModel):
    name: str = Field(min_length=1, max_length=64)
    days: float = Field(90.0, gt=0.0, le=366.0)


class ProjectChange(BaseModel):
    name: str = Field(min_length=1, max_length=80)
    running_quota: int = Field(4, ge=0, le=1000)
    queued_quota: int = Field(2000, ge=1, le=1_000_000)
    retention_days: float = Field(30.0, ge=0.0, le=36500.0)


class Member(BaseModel):
    role: Role


def _me(caller: Caller) -> dict[str, Any]:
    return {
        "name": caller.name,
        "is_administrator": caller.is_administrator,
        "must_change": caller.must_change,
        "csrf": caller.csrf,
    }  # fmt: skip


@router.post("/api/session", dependencies=[Depends(Open())])
def sign_in(request: Request, response: Response, given: Credentials) -> dict[str, Any]:
    system = system_of(request)
    passed = accounts.sign_in(system.database, given.name, given.password, system.settings)
    with system.database.reading() as session:
        request.state.user = given.name if passed else "unknown"
        if not passed and session.scalar(select(User.id).where(User.name == given.name)) is not None:
            # What is no account's name may be a password typed into the wrong field.
            request.state.detail = given.name
    if passed is None:
        raise accounts.refused()
    user, secret, csrf = passed
    response.set_cookie(COOKIE, secret, httponly=True, samesite="strict", secure=system.settings.secure_cookies)
    return _me(Caller(user.id, user.name, user.is_administrator, user.must_change, csrf))


@router.get("/api/session")
def who_am_i(caller: Annotated[Caller, Depends(SignedIn(even_first=True))]) -> dict[str, Any]:
    return _me(caller)


@router.delete("/api/session", dependencies=[Depends(SignedIn(even_first=True))])
def sign_out(request: Request, response: Response) -> None:
    with system_of(request).database.writing() as session:
        accounts.end_session(session, request.cookies.get(COOKIE, ""))
    response.delete_cookie(COOKIE)


@router.put("/api/session/password")
def change_password(
    request: Request, given: NewPassword, caller: Annotated[Caller, Depends(SignedIn(even_first=True))]
) -> None:
    """Ends every session and token of the user; sign in again."""
    with system_of(request).database.writing() as session:
        user = session.get_one(User, caller.user_id)
        if not accounts.is_password_of(user, given.old):
            raise Problem(403, "old_password")
        accounts.set_password(session, user, given.new, must_change=False)


@router.get("/api/users", dependencies=[Depends(SystemDoor())])
def list_users(request: Request) -> list[dict[str, Any]]:
    """Everyone who may sign in; `tokens` counts those that are still good, `is_local` is who has a password here."""
    shown = ("id", "name", "is_administrator", "disabled", "must_change", "created")
    good = select(Token.user_id, func.count()).where(Token.expires > time.time()).group_by(Token.user_id)
    with system_of(request).database.reading() as session:
        tokens = dict(session.execute(good).tuples().all())
        elsewhere = set(session.scalars(select(ProviderAccount.user_id)))
        return [
            {
                **{name: getattr(user, name) for name in shown},
                "locked_out": user.locked_until > time.time(),
                "tokens": tokens.get(user.id, 0),
                "is_local": user.id not in elsewhere,
            }
            for user in session.scalars(select(User).order_by(User.name))
        ]


@router.post("/api/users", dependencies=[Depends(SystemDoor())], status_code=201)
def add_user(request: Request, given: NewUser) -> dict[str, str]:
    """The password is shown this once; it must be changed at the first sign-in."""
    password = accounts.new_password()
    request.state.detail = given.name
    with system_of(request).database.writing() as session:
        user = accounts.add_user(session, given.name, password, given.is_administrator)
        return {"id": user.id, "name": user.name, "password": password}


@router.patch("/api/users/{user_id}")
def change_user(
    request: Request, user_id: str, given: UserChange, caller: Annotated[Caller, Depends(SystemDoor())]
) -> dict[str, str]:
    """Who is disabled is out at once, tokens too, until that is taken back; no one can shut out oneself."""
    if given.disabled and user_id == caller.user_id:
        raise Problem(409, "own_account")
    password = accounts.new_password() if given.new_password else ""
    request.state.detail = user_id
    with system_of(request).database.writing() as session:
        user = session.get(User, user_id)
        if user is None:
            raise Problem(404, "no_user")
        if given.disabled is not None:
            user.disabled = given.disabled
        if password:
            accounts.set_password(session, user, password, must_change=True)
        return {"id": user.id, "name": user.name, "password": password}


@router.delete("/api/users/{user_id}/tokens", dependencies=[Depends(SystemDoor())])
def remove_tokens(request: Request, user_id: str) -> None:
    """End every token of a user, as of a machine that was given away."""
    request.state.detail = user_id
    with system_of(request).database.writing() as session:
        if session.get(User, user_id) is None:
            raise Problem(404, "no_user")
        session.execute(delete(Token).where(Token.user_id == user_id))


@router.get("/api/tokens")
def list_tokens(request: Request, caller: Annotated[Caller, Depends(SignedIn())]) -> list[dict[str, Any]]:
    with system_of(request).database.reading() as session:
        tokens = session.scalars(select(Token).where(Token.user_id == caller.user_id).order_by(Token.created))
        return [{"id": token.id, "name": token.name, "created": token.created, "expires": token.expires} for token in tokens]


@router.post("/api/tokens", status_code=201)
def add_token(request: Request, given: NewToken, caller: Annotated[Caller, Depends(SignedIn())]) -> dict[str, Any]:
    """A key with the rights of its user; the secret is shown this once."""
    if caller.csrf is None:
        raise Problem(403, "token_by_token")
    with system_of(request).database.writing() as session:
        token, secret = accounts.add_token(session, caller.user_id, given.name, given.days)
        return {"id": token.id, "secret": secret, "expires": token.expires}


@router.delete("/api/tokens/{token_id}")
def remove_token(request: Request, token_id: str, caller: Annotated[Caller, Depends(SignedIn())]) -> None:
    with system_of(request).database.writing() as session:
        session.execute(delete(Token).where(Token.id == token_id, Token.user_id == caller.user_id))


@router.get("/api/projects")
def list_projects(request: Request, caller: Annotated[Caller, Depends(SignedIn())]) -> list[dict[str, Any]]:
    with system_of(request).database.reading() as session:
        found = [pair for permission in ("read", "audit") for pair in projects_of(session, caller, permission)]
        return list({project.id: {**_project(project), "role": role} for project, role in found}.values())


def _project(project: Project) -> dict[str, Any]:
    shown = (*ProjectChange.model_fields, "judgement_first")
    return {"id": project.id, **{name: getattr(project, name) for name in shown}}


@router.post("/api/projects", status_code=201)
def add_project(request: Request, given: ProjectChange, caller: Annotated[Caller, Depends(SystemDoor())]) -> dict[str, Any]:
    """Whoever makes a project is its first administrator."""
    with system_of(request).database.writing() as session:
        _refuse_taken_name(session, given.name)
        project = Project(**given.model_dump(), created=time.time())
        session.add(project)
        session.flush()
        session.add(Membership(project_id=project.id, user_id=caller.user_id, role="administrator"))
        return _project(project)


def _refuse_taken_name(session: Session, name: str, project_id: str = "") -> None:
    if session.scalar(select(Project.id).where(Project.name == name, Project.id != project_id)) is not None:
        raise Problem(409, "project_taken", name=name)


@router.put("/api/projects/{project_id}")
def change_project(
    request: Request, given: ProjectChange, passed: Annotated[Passed, Depends(OnProject("manage"))]
) -> dict[str, Any]:
    with system_of(request).database.writing() as session:
        _refuse_taken_name(session, given.name, passed.project.id)
        project = session.get_one(Project, passed.project.id)
        for name, value in given.model_dump().items():
            setattr(project, name, value)
        return _project(project)


@router.get("/api/projects/{project_id}/members")
def list_members(request: Request, passed: Annotated[Passed, Depends(OnProject("manage"))]) -> list[dict[str, str]]:
    with system_of(request).database.reading() as session:
        found = session.execute(
            select(User, Membership.role).join(Membership).where(Membership.project_id == passed.project.id).order_by(User.name)
        )
        return [{"name": user.name, "role": role} for user, role in found]


@router.put("/api/projects/{project_id}/members/{name}")
def set_member(request: Request, name: str, given: Member, passed: Annotated[Passed, Depends(OnProject("manage"))]) -> None:
    request.state.detail = f"{name} {given.role}"
    with system_of(request).database.writing() as session:
        user = session.scalar(select(User).where(User.name == name))
        if user is None:
            raise Problem(404, "no_user_named", name=name)
        session.merge(Membership(project_id=passed.project.id, user_id=user.id, role=given.role))
        _refuse_without_administrator(session, passed.project)


@router.delete("/api/projects/{project_id}/members/{name}")
def remove_member(request: Request, name: str, passed: Annotated[Passed, Depends(OnProject("manage"))]) -> None:
    request.state.detail = name
    with system_of(request).database.writing() as session:
        who = select(User.id).where(User.name == name).scalar_subquery()
        session.execute(delete(Membership).where(Membership.project_id == passed.project.id, Membership.user_id == who))
        _refuse_without_administrator(session, passed.project)


def _refuse_without_administrator(session: Session, project: Project) -> None:
    """Nobody could then give anyone a role again."""
    session.flush()
    left = select(Membership.user_id).where(Membership.project_id == project.id, Membership.role == "administrator")
    if session.scalar(left.limit(1)) is None:
        raise Problem(409, "last_administrator", project=project.name)
