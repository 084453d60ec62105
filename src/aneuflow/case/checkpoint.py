"""The solver's state between two runs, kept beside the case until the simulation has ended."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from aneuflow.errors import ResourceError
from aneuflow.flow.checkpoint import SolverState

NUMBERS = "numbers"


class CheckpointFile:
    """One state for one stage key; what another key has left in the folder belongs to another simulation and is dropped."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.file = folder / f"{key[:16]}.npz"

    def load(self) -> SolverState | None:
        """The state kept last, or None; a file that cannot be read counts as none, since the run can start anew."""
        try:
            with self.file.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
                arrays = {name: content[name] for name in content.files}
            return SolverState(json.loads(str(arrays.pop(NUMBERS))), arrays)
        except (OSError, EOFError, ValueError, KeyError, BadZipFile):
            return None

    def save(self, state: SolverState) -> None:
        """Replace the state kept last by this one; a run cut meanwhile leaves the old one."""
        temporary = self.folder / f"writing-{os.getpid()}.npz"
        try:
            self.folder.mkdir(exist_ok=True)
            with temporary.open("wb") as stream:
                np.savez(stream, **{NUMBERS: np.array(json.dumps(dict(state.numbers)))}, **state.arrays)  # type: ignore[arg-type]
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self.file)
        except OSError as error:
            raise ResourceError(
                f"Cannot keep the simulation's state in {self.folder}: {error.strerror}; free space."
            ) from error
        for other in self.folder.iterdir():
            if other != self.file:
                other.unlink()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
