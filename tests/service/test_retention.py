"""A deleted patient is gone everywhere after the retention time: looked for in every byte that the system has left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, select, text

from aneuflow.service import jobs
from aneuflow.service.backup import back_up
from aneuflow.service.models import Base, Case, Job, Judgement
from aneuflow.service.retention import GRACE_S, tidy
from aneuflow.service.settings import ServiceSettings
from aneuflow.service.system import System, open_system
from tests.service.made_cases import Made, add_case, add_job, case_of, identify, wait_until, work, write_case
from tests.service.seaweed import running_seaweed

DAY = 86400.0
LABEL, SENTENCE, SETTING = "Study Quixote", "a thin dome", "said of this vessel"
# Of bytes no store can make less, so that they lie there as they are.
CONTENT, OTHER, SHARED = (os.urandom(300) for _ in range(3))
TRACES = (LABEL.encode(), SENTENCE.encode(), SETTING.encode(), CONTENT)


def _fill(system: System, folder: Path, label: str, content: bytes) -> str:
    """A case that was uploaded, read, computed and judged."""
    case_id = add_case(system, os.urandom(4).hex(), retention_days=30.0)  # which its project is named by
    with system.database.writing() as session:
        session.get_one(Case, case_id).label = label
    add_job(system, case_id, jobs.INTAKE)
    work(system, Made(identify, ("import",)), jobs.INTAKE)
    with system.database.writing() as session:
        session.execute(delete(Job).where(Job.case_id == case_id, Job.state == "queued"))
        jobs.submit(session, session.get_one(Case, case_id), jobs.ASSESS, "editor", {"report": {"title": SETTING}})
    large = content + os.urandom(9_000_000)
    files: dict[str, str | bytes] = {"model/own": content, "boundary/large": large, "model/shared": SHARED}
    work(system, Made(lambda place: write_case(place, files, {"report": {"title": SETTING}}), ("model", "boundary")))
    with system.database.writing() as session:
        judged = {"risk": "low", "confidence": 3, "sentence": SENTENCE, "grade": "low", "grade_sha256": "0", "is_blind": True}
        session.add(Judgement(case_id=case_id, user_id="editor", **judged))
    assert case_of(system, case_id).state == "done"
    return case_id


def _left(folders: list[Path], *traces: bytes) -> set[bytes]:
    """Which of the traces stand in any file."""
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return {trace for file in files for trace in traces if trace in file.read_bytes()}


def _delete_and_wait(system: System, case_id: str) -> None:
    """Deleted by a user, then the dispatcher's tidying through time."""
    now = time.time()
    with system.database.writing() as session:
        session.get_one(Case, case_id).deleted = now
    tidy(system, now + 29 * DAY)
    assert case_of(system, case_id).deleted, "it can be had back until then"
    tidy(system, now + 31 * DAY)
    tidy(system, now + 31 * DAY + GRACE_S + 1)
    with system.database.reading() as session:
        rows = {table.name: session.execute(select(table)).all() for table in Base.metadata.sorted_tables}
    assert all(case_id not in str(found) for name, found in rows.items() if name != "audit"), "only the trail knows of it"
    assert system.pseudonyms.open(case_id) is None


def test_the_folder_of_a_killed_request_goes_and_one_under_way_stays(system: System) -> None:
    now = time.time()
    for name, age in (("killed", GRACE_S + 60.0), ("under way", 60.0)):
        folder = system.settings.passing / name
        folder.mkdir()
        (folder / "image").write_text("a model")
        os.utime(folder, (now - age, now - age))
    tidy(system, now)
    assert [folder.name for folder in system.settings.passing.iterdir()] == ["under way"]


def test_nothing_is_left_on_one_machine(system: System, tmp_path: Path) -> None:
    data, backup = system.settings.data, tmp_path / "backup"
    case_id = _fill(system, tmp_path, LABEL, CONTENT)
    other = _fill(system, tmp_path, "Study Panza", OTHER)
    assert _left([data], *TRACES, b"Doe^Jane") == {*TRACES}, "the identity is sealed"
    back_up(system, backup, lambda *_: None)
    assert _left([backup], *TRACES) == {*TRACES}
    _delete_and_wait(system, case_id)
    assert _left([data], LABEL.encode(), CONTENT, OTHER, SHARED) == {OTHER, SHARED}
    back_up(system, backup, lambda *_: None)
    assert _left([backup], LABEL.encode(), CONTENT, OTHER, SHARED) == {OTHER, SHARED}, "the next backup has it no more"
    _delete_and_wait(system, other)
    assert _left([data], *TRACES, OTHER, SHARED, b"Study Panza") == set() and list(system.objects.names()) == []


@pytest.mark.slow
def test_nothing_is_left_in_the_large_form(tmp_path: Path, new_database: Callable[[], str]) -> None:
    (tmp_path / "seaweed").mkdir()
    with running_seaweed(tmp_path / "seaweed") as cluster:
        more = {"database_url": new_database(), "pseudonyms_url": new_database(), **cluster.settings}
        system = open_system(ServiceSettings(data=tmp_path / "data", **more))
        places = [tmp_path / "data", tmp_path / "seaweed"]
        case_id = _fill(system, tmp_path, LABEL, CONTENT)
        other = _fill(system, tmp_path, "Study Panza", OTHER)
        assert _left(places, CONTENT, OTHER, SHARED) == {CONTENT, OTHER, SHARED}
        _delete_and_wait(system, case_id)
        assert len(list(system.objects.names())) == 3

        def is_cleared() -> bool:
            """What was deleted is overwritten by the store's own clearing, which here does not wait for its time."""
            cluster.shell("volume.vacuum -garbageThreshold=0.0001")
            return _left(places, CONTENT, OTHER, SHARED) == {OTHER, SHARED}

        wait_until(is_cleared, 90)
        with system.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("vacuum full"))
            connection.execute(text("checkpoint"))
            place = Path(str(connection.scalar(text("select current_setting('data_directory')"))))
            name = str(connection.scalar(text("select oid from pg_database where datname = current_database()")))
        assert _left([place / "base" / name], LABEL.encode(), b"Study Panza") == {b"Study Panza"}
        _delete_and_wait(system, other)
        assert list(system.objects.names()) == []
        system.database.engine.dispose()
        system.pseudonyms._database.engine.dispose()
