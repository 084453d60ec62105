"""Where a job's work is done: an engine starts it apart from the server and tells how it goes. Local: a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

# What a child needs of the environment; the server's secrets are none of it.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Ticket:
    """All that the work needs to know; it sees this folder and nothing else of the system.

    `files` are (size, suffix) of an upload's files in the stream `source`, for an intake; `with_dicom`: results are wanted as
    DICOM, too.
    """

    kind: str
    folder: str
    settings: Mapping[str, Any]
    memory_bytes: int
    last: str = "report"
    source: str = ""
    files: list[list[Any]] = field(default_factory=list)
    threads: int = 0
    with_dicom: bool = False


@dataclass
class Seen:
    """How far the work is, which stages of the case are `current` by now, and `end`: ("done" or "failed", reason)."""

    stage: str = ""
    fraction: float = 0.0
    current: tuple[str, ...] = ()
    end: tuple[str, str] | None = None


class Run(Protocol):
    """Work under way."""

    def seen(self) -> Seen: ...

    def is_over(self) -> bool: ...

    def stop(self) -> None: ...


class Engine(Protocol):
    """What starts work; a cluster's engine is another of these."""

    name: str

    def start(self, ticket: Ticket) -> Run: ...


class LocalEngine:
    """A child process for each ticket, on this machine."""

    name = "local"

    def start(self, ticket: Ticket) -> Run:
        return LocalRun(ticket)


class LocalRun:
    """A child process: its standard input is its leash (it dies when that closes), its standard output its news."""

    def __init__(self, ticket: Ticket) -> None:
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment |= {"HOME": ticket.folder, "OMP_NUM_THREADS": str(ticket.threads or os.cpu_count() or 1)}
        self._state = Seen()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "aneuflow.service.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what libraries say there may quote the input
            env=environment,
            cwd=ticket.folder,
            start_new_session=True,
            text=True,
        )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(asdict(ticket)) + "\n")
            self._process.stdin.flush()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            news = json.loads(line)
            if "end" in news:
                self._state.end = (news["end"], news["reason"])
            elif "current" in news:
                self._state.current = tuple(news["current"])
            else:
                self._state.stage, self._state.fraction = news["stage"], news["fraction"]

    def seen(self) -> Seen:
        return self._state

    def is_over(self) -> bool:
        if self._process.poll() is None:
            return False
        self._reader.join(5.0)
        return True

    def stop(self) -> None:
        """Kill the child and all it has started; a case folder survives that."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(5.0)
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()


def job_folder(work: Path, job_id: str) -> Path:
    """The folder of one job; another attempt on this machine finds the checkpoint in it."""
    return work / job_id
