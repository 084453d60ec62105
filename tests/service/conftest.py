"""One real server for all tests that may share it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from aneuflow.service.app import create_app
from aneuflow.service.settings import ServiceSettings
from aneuflow.service.system import System, open_system
from tests.service.postgresql import running_postgresql
from tests.service.running import Person, Server, serving


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits = {"sign_ins_per_minute": 1000, "requests_per_minute": 100_000}
    with serving(tmp_path_factory.mktemp("system") / "data", forwarded_allow_ips="10.0.0.1", **limits) as server:
        yield server


@pytest.fixture(scope="package")
def administrator(server: Server) -> Person:
    return server.administrator()


@pytest.fixture(scope="session")
def new_database() -> Iterator[Callable[[], str]]:
    """Makes an empty PostgreSQL database and gives its URL."""
    with running_postgresql() as new_database:
        yield new_database


@pytest.fixture(params=["sqlite"])
def backend(request: pytest.FixtureRequest) -> str:
    """What the system's database is; "postgresql" where a test says so."""
    return str(request.param)


@pytest.fixture
def system(tmp_path: Path, backend: str, request: pytest.FixtureRequest) -> Iterator[System]:
    """An empty system in this process, without a server."""
    url = request.getfixturevalue("new_database")() if backend == "postgresql" else ""
    system = open_system(ServiceSettings(data=tmp_path / "data", database_url=url))
    yield system
    system.database.engine.dispose()
    system.pseudonyms._database.engine.dispose()


@contextmanager
def in_thread(app: FastAPI) -> Iterator[str]:
    """The address of a server of the app in a thread of this process."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    end = time.monotonic() + 20
    while not server.started and time.monotonic() < end:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def address(system: System) -> Iterator[str]:
    """Of a server of that system, in a thread of this process, with nothing that computes."""
    with in_thread(create_app(system)) as address:
        yield address
