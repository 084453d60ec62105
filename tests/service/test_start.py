"""What a server waits for before it is ready: nothing that only computing, drawing or reading images needs; and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.service.running import serving

HEAVY = {
    "SimpleITK",
    "matplotlib",
    "networkx",
    "nibabel",
    "onnxruntime",
    "pydicom",
    "pyvista",
    "skimage",
    "trimesh",
    "vmtk",
    "vtk",
}


def test_the_server_starts_without_what_draws_and_computes() -> None:
    program = "import json, sys; import aneuflow.cli.serve, aneuflow.service.run, aneuflow.service.dispatch; "
    program += "print(json.dumps(sorted(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    loaded = set(json.loads(told))
    assert "fastapi" in loaded and loaded & HEAVY == set()


def children(process: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{process}/task").iterdir() for child in (task / "children").read_text().split()]


def test_a_server_that_is_told_to_end_ends_its_dispatcher_first(tmp_path: Path) -> None:
    with serving(tmp_path / "system") as server:
        (dispatcher,) = children(server.process.pid)
        server.stop()
        assert server.process.returncode == 0
        assert not Path(f"/proc/{dispatcher}").exists()


def test_the_end_of_an_answer_waits_for_nothing(tmp_path: Path) -> None:
    """Where a server holds back the end until its client has confirmed the beginning, every answer takes 40 ms."""
    with serving(tmp_path / "system") as server, httpx.Client(base_url=server.address) as client:
        taken = []
        for _ in range(60):  # a client confirms the first ones of a connection at once
            start = time.perf_counter()
            client.get("/ready").raise_for_status()
            taken.append(time.perf_counter() - start)
        assert min(taken[30:]) < 0.03
