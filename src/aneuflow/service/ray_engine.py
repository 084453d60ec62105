"""Ray as the engine: each case is computed on the node of a cluster that has the cores and the memory for it free.

The nodes are given a ticket and share the folder of work with the dispatcher; they know no database, store or key. Uploads,
which name their patients, are read by the dispatcher's machine.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aneuflow import __version__
from aneuflow.case.folder import CaseFolder
from aneuflow.errors import ResourceError
from aneuflow.service.child import CASE
from aneuflow.service.engine import LocalRun, Machine, Run, Seen, Ticket
from aneuflow.service.secrecy import hide_memory

# Read as it is imported: without it, a call after the cluster is gone would start a cluster here.
os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"

import ray
from ray.exceptions import RayError

_POLL_S = 0.5
_STOP_S = 1.5
# Ray takes a silent node for dead after 15 s and more; by then what ran there is to have ended, for its job goes on elsewhere.
_LEASH_S = 10.0
# How long a cluster may be without any node that is large enough, as while one is started again.
_PATIENCE_S = 120.0
# A file system of several machines frees the locks of one that is gone only after a while: NFS 4 after 90 s.
_LOCK_S = 180.0
_GIB = 2**30


class RayEngine:
    """An actor for each case, which starts a child process where Ray has placed it; cores and memory are set aside for it."""

    name = "ray"

    def __init__(self, address: str, cores: int, memory_bytes: int) -> None:
        """Raises ResourceError where the cluster does not answer or this machine is no node of it."""
        connect(address)
        self._cores, self._memory_bytes = cores, memory_bytes
        self._runs: set[RayRun] = set()

    def start(self, ticket: Ticket) -> Run:
        if ticket.source:
            return LocalRun(ticket)
        run = RayRun(ticket, self._runs.discard)
        self._runs.add(run)
        return run

    def machines(self) -> list[Machine]:
        """The nodes that are up; load is the cores that are set aside, not how busy they are."""
        runs = list(self._runs)
        return [self._machine(node, [run for run in runs if run.node == node["NodeID"]]) for node in _nodes()]

    def _machine(self, node: dict[str, Any], runs: list[RayRun]) -> Machine:
        cores, memory = int(node["Resources"].get("CPU", 0)), int(node["Resources"].get("memory", 0))
        return Machine(
            id=node["NodeID"],
            host=f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"[:64],
            slots=min(cores // self._cores, memory // self._memory_bytes),
            cores=cores,
            load=float(len(runs) * self._cores),
            memory_bytes=memory,
            memory_free_bytes=memory - len(runs) * self._memory_bytes,
        )


def connect(address: str) -> None:
    """Make this process a driver of the cluster; what fails there is said as ResourceError."""
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (RayError, OSError, RuntimeError, ValueError) as error:
        raise ResourceError(
            f"The Ray cluster at {address} lets this machine not take part ({type(error).__name__}); make it a node with "
            f"`ray start --address={address} --num-cpus=0`, with the cluster's token and the same versions of Ray and Python."
        ) from error


def _nodes() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


class RayRun:
    """A case on a node, asked for its news twice a second; where no answer can come any more it is over without an end."""

    def __init__(self, ticket: Ticket, on_stop: Callable[[RayRun], object]) -> None:
        gpus = int(ticket.settings.get("simulate", {}).get("device") == "gpu")
        self.node = ""
        self._wanted = {"CPU": ticket.threads, "memory": ticket.memory_bytes, "GPU": gpus}
        self._on_stop, self._state, self._ending = on_stop, Seen(), threading.Event()
        options = {"num_cpus": ticket.threads, "memory": ticket.memory_bytes, "num_gpus": gpus}
        self._actor: Any = ray.remote(Placed).options(**options).remote(ticket, __version__)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while not self._ending.is_set():
                asked = self._actor.news.remote()
                if not self._is_answered(asked):
                    break
                self.node, self._state, is_over = ray.get(asked)
                if is_over:
                    break
                self._ending.wait(_POLL_S)
        except RayError:
            pass  # the node, or the process there, is gone
        finally:
            self._ending.set()

    def _is_answered(self, asked: Any) -> bool:
        """Wait for the answer, which comes only when Ray has found a place; False where there can be none."""
        last_possible = time.monotonic()
        while not self._ending.is_set():
            if ray.wait([asked], timeout=_POLL_S)[0]:
                return True
            if self.node or any(self._could_be_on(node) for node in _nodes()):
                last_possible = time.monotonic()
            elif time.monotonic() - last_possible > _PATIENCE_S:
                self._state = Seen(end=("failed", self._lack()))
                return False
        return False

    def _could_be_on(self, node: dict[str, Any]) -> bool:
        return all(node["Resources"].get(name, 0) >= amount for name, amount in self._wanted.items())

    def _lack(self) -> str:
        gpu = ", and a GPU" if self._wanted["GPU"] else ""
        return (
            f"No node of the Ray cluster has {self._wanted['CPU']} cores and {self._wanted['memory'] / _GIB:.1f} GiB{gpu} "
            "for the case; the administrator can add one or lower threads_per_job and job_memory_gib."
        )

    def seen(self) -> Seen:
        return self._state

    def is_over(self) -> bool:
        return self._ending.is_set()

    def stop(self) -> None:
        """Kill the child and all it has started, and give back what Ray had set aside."""
        self._ending.set()
        if self.node:
            with contextlib.suppress(RayError):  # where it cannot be told, its leash ends it
                ray.get(self._actor.stop.remote(), timeout=_STOP_S)
        ray.kill(self._actor)
        self._reader.join(5.0)
        self._on_stop(self)


class Placed:
    """What stands on the node: starts the child there, tells its news, and ends it when nobody asks for them any more."""

    def __init__(self, ticket: Ticket, version: str) -> None:
        hide_memory()
        self._node = ray.get_runtime_context().get_node_id()
        self._refusal = _refusal(ticket, version)
        if not self._refusal:
            _wait_until_free(CaseFolder(Path(ticket.folder) / CASE))
            self._asked = time.monotonic()
            self._run = LocalRun(ticket)
            threading.Thread(target=self._hold_leash, daemon=True).start()

    def _hold_leash(self) -> None:
        while time.monotonic() - self._asked < _LEASH_S:
            time.sleep(1.0)
        self._run.stop()

    def news(self) -> tuple[str, Seen, bool]:
        """The node, how far the child is, and whether it is over."""
        self._asked = time.monotonic()
        if self._refusal:
            return self._node, Seen(end=("failed", self._refusal)), True
        is_over = self._run.is_over()  # asked first: what was told last is then in what is seen
        return self._node, self._run.seen(), is_over

    def stop(self) -> None:
        if not self._refusal:
            self._run.stop()


def _refusal(ticket: Ticket, version: str) -> str:
    """Why the case cannot be computed on this node, empty where it can."""
    host = socket.gethostname()
    if version != __version__:
        return f"Node {host} has aneuflow {__version__} and the server {version}; install the same on both."
    if not Path(ticket.folder).is_dir():
        return f"Node {host} does not see the folder of the job, {ticket.folder}; mount the shared folder of work there too."
    return ""


def _wait_until_free(case: CaseFolder) -> None:
    """Until no process holds the case, as one may that was lost; where that takes too long the child says so."""
    end = time.monotonic() + _LOCK_S
    while case.exists() and time.monotonic() < end:
        try:
            with case.locked():
                return
        except ResourceError:
            time.sleep(0.5)
