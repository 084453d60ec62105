"""Jobs from claim to end: quotas, uploads, heartbeats, planned stops, failures."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from aneuflow.service import dispatch, jobs
from aneuflow.service.dispatch import Dispatcher
from aneuflow.service.engine import LocalEngine, Machine
from aneuflow.service.models import Case, Job
from aneuflow.service.retention import tidy
from aneuflow.service.system import System
from tests.service.made_cases import (
    ON_BOTH,
    Made,
    add_case,
    add_job,
    case_of,
    identify,
    job_of,
    taking,
    wait_until,
    work,
    write_case,
)

pytestmark = ON_BOTH


def _jobs(system: System, case_id: str) -> list[Job]:
    with system.database.reading() as session:
        return list(session.scalars(select(Job).where(Job.case_id == case_id).order_by(Job.created)))


def test_an_upload_that_was_read_is_assessed_however_full_the_queue(system: System) -> None:
    case_id = add_case(system, queued_quota=1)
    add_job(system, case_id, jobs.INTAKE)
    with system.database.writing() as session:
        project_id = session.get_one(Case, case_id).project_id
        session.add(waiting := Case(project_id=project_id, label="Study 2", created_by="editor"))
        session.flush()
        jobs.submit(session, waiting, jobs.ASSESS, "editor", {})
    work(system, Made(identify, ("import",)), jobs.INTAKE)
    assert [(job.kind, job.state) for job in _jobs(system, case_id)] == [("intake", "done"), ("assess", "queued")]
    assert list(system.settings.incoming.iterdir()) == []
    assert (system.pseudonyms.open(case_id) or {})["PatientName"] == "Doe^Jane"


def test_an_upload_is_gone_whether_its_reading_was_canceled_or_its_worker_lost(system: System) -> None:
    canceled, lost, waiting = (add_case(system, f"Study {number}") for number in range(3))
    add_job(system, canceled, jobs.INTAKE)
    with system.database.writing() as session:
        assert jobs.cancel(session, session.get_one(Case, canceled))
    add_job(system, lost, jobs.INTAKE)
    with system.database.writing() as session:
        assert jobs.claim(session, "worker", jobs.INTAKE, [file.name for file in system.settings.incoming.iterdir()])
        session.execute(update(Job).where(Job.case_id == lost).values(seen=0.0))
        jobs.requeue_lost(session, 20.0, attempts=1)
    assert case_of(system, lost).state == "failed"
    wanted = job_of(system, add_job(system, waiting, jobs.INTAKE)).upload_id
    assert len(list(system.settings.incoming.iterdir())) == 3
    tidy(system, time.time())
    assert [file.name for file in system.settings.incoming.iterdir()] == [wanted]


def test_an_intake_waits_for_the_machine_that_holds_its_file(system: System) -> None:
    job = job_of(system, add_job(system, add_case(system), jobs.INTAKE))
    with system.database.writing() as session:
        assert jobs.claim(session, "elsewhere", jobs.INTAKE, []) is None
        assert jobs.claim(session, "elsewhere", jobs.INTAKE, ["another"]) is None
        assert jobs.claim(session, "here", jobs.INTAKE, [job.upload_id]) is not None


@pytest.mark.parametrize("place", ["restore", "publish"])
def test_a_job_is_alive_while_its_files_are_copied(system: System, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case_id = add_case(system)
    job_id = add_job(system, case_id)
    seen: list[float] = []
    kept = getattr(dispatch, place)

    def slowly(*given: object) -> None:
        begun = job_of(system, job_id).seen
        wait_until(lambda: job_of(system, job_id).seen > begun)
        seen.append(job_of(system, job_id).seen - begun)
        kept(*given)

    monkeypatch.setattr(dispatch, place, slowly)
    work(system, Made(lambda folder: write_case(folder, {"model/a": ""}), ("model",)))
    assert len(seen) >= 1 and job_of(system, job_id).state == "done"


def test_without_the_process_that_started_it_a_dispatcher_takes_nothing(system: System) -> None:
    """However early that one went: it may have while this one was still starting."""
    job_id = add_job(system, add_case(system))
    Dispatcher(system, LocalEngine()).serve(parent=2**22)  # beyond every process id
    assert job_of(system, job_id).state == "queued"


def test_a_thousand_queued_cases_drain_over_two_dispatchers_each_once(system: System) -> None:
    case_id, ran = add_case(system, running_quota=1000), Counter[str]()
    with system.database.writing() as session:
        first = session.get_one(Case, case_id)
        cases = [Case(project_id=first.project_id, label=f"Study {number}", created_by="editor") for number in range(1000)]
        session.add_all(cases)
        session.flush()
        for case in cases:
            jobs.submit(session, case, jobs.ASSESS, "editor", {})
    made = Made(lambda folder: ran.update([folder.name]), nodes=[Machine("here", 16, 16, 0.0, 0, 0)])
    dispatchers = [Dispatcher(system, made) for _ in range(2)]
    threads = [threading.Thread(target=dispatcher.serve, args=(os.getppid(),)) for dispatcher in dispatchers]
    for thread in threads:
        thread.start()

    def states() -> dict[str, int]:
        with system.database.reading() as session:
            return dict(session.execute(select(Job.state, func.count()).group_by(Job.state)).tuples().all())

    try:
        wait_until(lambda: states() == {"done": 1000}, 240.0)
    finally:
        for dispatcher in dispatchers:
            dispatcher.ending.set()
        for thread in threads:
            thread.join(20)
    assert len(ran) == 1000 and set(ran.values()) == {1} and list(system.settings.work.iterdir()) == []


def test_a_planned_stop_is_no_lost_attempt(system: System) -> None:
    job_id = add_job(system, add_case(system))
    for number in range(1, 5):
        with taking(system, Made(end=None)) as dispatcher:
            assert job_of(system, job_id).state == "running"
            dispatcher.ending.set()
        assert job_of(system, job_id).state == "queued"
        assert (job_of(system, job_id).attempt, job_of(system, job_id).losses) == (number, 0)


def test_a_worker_lost_too_often_fails_the_job(system: System) -> None:
    job_id = add_job(system, add_case(system))
    for _ in range(system.settings.attempts):
        assert job_of(system, job_id).state == "queued"
        work(system, Made(end=("lost", "")))
    assert job_of(system, job_id).state == "failed" and "3 times" in job_of(system, job_id).reason


def test_what_no_code_foresaw_is_kept_for_administrators(system: System) -> None:
    case_id = add_case(system)
    job_id = add_job(system, case_id)

    def fail(folder: Path) -> None:
        (write_case(folder, {"model/a": ""}).path / "failure.log").write_text("the traceback")

    work(system, Made(fail, ("model",), end=("failed", "It failed.")))
    assert job_of(system, job_id).failure == "the traceback" and list(system.settings.work.iterdir()) == []


def test_an_intake_canceled_in_its_last_moment_is_not_assessed(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    case_id = add_case(system)
    add_job(system, case_id, jobs.INTAKE)
    seal = dispatch.seal_identity

    def cancel_and_seal(*given: object) -> None:
        with system.database.writing() as session:
            assert jobs.cancel(session, session.get_one(Case, case_id))
        seal(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(dispatch, "seal_identity", cancel_and_seal)
    work(system, Made(identify, ("import",)), jobs.INTAKE)
    assert [(job.kind, job.state) for job in _jobs(system, case_id)] == [("intake", "canceled")]
    assert case_of(system, case_id).state == "canceled"


def test_a_fault_at_the_end_of_a_job_leaves_it_to_its_lease(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = add_job(system, add_case(system))

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(dispatch.audit, "append", fail)
    work(system, Made())
    assert job_of(system, job_id).state == "running"
    with system.database.writing() as session:
        session.execute(update(Job).values(seen=0.0))
        assert [job.id for job in jobs.requeue_lost(session, 20.0, 3)] == [job_id]
    assert job_of(system, job_id).state == "queued"
