"""Cases, jobs and runs without the real chain: a run writes what its test says and ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from aneuflow.case.files import write_json
from aneuflow.case.folder import CaseFolder, Manifest, StageRecord
from aneuflow.service import jobs
from aneuflow.service.child import CASE, IDENTITY
from aneuflow.service.dispatch import Dispatcher
from aneuflow.service.engine import Machine, Seen, Ticket
from aneuflow.service.models import Case, Job, Project, Upload, User
from aneuflow.service.system import System

ON_BOTH = pytest.mark.parametrize("backend", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True)
UPLOADED = b"raw bytes of Doe^Jane"


def write_case(folder: Path, files: Mapping[str, str | bytes], settings: Mapping[str, Any] | None = None) -> CaseFolder:
    """A case with one stage for each path "stage/file", holding a text or bytes."""
    case = CaseFolder(folder / CASE)
    stages = {}
    for path, content in files.items():
        name, _, _ = path.partition("/")
        (case.path / path).parent.mkdir(parents=True, exist_ok=True)
        (case.path / path).write_bytes(content.encode() if isinstance(content, str) else content)
        stages[name] = StageRecord("done", "key", name, case.outputs(name), 1.0)
    write_json(case.manifest_file, {"input": {}, "settings": {}})
    case.save(Manifest({"kind": "mask", "sha256": "0"}, dict(settings or {}), stages))
    return case


def add_case(system: System, label: str = "Study 1", **project: Any) -> str:
    """A case in a project of its own, with the user "editor" if there is none."""
    with system.database.writing() as session:
        session.merge(User(id="editor", name="editor", password_hash=""))
        home = Project(name=f"Project of {label}", **project)
        session.add(home)
        session.flush()
        case = Case(project_id=home.id, label=label, created_by="editor")
        session.add(case)
        session.flush()
        return case.id


def add_job(system: System, case_id: str, kind: str = jobs.ASSESS) -> str:
    """A job on the case; an intake gets its upload's bytes."""
    with system.database.writing() as session:
        case = session.get_one(Case, case_id)
        upload_id = ""
        if kind == jobs.INTAKE:
            files = [[len(UPLOADED), ".dcm"]]
            upload = Upload(
                project_id=case.project_id, user_id="editor", label="", files=files, size=len(UPLOADED), case_id=case_id
            )
            session.add(upload)
            session.flush()
            upload_id = upload.id
            (system.settings.incoming / upload_id).write_bytes(UPLOADED)
        return jobs.submit(session, case, kind, "editor", {}, upload_id=upload_id).id


def job_of(system: System, job_id: str) -> Job:
    with system.database.reading() as session:
        return session.get_one(Job, job_id)


def case_of(system: System, case_id: str) -> Case:
    with system.database.reading() as session:
        return session.get_one(Case, case_id)


@dataclass
class Made:
    """What a run does when it starts, and what it then says; `end` None: it goes on until it is stopped."""

    do: Callable[[Path], object] = lambda folder: None
    current: tuple[str, ...] = ()
    end: tuple[str, str] | None = ("done", "")
    told_all: bool = False
    nodes: list[Machine] = field(default_factory=list)
    name = "made"

    def start(self, ticket: Ticket) -> _MadeRun:
        self.do(Path(ticket.folder))
        return _MadeRun(self)

    def machines(self) -> list[Machine]:
        return self.nodes


class _MadeRun:
    def __init__(self, made: Made) -> None:
        self._made, self._begun, self._told = made, time.monotonic(), False

    def seen(self) -> Seen:
        # First nothing, then all at once: a run says what is current as it goes on.
        later = time.monotonic() - self._begun > 0.1
        # Only when it is asked again has what was told been dealt with.
        self._made.told_all, self._told = self._told, later
        return Seen("simulate", 0.5, self._made.current if later else (), self._made.end if later else None)

    def is_over(self) -> bool:
        return self.seen().end is not None

    def stop(self) -> None:
        return None


def identify(folder: Path) -> None:
    """What an intake leaves of a DICOM upload."""
    write_case(folder, {"import/image.txt": "image"})
    (folder / IDENTITY).write_text('{"PatientName": "Doe^Jane"}')


def work(system: System, made: Made, kind: str = jobs.ASSESS) -> None:
    """Let a dispatcher take the next job of this kind and wait until it has ended it."""
    with taking(system, made, kind):
        pass


@contextmanager
def taking(system: System, made: Made, kind: str = jobs.ASSESS) -> Iterator[Dispatcher]:
    """A dispatcher that has taken the next job of this kind; afterwards the job has ended or was given back."""
    dispatcher = Dispatcher(system, made)
    dispatcher._take(kind)
    yield dispatcher
    for thread in list(dispatcher._minders[kind]):
        thread.join(20)
        assert not thread.is_alive()


def wait_until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
