"""A real server as a process of its own, and someone who talks to it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

OWN_PASSWORD = "a quiet river at dusk"


class Person:
    """One signed-in user's browser, without the browser."""

    def __init__(self, address: str, name: str, password: str) -> None:
        self.http = httpx.Client(base_url=address, timeout=30.0, limits=httpx.Limits(max_keepalive_connections=0))
        answer = self.http.post("/api/session", json={"name": name, "password": password})
        answer.raise_for_status()
        self.http.headers["x-csrf-token"] = answer.json()["csrf"]

    def __call__(self, method: str, path: str, **more: Any) -> Any:
        answer = self.http.request(method, path, **more)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def status(self, method: str, path: str, **more: Any) -> int:
        return self.http.request(method, path, **more).status_code

    def upload(self, project: str, content: bytes, suffix: str, settings: dict[str, Any] | None = None) -> str:
        return self.upload_files(project, [content], suffix, settings)

    def upload_files(self, project: str, files: list[bytes], suffix: str, settings: dict[str, Any] | None = None) -> str:
        """Send files in two pieces and make them a case; gives the case's id."""
        content = b"".join(files)
        sizes = [{"size": len(file), "suffix": suffix} for file in files]
        given = {"label": "Study 1", "files": sizes, "settings": settings or {}}
        upload = self("POST", f"/api/projects/{project}/uploads", json=given)["id"]
        half = len(content) // 2
        for start, end in ((0, half), (half, len(content))):
            self("PATCH", f"/api/uploads/{upload}?offset={start}", content=content[start:end])
        case: str = self("POST", f"/api/uploads/{upload}/case")["id"]
        return case

    def wait(
        self, case: str, states: tuple[str, ...] = ("done", "failed", "canceled"), seconds: float = 240.0
    ) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found: dict[str, Any] = self("GET", f"/api/cases/{case}")
            if found["state"] in states:
                return found
            time.sleep(0.3)
        raise AssertionError(f"case is still {found['state']} ({found['job']})")


class Server:
    """`aneuflow serve` on a free port; `output` is all it wrote."""

    def __init__(self, data: Path, **settings: object) -> None:
        environment = {**os.environ, **{f"ANEUFLOW_{name.upper()}": str(value) for name, value in settings.items()}}
        self.log = data.with_suffix(".log")
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "aneuflow.cli.main", "serve", "--data", str(data), "--port", "0"]
            begun = log.tell()
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**environment, "PYTHONUNBUFFERED": "1"})
        self.address = ""
        end = time.monotonic() + 60
        while not self.address and time.monotonic() < end and self.process.poll() is None:
            found = re.search(r"serves at (\S+)", self.log.read_bytes()[begun:].decode())
            self.address = found[1] if found else ""
            time.sleep(0.1)
        assert self.address, self.log.read_text()
        while time.monotonic() < end:
            try:
                httpx.get(f"{self.address}/ready").raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.1)

    def administrator(self) -> Person:
        """Signed in with a password of their own."""
        first = re.search(r"with the password (\S+)", self.log.read_text())
        assert first is not None
        try:
            person = Person(self.address, "administrator", first[1])
        except httpx.HTTPStatusError:
            return Person(self.address, "administrator", OWN_PASSWORD)
        person("PUT", "/api/session/password", json={"old": first[1], "new": OWN_PASSWORD})
        return Person(self.address, "administrator", OWN_PASSWORD)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@contextmanager
def serving(data: Path, **settings: object) -> Iterator[Server]:
    server = Server(data, **settings)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
