"""The system as it runs: a real server, the real chain, what survives a kill, and who may see what."""

from __future__ import annotations

import gzip
import io
import os
import re
import signal
import sqlite3
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi.routing import APIRoute

from aneuflow.service.access import (
    PERMISSIONS,
    Door,
    OnProject,
    OnUpload,
    Open,
    SignedIn,
    SystemDoor,
    refuse_endpoints_without_door,
)
from aneuflow.service.app import ROUTERS
from tests.imaging.dicom_series import slice_writer
from tests.service.running import OWN_PASSWORD, Person, Server, serving

EXAMPLE = Path(__file__).parents[2] / "examples" / "aneumo-case4" / "lumen.nii.gz"
NAME = "Doe^Jane"
COARSE = {"input": {"kind": "mask"}, "simulate": {"steady": True, "resolution_mm": 0.4, "convergence_percent": 0.1}}


@pytest.fixture(scope="module")
def slice_files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    write = slice_writer(tmp_path_factory.mktemp("series") / "slices")
    pixels = [np.full((32, 32), 40 * k, np.int16) for k in range(24)]
    files = [write(f"{k}.dcm", k, [0, 0, 0.5 * k], pixels[k], PatientName=NAME, PatientID="4711") for k in range(24)]
    return [file.read_bytes() for file in files]


def _join(server: Server, administrator: Person, name: str, role: str, project: str) -> Person:
    """A new user who is in the project in this role and has changed the first password."""
    first = administrator("POST", "/api/users", json={"name": name})["password"]
    administrator("PUT", f"/api/projects/{project}/members/{name}", json={"role": role})
    person = Person(server.address, name, first)
    assert person.status("GET", "/api/cases") == 403
    person("PUT", "/api/session/password", json={"old": first, "new": OWN_PASSWORD})
    return Person(server.address, name, OWN_PASSWORD)


def test_every_endpoint_stands_behind_a_door() -> None:
    for router in ROUTERS:
        refuse_endpoints_without_door(router)


def test_every_case_endpoint_against_every_role(server: Server, administrator: Person) -> None:
    project = administrator("GET", "/api/projects")[0]["id"]
    case = administrator.upload(project, b"solid nothing\nendsolid\n", ".stl")
    administrator.wait(case)
    other = administrator("POST", "/api/projects", json={"name": "Another"})["id"]
    people = {role: _join(server, administrator, f"{role}1", role, project) for role in PERMISSIONS}
    stranger = _join(server, administrator, "stranger", "administrator", other)
    stranger_sees = stranger("GET", "/api/cases")
    assert stranger_sees["count"] == 0 and stranger_sees["cases"] == []
    tried = 0
    for route in [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]:
        doors = [part.call for part in route.dependant.dependencies if isinstance(part.call, Door)]
        door = doors[0]
        if not isinstance(door, OnProject) or isinstance(door, OnUpload):
            continue
        uids = dict.fromkeys(("study_uid", "series_uid", "instance_uid"), "1.2.3")
        path = route.path.replace("{path:path}", "no.file").format(project_id=project, case_id=case, name="nobody", **uids)
        for method in route.methods - {"DELETE"}:
            assert stranger.status(method, path, json={}) == 404
            assert httpx.request(method, server.address + path, json={}).status_code == 401
            for role, person in people.items():
                status = person.status(method, path, json={})
                assert (status == 403) == (door.permission not in PERMISSIONS[role]), (method, path, role, status)
                tried += 1
    assert tried > 40
    assert people["editor"].status("DELETE", f"/api/cases/{case}") == 403


def test_every_other_endpoint_against_who_is_not_its_caller(server: Server, administrator: Person) -> None:
    """Those of no case and no project: open to all, to who is signed in, to administrators of the system, to a sender."""
    project = administrator("GET", "/api/projects")[0]["id"]
    given = {"label": "Mine alone", "files": [{"size": 5, "suffix": ".stl"}]}
    upload = administrator("POST", f"/api/projects/{project}/uploads", json=given)["id"]
    editor = _join(server, administrator, "editor.other", "editor", project)
    tried = {Open: 0, SignedIn: 0, SystemDoor: 0, OnUpload: 0}
    for route in [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]:
        door = next(part.call for part in route.dependant.dependencies if isinstance(part.call, Door))
        if type(door) not in tried:
            continue
        path = re.sub(r"\{.*?\}", "none", route.path.replace("{upload_id}", upload))
        for method in route.methods - {"DELETE"}:
            nobody = httpx.request(method, server.address + path, json={}).status_code
            if type(door) is not Open:
                assert nobody == 401, (method, path)
            if type(door) in (SystemDoor, OnUpload):
                assert editor.status(method, path, json={}) == (403 if type(door) is SystemDoor else 404), (method, path)
            tried[type(door)] += 1
    assert all(tried.values()) and sum(tried.values()) > 20, tried
    assert administrator("GET", f"/api/uploads/{upload}")["offset"] == 0
    administrator("DELETE", f"/api/uploads/{upload}")


