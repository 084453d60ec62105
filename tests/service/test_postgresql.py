"""The system on PostgreSQL: schema, queue and trail under many at once, and a whole server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, select

from aneuflow.service import audit, jobs
from aneuflow.service.models import Base, Case, Job, Project
from aneuflow.service.system import System
from tests.imaging.dicom_series import slice_writer
from tests.service.made_cases import add_case, case_of
from tests.service.running import serving

pytestmark = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
WORKERS, CASES, AT_ONCE = 8, 24, 3


def _queue_cases(system: System) -> None:
    project_id = case_of(system, add_case(system, running_quota=1000)).project_id
    with system.database.writing() as session:
        for number in range(CASES):
            case = Case(project_id=project_id, label=f"Study {number}", created_by="editor", priority=number % 3)
            session.add(case)
            session.flush()
            jobs.submit(session, case, jobs.ASSESS, "editor", {})


def test_the_schema_is_that_of_the_models(system: System) -> None:
    with system.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_each_job_is_taken_once_and_the_trail_stays_whole(system: System) -> None:
    _queue_cases(system)

    def take(worker: int) -> list[str]:
        taken = []
        while True:
            with system.database.writing() as session:
                job = jobs.claim(session, str(worker), jobs.ASSESS)
                if job is None:
                    return taken
                audit.append(session, audit.Deed(str(worker), "claim", 200, case_id=job.case_id))
            taken.append(job.id)
            with system.database.writing() as session:
                assert jobs.report(session, job, "simulate", 0.5, 1.0) is False
                assert jobs.finish(session, job, "done")

    with ThreadPoolExecutor(WORKERS) as pool:
        taken = [job_id for mine in pool.map(take, range(WORKERS)) for job_id in mine]
    assert len(taken) == len(set(taken)) == CASES
    with system.database.reading() as session:
        check = audit.check(session)
        assert (check.whole, check.count) == (True, CASES)
        assert session.scalar(select(func.count()).select_from(Job).where(Job.state == "done")) == CASES


def test_a_project_takes_no_more_than_its_quota(system: System) -> None:
    _queue_cases(system)
    with system.database.writing() as session:
        session.scalars(select(Project)).one().running_quota = AT_ONCE
    together = threading.Barrier(WORKERS)

    def claim(worker: int) -> int:
        together.wait(20)
        claimed = 0
        for _ in range(AT_ONCE):
            with system.database.writing() as session:
                claimed += jobs.claim(session, str(worker), jobs.ASSESS) is not None
        return claimed

    with ThreadPoolExecutor(WORKERS) as pool:
        assert sum(pool.map(claim, range(WORKERS))) == AT_ONCE


@pytest.fixture
def slices(tmp_path: Path) -> list[bytes]:
    write = slice_writer(tmp_path / "slices")
    files = [
        write(f"{k}.dcm", k, [0, 0, 0.5 * k], np.full((32, 32), 40 * k, np.int16), PatientName="Doe^Jane") for k in range(24)
    ]
    return [file.read_bytes() for file in files]


@pytest.fixture
def databases(backend: str, new_database: Callable[[], str]) -> Iterator[dict[str, str]]:
    yield {"database_url": new_database(), "pseudonyms_url": new_database()}


@pytest.mark.slow
def test_a_server_reads_a_series_and_seals_whose_it_is(databases: dict[str, str], slices: list[bytes], tmp_path: Path) -> None:
    with serving(tmp_path / "data", **databases) as server:
        person = server.administrator()
        project = person("GET", "/api/projects")[0]["id"]
        case = person.upload_files(project, slices, ".dcm")
        assert person.wait(case)["state"] == "failed"  # nothing in it is a vessel
        seen = person("GET", f"/api/cases/{case}")
        assert "views/image.nii.gz" in [file["path"] for file in seen["files"]]
        assert person("GET", f"/api/cases/{case}/identity")["PatientName"] == "Doe^Jane"
        assert person("GET", "/api/cases?search=STUDY")["count"] == 1
        assert person("GET", "/api/audit/check")["whole"]
        assert not list((tmp_path / "data").glob("*.sqlite"))
