"""One real server for all tests that may share it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from aneuflow.service.app import create_app
from aneuflow.service.settings import ServiceSettings
from aneuflow.service.system import System, open_system
from tests.service.running import Person, Server, serving


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits = {"sign_ins_per_minute": 1000, "requests_per_minute": 100_000}
    with serving(tmp_path_factory.mktemp("system") / "data", forwarded_allow_ips="10.0.0.1", **limits) as server:
        yield server


@pytest.fixture(scope="package")
def administrator(server: Server) -> Person:
    return server.administrator()


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """An empty system in this process, without a server."""
    system = open_system(ServiceSettings(data=tmp_path / "data"))
    yield system
    system.database.engine.dispose()
    system.pseudonyms._database.engine.dispose()


@pytest.fixture
def address(system: System) -> Iterator[str]:
    """Of a server of that system, in a thread of this process, with nothing that computes."""
    server = uvicorn.Server(uvicorn.Config(create_app(system), port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    end = time.monotonic() + 20
    while not server.started and time.monotonic() < end:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)
