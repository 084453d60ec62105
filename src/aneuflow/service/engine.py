"""Where a job's work is done: an engine starts it apart from the server and tells how it goes. Local: a process of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from aneuflow.errors import ResourceError

# What a child needs of the environment; the server's secrets are none of it.
_PASSED_ON = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "PYTHONPATH",
    "PYTHONHOME",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "CUDA_VISIBLE_DEVICES",
)


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


@dataclass(frozen=True)
class Machine:
    """Where cases are computed: how many at the same time (`slots`), and how much of it is in use."""

    host: str
    slots: int
    cores: int
    load: float
    memory_bytes: int
    memory_free_bytes: int
    id: str = ""


class Run(Protocol):
    """Work under way."""

    def seen(self) -> Seen: ...

    def is_over(self) -> bool: ...

    def stop(self) -> None: ...


class Engine(Protocol):
    """What starts work, and on which machines it does so now."""

    name: str

    def start(self, ticket: Ticket) -> Run: ...

    def machines(self) -> list[Machine]: ...


class LocalEngine:
    """A child process for each ticket, on this machine, on which `slots` cases are computed at the same time."""

    name = "local"

    def __init__(self, slots: int = 1) -> None:
        self._slots = slots

    def start(self, ticket: Ticket) -> Run:
        return LocalRun(ticket)

    def machines(self) -> list[Machine]:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return [Machine(socket.gethostname(), self._slots, os.cpu_count() or 1, os.getloadavg()[0], machine_memory(), free)]


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


def check_cluster(address: str) -> None:
    """Raises ResourceError where no Ray head answers at HOST:PORT, which Ray itself finds out only after many minutes."""
    if importlib.util.find_spec("ray") is None:
        raise ResourceError("Computing on a Ray cluster needs ray; run pip install 'aneuflow[cluster]'.")
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 5.0).close()
    except OSError as error:
        raise ResourceError(
            f"No Ray cluster answers at {address} ({error.strerror or error}); start its head or correct ray_address."
        ) from error


def machine_memory() -> int:
    """Of this machine, in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def job_folder(work: Path, job_id: str) -> Path:
    """The folder of one job; another attempt on this machine finds the checkpoint in it."""
    return work / job_id
