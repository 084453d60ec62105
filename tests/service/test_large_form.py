"""The large form as plain processes: two API processes, two workers, PostgreSQL, and S3 of which a server is killed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.imaging.dicom_series import slice_writer
from tests.service.made_cases import wait_until
from tests.service.running import OWN_PASSWORD, Person, Server, serving
from tests.service.seaweed import Cluster, running_seaweed

NAME = "Doe^Jane"
READ = ("read", "queued", "running", "done", "failed", "canceled")


@pytest.fixture
def slices(tmp_path: Path) -> list[bytes]:
    write = slice_writer(tmp_path / "slices")
    pixels = np.random.default_rng(0).integers(0, 1000, (24, 64, 64)).astype(np.int16)
    files = [write(f"{k}.dcm", k, [0, 0, 0.5 * k], pixels[k], PatientName=NAME) for k in range(24)]
    return [file.read_bytes() for file in files]


@contextmanager
def _worker(data: Path, settings: dict[str, str]) -> Iterator[None]:
    given = {"data": str(data), "job_slots": "1", "threads_per_job": "1", **settings}
    environment = {**os.environ, **{f"ANEUFLOW_{name.upper()}": value for name, value in given.items()}}
    with data.with_suffix(".worker.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "aneuflow.service.dispatch"], stdout=log, stderr=log, env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(40)


def _read(person: Person, case: str) -> dict[str, bytes]:
    """Every file of a case as the API gives it, each with the hash that it is known by."""
    found = {}
    for file in person("GET", f"/api/cases/{case}")["files"]:
        answer = person.http.get(f"/api/cases/{case}/files/{file['path']}")
        assert answer.status_code == 200, file
        found[file["path"]] = content = answer.content
        if not file["path"].endswith(".gz"):
            assert answer.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    return found


def _first_start(servers: list[Server]) -> Person:
    """Of the servers that started at once, one has made the administrator."""
    logs = [server.log.read_text() for server in servers]
    assert sum("with the password" in log for log in logs) == 1
    return next(server for server, log in zip(servers, logs, strict=True) if "with the password" in log).administrator()


@pytest.mark.slow
def test_one_of_three_servers_is_killed_and_the_service_goes_on(
    tmp_path: Path, new_database: Callable[[], str], slices: list[bytes]
) -> None:
    (tmp_path / "seaweed").mkdir()
    with ExitStack() as stack:
        cluster: Cluster = stack.enter_context(running_seaweed(tmp_path / "seaweed"))
        data = tmp_path / "data"
        settings = {
            "database_url": new_database(),
            "pseudonyms_url": new_database(),
            "seal_objects": "true",
            "seal_key_file": str(tmp_path / "seal.key"),
            **cluster.settings,
        }
        # Each its own log, all the same folder of what is under way.
        (tmp_path / "second").symlink_to(data)
        servers = [stack.enter_context(serving(place, job_slots=0, **settings)) for place in (data, tmp_path / "second")]
        person = _first_start(servers)
        other = Person(servers[1].address, "administrator", OWN_PASSWORD)
        for _ in range(2):
            stack.enter_context(_worker(data, settings))
        project = person("GET", "/api/projects")[0]["id"]
        first = person.upload_files(project, slices, ".dcm")
        before = other.wait(first, READ)
        assert other.wait(first)["state"] == "failed", "nothing in it is a vessel"
        kept = _read(other, first)
        assert "views/image.nii.gz" in kept, before["reason"]
        cases = [person.upload_files(project, [*slices[:-1], slices[0] + bytes(k + 1)], ".dcm") for k in range(3)]
        cluster.kill("volume2")
        cases += [other.upload_files(project, slices, ".dcm")]
        for case in cases:
            ended = other.wait(case)
            assert "views/image.nii.gz" in [file["path"] for file in ended["files"]], ended["reason"]
            assert person("GET", f"/api/cases/{case}/identity")["PatientName"] == NAME
        assert _read(person, first) == kept
        for case in cases:
            assert len(_read(person, case)) == len(kept)
        cluster.kill("s3")
        unread = person.http.get(f"/api/cases/{first}/files/views/image.nii.gz")
        assert unread.status_code == 503 and "does not answer" in unread.json()["detail"]
        assert httpx.get(f"{servers[0].address}/ready").status_code == 503
        assert person("GET", "/api/cases")["count"] == 5, "what is in the database is still shown"
        waiting = person.upload_files(project, slices, ".dcm")
        wait_until(lambda: person("GET", f"/api/cases/{waiting}")["job"]["state"] == "running", 60)
        cluster.start("s3")
        wait_until(lambda: httpx.get(f"{servers[0].address}/ready").status_code == 200, 60)
        assert "views/image.nii.gz" in [file["path"] for file in other.wait(waiting)["files"]]
        assert person("GET", "/api/audit/check")["whole"]
        held = [file.read_bytes() for file in (tmp_path / "seaweed").rglob("*.dat")] + [
            file.read_bytes() for file in data.rglob("*") if file.is_file()
        ]
        image = kept["views/image.nii.gz"]
        assert not any(NAME.encode() in content or image[100:200] in content for content in held), "all of it is sealed"
        assert sum(map(len, held)) > 5 * len(image)
