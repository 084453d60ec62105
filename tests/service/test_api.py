"""The API over a server that computes nothing: what is refused, and who sees what."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from aneuflow.service.accounts import add_user
from aneuflow.service.api import cases
from aneuflow.service.models import AuditEntry, Job, Membership, Project
from aneuflow.service.system import System
from tests.service.made_cases import add_case, add_job, case_of
from tests.service.running import OWN_PASSWORD, Person

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def people(system: System, address: str) -> Iterator[dict[str, Person]]:
    """One signed-in person a role, in the project of the case "Study 1"; the administrator also of the system."""
    project_id = case_of(system, add_case(system)).project_id
    people = {}
    for role in ("administrator", "reader"):
        with system.database.writing() as session:
            user = add_user(session, role, OWN_PASSWORD, is_administrator=role == "administrator", must_change=False)
            session.add(Membership(project_id=project_id, user_id=user.id, role=role))
        people[role] = Person(address, role, OWN_PASSWORD)
    yield people
    for person in people.values():
        person.http.close()


@pytest.fixture
def project(system: System, people: dict[str, Person]) -> dict[str, Any]:
    listed: list[dict[str, Any]] = people["administrator"]("GET", "/api/projects")
    return listed[0]


def _begin(person: Person, project: dict[str, Any], size: int) -> Any:
    given = {"label": "Study 2", "files": [{"size": size, "suffix": ".stl"}]}
    return person.http.post(f"/api/projects/{project['id']}/uploads", json=given)


def test_a_project_cannot_take_anothers_name(system: System, people: dict[str, Person], project: dict[str, Any]) -> None:
    with system.database.writing() as session:
        session.add(Project(name="Taken"))
    person = people["administrator"]
    change = {name: project[name] for name in ("name", "running_quota", "queued_quota", "retention_days")}
    assert person.http.put(f"/api/projects/{project['id']}", json=change).status_code == 200
    refused = person.http.put(f"/api/projects/{project['id']}", json={**change, "name": "Taken"})
    assert refused.status_code == 409 and "Taken exists already" in refused.json()["detail"]


def test_a_new_password_ends_tokens_too(people: dict[str, Person]) -> None:
    reader = people["reader"]
    token = reader.http.post("/api/tokens", json={"name": "script"}).json()["secret"]
    bearer = {"authorization": f"Bearer {token}"}
    reader.http.cookies.clear()
    assert reader.http.get("/api/cases", headers=bearer).status_code == 200
    users = people["administrator"].http.get("/api/users").json()
    user_id = next(user["id"] for user in users if user["name"] == "reader")
    people["administrator"].http.patch(f"/api/users/{user_id}", json={"new_password": True})
    assert reader.http.get("/api/cases", headers=bearer).status_code == 401


def test_the_trail_of_a_case_is_for_who_may_see_it(system: System, people: dict[str, Person]) -> None:
    case = people["administrator"].http.get("/api/cases").json()["cases"][0]["id"]
    add_job(system, case)
    for _ in range(2):
        seen = {role: person.http.get(f"/api/cases/{case}/history").json() for role, person in people.items()}
    assert seen["reader"]["trail"] == [] and len(seen["reader"]["jobs"]) == 1
    assert {deed["user"] for deed in seen["administrator"]["trail"]} == {"administrator", "reader"}


def test_a_removed_upload_is_not_there(people: dict[str, Person], project: dict[str, Any]) -> None:
    person = people["administrator"]
    upload = _begin(person, project, 10).json()["id"]
    assert person.http.get(f"/api/uploads/{upload}").json()["offset"] == 0
    assert person.http.delete(f"/api/uploads/{upload}").status_code == 200
    assert person.http.get(f"/api/uploads/{upload}").status_code == 404
    assert person.http.patch(f"/api/uploads/{upload}?offset=0", content=b"x").status_code == 404


def test_room_is_promised_once(people: dict[str, Person], project: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    person = people["administrator"]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, cases.KEPT_FREE + 5000))
    first = _begin(person, project, 1500)
    assert first.status_code == 201
    refused = _begin(person, project, 1500)
    assert refused.status_code == 507 and "GiB free" in refused.json()["detail"]
    person.http.delete(f"/api/uploads/{first.json()['id']}")
    assert _begin(person, project, 1500).status_code == 201


def test_a_full_queue_refuses_what_people_ask_for(system: System, people: dict[str, Person], project: dict[str, Any]) -> None:
    person, case = people["administrator"], people["administrator"].http.get("/api/cases").json()["cases"][0]["id"]
    add_job(system, case)
    with system.database.writing() as session:
        session.execute(update(Project).values(queued_quota=1))
    upload = _begin(person, project, 4).json()["id"]
    person.http.patch(f"/api/uploads/{upload}?offset=0", content=b"abcd")
    assert person.http.post(f"/api/uploads/{upload}/case").status_code == 409


def test_a_refused_sign_in_names_the_account_it_was_for(system: System, people: dict[str, Person]) -> None:
    for name in ("reader", "my own password"):
        refused = people["reader"].http.post("/api/session", json={"name": name, "password": "not the right one"})
        assert refused.status_code == 401
    with system.database.reading() as session:
        lines = session.scalars(select(AuditEntry).where(AuditEntry.status == 401).order_by(AuditEntry.number)).all()
    assert [(line.user, line.detail) for line in lines] == [("unknown", "reader"), ("unknown", "")]


def test_unforeseen_failures_are_for_administrators_of_the_system(system: System, people: dict[str, Person]) -> None:
    job_id = add_job(system, people["administrator"].http.get("/api/cases").json()["cases"][0]["id"])
    with system.database.writing() as session:
        session.execute(update(Job).values(failure="the traceback"))
    assert people["reader"].http.get("/api/failures").status_code == 403
    found = people["administrator"].http.get("/api/failures").json()
    assert [(failure["id"], failure["failure"]) for failure in found] == [(job_id, "the traceback")]


def test_a_number_no_database_holds_is_refused(people: dict[str, Person], project: dict[str, Any]) -> None:
    assert people["administrator"].status("GET", f"/api/projects/{project['id']}/audit?before={2**70}") == 422


def test_no_one_shuts_out_the_last_administrator(people: dict[str, Person], project: dict[str, Any]) -> None:
    person, members = people["administrator"], f"/api/projects/{project['id']}/members"
    users = {user["name"]: user for user in person("GET", "/api/users")}
    refused = person.http.patch(f"/api/users/{users['administrator']['id']}", json={"disabled": True})
    assert refused.status_code == 409 and "your own account" in refused.json()["detail"]
    for method, given in (("DELETE", None), ("PUT", {"role": "reader"})):
        refused = person.http.request(method, f"{members}/administrator", json=given)
        assert refused.status_code == 409 and "without an administrator" in refused.json()["detail"]
    assert {member["name"]: member["role"] for member in person("GET", members)}["administrator"] == "administrator"
    person("PUT", f"{members}/reader", json={"role": "administrator"})
    person("DELETE", f"{members}/administrator")
    assert person.status("GET", members) == 404


def test_an_administrator_sees_and_ends_tokens_and_shuts_out_at_once(people: dict[str, Person]) -> None:
    reader, person = people["reader"], people["administrator"]
    bearer = {"authorization": f"Bearer {reader('POST', '/api/tokens', json={'name': 'script'})['secret']}"}
    user = next(user for user in person("GET", "/api/users") if user["name"] == "reader")
    assert user["tokens"] == 1 and user["is_local"] and not user["locked_out"]
    assert reader.status("DELETE", f"/api/users/{user['id']}/tokens") == 403
    person("DELETE", f"/api/users/{user['id']}/tokens")
    assert person.status("GET", "/api/cases", headers=bearer) == 401
    assert person.status("DELETE", "/api/users/nobody/tokens") == 404
    person("PATCH", f"/api/users/{user['id']}", json={"disabled": True})
    assert reader.status("GET", "/api/cases") == 401
    person("PATCH", f"/api/users/{user['id']}", json={"disabled": False})
    assert reader.status("GET", "/api/cases") == 200
