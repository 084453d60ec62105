"""What is kept of a case is of one model and one set of settings, and only who holds the job keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, update

from aneuflow.service import jobs
from aneuflow.service.models import Case, CaseFile, Job, UnusedObject
from aneuflow.service.publish import Finding, publish, read_file, seal_identity
from aneuflow.service.retention import GRACE_S, purge_deleted, remove_unused
from aneuflow.service.system import System
from tests.service.made_cases import (
    ON_BOTH,
    Made,
    add_case,
    add_job,
    case_of,
    identify,
    taking,
    wait_until,
    work,
    write_case,
)

pytestmark = ON_BOTH
BEFORE = {"model/model.txt": "model, 20 steps", "flow/flow.txt": "flow of it"}
ALL = ("model", "flow")


def _kept(system: System, case_id: str) -> dict[str, str]:
    with system.database.reading() as session:
        paths = session.scalars(select(CaseFile.path).where(CaseFile.case_id == case_id)).all()
        found = {path: read_file(system, session, case_id, path) for path in paths}
    return {path: b"".join(file[1]).decode() for path, file in found.items() if file is not None}


def _assessed(system: System, tmp_path: Path) -> str:
    case_id = add_case(system)
    write_case(tmp_path / "first", BEFORE, {"boundary": {"flow_ml_s": 3.0}})
    publish(system, case_id, Finding(tmp_path / "first", ALL))
    assert _kept(system, case_id) == BEFORE
    return case_id


def _remodel(folder: Path) -> None:
    write_case(folder, {**BEFORE, "model/model.txt": "model, 60 steps"}, {"boundary": {"flow_ml_s": 2.0}})


def test_a_run_canceled_in_mid_chain_leaves_the_case_as_it_was(system: System, tmp_path: Path) -> None:
    case_id = _assessed(system, tmp_path)
    add_job(system, case_id)
    made = Made(_remodel, ("model",), end=None)
    with taking(system, made):
        wait_until(lambda: made.told_all)
        with system.database.writing() as session:
            jobs.cancel(session, session.get_one(Case, case_id))
    assert case_of(system, case_id).state == "canceled"
    assert _kept(system, case_id) == BEFORE
    assert case_of(system, case_id).settings == {"boundary": {"flow_ml_s": 3.0}}


def test_a_run_that_fails_leaves_the_case_as_it_was_and_says_why(system: System, tmp_path: Path) -> None:
    case_id = _assessed(system, tmp_path)
    add_job(system, case_id)
    work(system, Made(_remodel, ("model",), end=("failed", "The flow did not settle.")))
    case = case_of(system, case_id)
    assert (case.state, case.reason) == ("failed", "The flow did not settle.")
    assert _kept(system, case_id) == BEFORE and case.settings == {"boundary": {"flow_ml_s": 3.0}}


def test_a_run_that_is_done_takes_the_place_of_all_before(system: System, tmp_path: Path) -> None:
    case_id = _assessed(system, tmp_path)
    add_job(system, case_id)
    work(system, Made(_remodel, ("model",)))
    assert _kept(system, case_id) == {"model/model.txt": "model, 60 steps"}
    case = case_of(system, case_id)
    assert case.settings == {"boundary": {"flow_ml_s": 2.0}} and case.manifest is not None
    assert list(case.manifest["stages"]) == ["model"]


def test_a_first_run_shows_what_it_has_as_it_goes_on(system: System) -> None:
    case_id = add_case(system)
    add_job(system, case_id)
    with taking(system, Made(lambda folder: write_case(folder, BEFORE), ("model",), end=None)) as dispatcher:
        wait_until(lambda: _kept(system, case_id) == {"model/model.txt": BEFORE["model/model.txt"]})
        dispatcher.ending.set()


def test_a_worker_that_lost_its_job_keeps_nothing(system: System, tmp_path: Path) -> None:
    case_id = add_case(system)
    job_id = add_job(system, case_id)
    with system.database.writing() as session:
        mine = jobs.claim(session, "first", jobs.ASSESS)
    assert mine is not None and mine.id == job_id
    with system.database.writing() as session:
        session.execute(update(Job).values(worker="second", attempt=2))
    write_case(tmp_path, BEFORE)
    publish(system, case_id, Finding(tmp_path, ALL), mine)
    identify(tmp_path)
    seal_identity(system, tmp_path, mine)
    assert _kept(system, case_id) == {} and system.pseudonyms.open(case_id) is None


def test_no_identity_is_sealed_for_a_case_that_is_gone(system: System, tmp_path: Path) -> None:
    case_id = add_case(system)
    add_job(system, case_id, jobs.INTAKE)
    with system.database.writing() as session:
        uploads = [file.name for file in system.settings.incoming.iterdir()]
        mine = jobs.claim(session, "worker", jobs.INTAKE, uploads)
        session.get_one(Case, case_id).deleted = 1.0
    assert mine is not None
    identify(tmp_path)
    seal_identity(system, tmp_path, mine)
    assert system.pseudonyms.open(case_id) is None


def test_an_object_given_up_by_one_case_and_taken_by_another_stays(system: System, tmp_path: Path) -> None:
    first = _assessed(system, tmp_path)
    with system.database.writing() as session:
        session.get_one(Case, first).deleted = 1.0
    now = 40 * 86400.0
    assert purge_deleted(system, now) == 1 and remove_unused(system, now) == 0
    second = add_case(system, "Study 2")
    publish(system, second, Finding(tmp_path / "first", ALL))
    assert remove_unused(system, now + 2 * GRACE_S) == 0
    assert _kept(system, second) == BEFORE
    with system.database.writing() as session:
        session.get_one(Case, second).deleted = 1.0
    purge_deleted(system, now)
    assert remove_unused(system, now + 2 * GRACE_S) == 2
    assert list(system.objects.names()) == []


def test_an_object_removed_while_a_case_takes_it_is_put_there_again(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _assessed(system, tmp_path)
    with system.database.writing() as session:
        session.get_one(Case, first).deleted = 1.0
    purge_deleted(system, 40 * 86400.0)
    second, add, added = add_case(system, "Study 2"), system.objects.add, []

    def add_then_lose(file: Path, sha256: str) -> None:
        add(file, sha256)
        added.append(sha256)
        if len(added) == 2:
            assert remove_unused(system, 41 * 86400.0) == 2

    monkeypatch.setattr(system.objects, "add", add_then_lose)
    publish(system, second, Finding(tmp_path / "first", ALL))
    assert _kept(system, second) == BEFORE


def test_what_a_later_run_replaced_leaves_the_store(system: System, tmp_path: Path) -> None:
    case_id = _assessed(system, tmp_path)
    add_job(system, case_id)
    work(system, Made(_remodel, ("model",)))
    with system.database.reading() as session:
        unused = session.scalars(select(UnusedObject)).all()
    assert len(unused) == 2
    assert remove_unused(system, unused[0].since + 2 * GRACE_S) == 2
    assert _kept(system, case_id) == {"model/model.txt": "model, 60 steps"}


def test_rows_are_kept_where_the_commit_fails(system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case_id = _assessed(system, tmp_path)
    with system.database.writing() as session:
        session.get_one(Case, case_id).deleted = 1.0

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(system.pseudonyms, "forget", fail)
    with pytest.raises(RuntimeError):
        purge_deleted(system, 40 * 86400.0)
    remove_unused(system, 41 * 86400.0)
    assert _kept(system, case_id) == BEFORE
