"""What a server waits for before it is ready: nothing that only computing, drawing or reading images needs."""

from __future__ import annotations

import json
import subprocess
import sys

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