def test_without_the_csrf_token_nothing_is_changed(administrator: Person) -> None:
    status = administrator.status("POST", "/api/projects", json={"name": "Forged"}, headers={"x-csrf-token": "guess"})
    assert status == 403 and "Forged" not in str(administrator("GET", "/api/projects"))


def test_wrong_passwords_lock_the_account(server: Server, administrator: Person) -> None:
    first = administrator("POST", "/api/users", json={"name": "forgetful"})["password"]
    for _ in range(5):
        wrong = httpx.post(f"{server.address}/api/session", json={"name": "forgetful", "password": "not it at all"})
        assert wrong.status_code == 401
    assert httpx.post(f"{server.address}/api/session", json={"name": "forgetful", "password": first}).status_code == 401


def test_a_token_acts_as_its_user_until_it_is_removed(server: Server, administrator: Person) -> None:
    token = administrator("POST", "/api/tokens", json={"name": "script"})
    headers = {"authorization": f"Bearer {token['secret']}"}
    assert httpx.get(f"{server.address}/metrics", headers=headers).status_code == 200
    administrator("DELETE", f"/api/tokens/{token['id']}")
    assert httpx.get(f"{server.address}/metrics", headers=headers).status_code == 401


def _archive(count: int, content: bytes) -> bytes:
    """A zip of so many files of this content, with names that lead elsewhere."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            archive.writestr(f"../../{number}.dcm", content)
    return made.getvalue()


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        pytest.param(lambda: os.urandom(4096), ".dcm", id="noise"),
        pytest.param(lambda: b"PK\x05\x06" + bytes(18), ".zip", id="empty archive"),
        pytest.param(lambda: _archive(1, bytes(50_000_000)), ".zip", id="bomb"),
        pytest.param(lambda: _archive(100_000, b"no image"), ".zip", id="100000 files"),
    ],
)
def test_what_is_no_image_ends_in_one_sentence(administrator: Person, content: Callable[[], bytes], suffix: str) -> None:
    project = administrator("GET", "/api/projects")[0]["id"]
    ended = administrator.wait(administrator.upload(project, content(), suffix))
    assert ended["state"] == "failed" and ended["files"] == []
    assert ended["reason"].endswith(".") and "Error" not in ended["reason"]


@pytest.mark.parametrize("settings", [{"boundary": {"waveform": "/etc/passwd"}}, {"boundary": {"doppler": ["/etc/passwd"]}}])
def test_settings_cannot_name_files_of_the_server(administrator: Person, settings: dict[str, object]) -> None:
    project = administrator("GET", "/api/projects")[0]["id"]
    given = {"label": "x", "files": [{"size": 1, "suffix": ".stl"}], "settings": settings}
    assert administrator.status("POST", f"/api/projects/{project}/uploads", json=given) == 422


def test_only_a_known_proxy_says_for_whom_it_speaks(server: Server, administrator: Person) -> None:
    """The server's configuration names another address than that of the tests."""
    project = administrator("POST", "/api/projects", json={"name": "Traced"}, headers={"x-forwarded-for": "203.0.113.7"})
    administrator("GET", f"/api/projects/{project['id']}/members", headers={"x-forwarded-for": "203.0.113.7"})
    trail = administrator("GET", f"/api/projects/{project['id']}/audit")
    assert {line["address"] for line in trail} == {"127.0.0.1"}


def test_the_answers_bear_their_headers(server: Server) -> None:
    headers = httpx.get(f"{server.address}/health").headers
    assert "default-src 'self'" in headers["content-security-policy"] and headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


