"""What a simulation needs to go on where it was stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class SolverState:
    """A moment of a run: its numbers and arrays by name."""

    numbers: Mapping[str, float]
    arrays: Mapping[str, npt.NDArray[Any]]


class Checkpoint(Protocol):
    """Where a run's state is kept. `load` gives None where nothing is kept."""

    def load(self) -> SolverState | None: ...

    def save(self, state: SolverState) -> None: ...
