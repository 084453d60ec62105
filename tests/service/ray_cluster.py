"""A Ray cluster of the tests' own: a head without cores and nodes with one each, at loopback addresses and behind a token."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

NODE_GIB = 8
_HEAD = "127.0.0.2"
_START_S = 120.0


class RayCluster:
    """Its processes by their address; each has its own group, as a machine's would be lost together."""

    def __init__(self, folder: Path) -> None:
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",  # else what is computed would wait for everything else on a busy machine
            "OMP_NUM_THREADS": "1",
        }
        self._folder = folder
        self.nodes: dict[str, subprocess.Popen[bytes]] = {}
        with socket.socket() as free:
            free.bind((_HEAD, 0))
            self.address = f"{_HEAD}:{free.getsockname()[1]}"
        port = self.address.rpartition(":")[2]
        self._start(_HEAD, 0, 0, "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder}")

    def add(self, address: str, gpus: int) -> None:
        self._start(address, 1, gpus, f"--address={self.address}")

    def _start(self, address: str, cores: int, gpus: int, *options: str) -> None:
        command = [str(Path(sys.executable).parent / "ray"), "start", "--block", *options]
        command += [f"--node-ip-address={address}", f"--num-cpus={cores}", f"--memory={NODE_GIB * 2**30}"]
        command += [f"--num-gpus={gpus}", "--object-store-memory=80000000", "--disable-usage-stats"]
        log = self._folder / f"{address}.log"
        end = time.monotonic() + _START_S
        while time.monotonic() < end:  # on a busy machine Ray itself gives up after 30 s
            with log.open("wb") as out:
                process = subprocess.Popen(
                    command, stdout=out, stderr=out, env={**os.environ, **self.environment}, start_new_session=True
                )
            self.nodes[address] = process
            while process.poll() is None:
                if b"runtime started" in log.read_bytes():
                    return
                time.sleep(0.2)
            self.kill(address)
        raise AssertionError(log.read_text())

    def kill(self, address: str) -> None:
        """SIGKILL to all of Ray that runs there, as if its machine were gone."""
        process = self.nodes.pop(address)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def running_ray(nodes: Mapping[str, int]) -> Iterator[RayCluster]:
    """A head at 127.0.0.2 and a node of one core at each of these addresses, said to have so many GPUs."""
    if importlib.util.find_spec("ray") is None:  # it reads the token's environment as it is imported: not yet
        pytest.skip("ray is not installed; make test installs it")
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # paths of sockets are short
    cluster = RayCluster(folder)
    try:
        for address, gpus in nodes.items():
            cluster.add(address, gpus)
        yield cluster
    finally:
        for address in list(cluster.nodes):
            cluster.kill(address)
        shutil.rmtree(folder, ignore_errors=True)
