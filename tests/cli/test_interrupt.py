"""Ctrl-C ends in words, also while the libraries are still being imported."""

import subprocess
import sys

import pytest

# What the installed script `aneuflow` does, interrupted where the module is imported.
STARTED = """
import sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from aneuflow.cli.main import main
sys.argv = ["aneuflow", "assess", "input.stl", "-o", "case"]
main()
"""


@pytest.mark.parametrize("module", ["typer", "pydantic", "numpy", "vtkmodules", "aneuflow.cli.assess"])
def test_an_interruption_during_the_imports(module: str) -> None:
    script = STARTED.format(module=module)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr.count("\n") == 1 and "Interrupted" in ended.stderr
