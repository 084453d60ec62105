"""One real server for all tests that may share it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aneuflow.service.settings import ServiceSettings
from aneuflow.service.system import System, open_system
from tests.service.running import Person, Server, serving


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("system") / "data", sign_ins_per_minute=1000, requests_per_minute=100_000) as server:
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
