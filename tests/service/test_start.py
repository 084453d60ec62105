"""What a server waits for before it is ready: nothing that only computing, drawing or reading images needs; and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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