@pytest.mark.slow
def test_a_killed_server_loses_no_job_and_a_killed_worker_changes_no_number(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = Server(data, lease_s=3, threads_per_job=1)
    try:
        person = first.administrator()
        project = person("GET", "/api/projects")[0]["id"]
        plain, disturbed = (person.upload(project, EXAMPLE.read_bytes(), ".nii.gz", COARSE) for _ in range(2))
        assert person.wait(plain)["state"] == "done"
        _wait_for_stage(person, disturbed, "simulate")
        _kill_children(data)
    finally:
        first.kill()
    with serving(data, lease_s=3, threads_per_job=1) as second:
        person = second.administrator()
        ended = person.wait(disturbed)
        assert ended["state"] == "done", ended["reason"]
        assert person("GET", f"/api/cases/{disturbed}/measures") == person("GET", f"/api/cases/{plain}/measures")
        assert [job["state"] for job in person("GET", f"/api/cases/{disturbed}/history")["jobs"]] == ["done", "done"]
        scene = person("GET", f"/api/cases/{plain}/files/views/scene.zh.json.gz")
        assert {field["name"] for field in scene["fields"]} >= {"TAWSS", "pressure", "region"}
        report = person.http.get(f"/api/cases/{plain}/files/report/report.html")
        assert report.headers["content-security-policy"].startswith("sandbox allow-scripts")
        before = _what_is_shown(person, plain)
        changes = {"boundary": {"flow_ml_s": 2.0}, "model": {"smoothing_steps": 60}}
        person("POST", f"/api/cases/{plain}/jobs", json={"settings": changes})
        _wait_for_stage(person, plain, "simulate")
        start = time.monotonic()
        assert person("DELETE", f"/api/cases/{plain}/jobs")["canceled"]
        assert person.wait(plain)["state"] == "canceled" and time.monotonic() - start < 2.0
        assert _children(data) == [] and list((data / "work").iterdir()) == [], "processor, memory and disk are free"
        assert _what_is_shown(person, plain) == before
        assert person("GET", "/api/audit/check")["whole"]
        _tamper(data)
        assert not person("GET", "/api/audit/check")["whole"]


def _what_is_shown(person: Person, case: str) -> list[object]:
    """Numbers, grade, settings and files of a case."""
    seen = person("GET", f"/api/cases/{case}")
    found = [person("GET", f"/api/cases/{case}/{part}") for part in ("measures", "risk", "files/model/caps.json")]
    return [*found, *(seen[name] for name in ("settings", "files", "stages", "diameter_mm"))]


def _wait_for_stage(person: Person, case: str, stage: str) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        found = person("GET", f"/api/cases/{case}")
        job = found["job"]
        if job and job["stage"] == stage and job["kind"] == "assess":
            return
        assert found["state"] not in ("failed", "done"), found["reason"]
        time.sleep(0.1)
    raise AssertionError(f"stage {stage} never came")


def _children(data: Path) -> list[int]:
    """The processes that compute in this data folder."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                command, place = (folder / "cmdline").read_bytes(), (folder / "cwd").readlink()
            except OSError:
                continue
            if b"aneuflow.service.child" in command and place.is_relative_to(data):
                found.append(int(folder.name))
    return found


def _kill_children(data: Path) -> None:
    children = _children(data)
    for process in children:
        os.kill(process, signal.SIGKILL)
    assert children


def _tamper(data: Path) -> None:
    connection = sqlite3.connect(data / "aneuflow.sqlite", timeout=10)
    connection.execute("update audit set user = 'nobody' where number = 3")
    connection.commit()
    connection.close()


def test_a_patients_name_is_in_no_log_but_in_the_sealed_table(
    server: Server, administrator: Person, slice_files: list[bytes]
) -> None:
    project = administrator("GET", "/api/projects")[0]["id"]
    damaged = administrator.upload_files(project, [slice_files[0][:700], slice_files[1][:500]], ".dcm")
    assert administrator.wait(damaged)["state"] == "failed"
    assert administrator.status("GET", f"/api/cases/{NAME}") == 404
    given = {"label": NAME * 20, "files": [{"size": 1, "suffix": NAME}], "settings": {NAME: {NAME: NAME}}}
    assert administrator.status("POST", f"/api/projects/{project}/uploads", json=given) == 422
    case = administrator.upload_files(project, slice_files, ".dcm")
    read = administrator.wait(case, ("read", "queued", "running", "done", "failed", "canceled"))
    assert "views/image.nii.gz" in [file["path"] for file in read["files"]], read["reason"]
    assert administrator("GET", f"/api/cases/{case}/identity")["PatientName"] == NAME
    administrator.wait(case)
    data = server.log.with_suffix("")
    kept = [file for file in data.rglob("*") if file.is_file()]
    assert len(kept) > 5 and list((data / "incoming").iterdir()) == []
    for file in [server.log, *kept]:
        content = file.read_bytes()
        assert NAME.encode() not in (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content), file


@pytest.mark.slow
def test_a_case_can_be_predicted_in_place_of_simulated(tmp_path: Path) -> None:
    with serving(tmp_path / "data", threads_per_job=1) as server:
        person = server.administrator()
        project = person("GET", "/api/projects")[0]["id"]
        case = person.upload(project, EXAMPLE.read_bytes(), ".nii.gz", {**COARSE, "predict": {"fast": True}})
        ended = person.wait(case)
        assert ended["state"] == "done", ended["reason"]
        measures = {row["id"]: row for row in person("GET", f"/api/cases/{case}/measures")}
        shear = measures["sac_tawss_mean"]
        assert shear["low"] < shear["value"] < shear["high"] and "parent_tawss_mean" not in measures
        scene = person("GET", f"/api/cases/{case}/files/views/scene.en.json.gz")
        assert {field["name"] for field in scene["fields"]} >= {"TAWSS", "pressure", "region"}
        notes = person("GET", f"/api/cases/{case}/files/views/summary.en.json.gz")["notes"]
        assert any("predicted by networks, not simulated" in sentence for _, sentence, _ in notes)
        assert person.http.get(f"/api/cases/{case}/files/views/flow.json.gz").status_code == 404
        (study,) = person("GET", f"/api/projects/{project}/dicomweb/studies")
        assert study["00080061"]["Value"] == ["DOC", "SR"], "there is no image that a segmentation could refer to"
