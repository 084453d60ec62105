"""What goes to the log says where something went wrong, never with whose data."""

from __future__ import annotations

import json
import logging
import threading
import time
import warnings
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from aneuflow.service.accounts import add_user
from aneuflow.service.logs import start_logging
from aneuflow.service.models import Membership, Project
from aneuflow.service.system import System
from tests.service.running import OWN_PASSWORD, Person

NAME = "Doe^Jane"


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """Standard error, to which a test starts the log; logging is as it was afterwards."""
    own, root = logging.getLogger("aneuflow.service"), logging.getLogger()
    before = [(logger, logger.handlers, logger.level, logger.propagate) for logger in (own, root)]
    hook = threading.excepthook
    yield capsys
    logging.captureWarnings(False)
    threading.excepthook = hook
    for logger, handlers, level, propagate in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture
def person(system: System, address: str) -> Iterator[Person]:
    """An editor of the project "any" on a real server."""
    with system.database.writing() as session:
        user = add_user(session, "editor", OWN_PASSWORD, must_change=False)
        session.add(Project(id="any", name="Any"))
        session.flush()
        session.add(Membership(project_id="any", user_id=user.id, role="editor"))
    person = Person(address, "editor", OWN_PASSWORD)
    yield person
    person.http.close()


def _lines(written: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    text = written.readouterr().err
    assert NAME not in text
    return [json.loads(line) for line in text.splitlines()]


def test_a_fault_of_the_database_quotes_no_label(system: System, person: Person, written: pytest.CaptureFixture[str]) -> None:
    start_logging()
    with system.database.engine.begin() as connection:
        connection.execute(text("alter table uploads rename to gone"))
    given = {"label": NAME, "files": [{"size": 1, "suffix": ".stl"}]}
    answer = person.http.post("/api/projects/any/uploads", json=given)
    assert answer.status_code == 500 and NAME not in answer.text
    with system.database.engine.begin() as connection:
        connection.execute(text("alter table gone rename to uploads"))
        connection.execute(text("create trigger refuse before insert on uploads begin select raise(abort, 'no'); end"))
    assert person.http.post("/api/projects/any/uploads", json=given).status_code == 500
    said = _lines(written)
    assert {"IntegrityError", "OperationalError"} <= {line.get("error") for line in said}
    assert {"uvicorn.error"} == {line["logger"] for line in said if line["event"] == "library"}


def test_libraries_warnings_and_threads_say_only_where(written: pytest.CaptureFixture[str]) -> None:
    start_logging()
    logging.getLogger("some.library").error("cannot read %s", NAME)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(NAME, stacklevel=1)

    def fail() -> None:
        raise ValueError(NAME)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    said = _lines(written)
    assert [line.get("logger") for line in said] == ["some.library", "py.warnings", None]
    assert said[2]["error"] == "ValueError" and said[2]["place"].startswith("test_logs.py:")


def test_a_connection_cut_within_an_upload_is_no_fault(person: Person, written: pytest.CaptureFixture[str]) -> None:
    start_logging()
    given = {"label": "Cut", "files": [{"size": 100, "suffix": ".stl"}]}
    upload = person("POST", "/api/projects/any/uploads", json=given)["id"]

    def parts() -> Iterator[bytes]:
        yield bytes(10)
        time.sleep(0.2)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        person.http.patch(f"/api/uploads/{upload}?offset=0", content=parts(), headers={"content-length": "100"})
    end = time.monotonic() + 10
    while person("GET", f"/api/uploads/{upload}")["offset"] != 10:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert person("PATCH", f"/api/uploads/{upload}?offset=10", content=bytes(90))["offset"] == 100
    said = _lines(written)
    assert [line for line in said if line["event"] != "request"] == []
    assert 400 in {line["status"] for line in said if line.get("action") == "continue_upload"}
