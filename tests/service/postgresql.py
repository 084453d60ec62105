"""A PostgreSQL server of the tests' own, in a temporary folder, reached over a socket."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

_DEBIAN = Path("/usr/lib/postgresql")


def _programs() -> Path | None:
    """Debian keeps them off the path, in a folder of their version."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(_DEBIAN.glob("*/bin"))
    return folders[-1] if folders else None


@contextmanager
def running_postgresql() -> Iterator[Callable[[], str]]:
    """Gives what makes an empty database and tells its URL. Skips the test, saying so, where PostgreSQL is not installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; install the package postgresql to test on it")
    # It refuses to run as root; Debian's package makes the user postgres.
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder, data = Path(name), Path(name) / "data"
        if user:
            shutil.chown(folder, "postgres")
        options = f"-k {folder} -c listen_addresses= -c fsync=off"

        def call(program: str, *given: str) -> None:
            command = [*user, str(programs / program), "-D", str(data), *given]
            subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)

        call("initdb", "-U", "tests", "-A", "trust", "--no-sync")
        call("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")

        def new_database() -> str:
            database = f"d{uuid.uuid4().hex}"
            engine = create_engine(_url(folder, "postgres"), isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.execute(text(f"create database {database}"))
            engine.dispose()
            return _url(folder, database)

        try:
            yield new_database
        finally:
            call("pg_ctl", "-m", "immediate", "stop")


def _url(folder: Path, database: str) -> str:
    return f"postgresql+psycopg://tests@/{database}?host={folder}"
