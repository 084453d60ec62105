"""What the verification is made of: trials that run once, and cases that judge what they gave."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aneuflow.flow.checkpoint import Checkpoint
from aneuflow.types import Progress


@dataclass(frozen=True)
class Means:
    """What a trial is given: the folder of the reference data, threads, where to keep its state, whom to tell."""

    data: Path
    threads: int
    checkpoint: Checkpoint | None
    progress: Progress


@dataclass(frozen=True)
class Found:
    """What a trial gave: numbers by name (units in the names), and curves to draw, each a (x, y) pair of equal length."""

    numbers: Mapping[str, float]
    curves: Mapping[str, tuple[list[float], list[float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """One run. `settings`: all that its result depends on besides the code; `data`: files it reads, below the data folder."""

    name: str
    settings: Mapping[str, Any]
    run: Callable[[Means], Found]
    data: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """A trial that has ended: what it found, what it took, and the fingerprint of the code it ran with."""

    found: Found
    wall_seconds: float
    cpu_seconds: float
    code: str


@dataclass(frozen=True)
class Gate:
    """What is asked of one number: at most `must` and `aim`, or at least where `least`. None: it is reported alone."""

    must: float | None = None
    aim: float | None = None
    least: bool = False

    def met(self, value: float, limit: float | None) -> bool | None:
        if limit is None:
            return None
        return value >= limit if self.least else abs(value) <= limit


@dataclass(frozen=True)
class Row:
    """One line of the table: a number, its unit, what was asked; `value` None where it was not measured, `why` saying so."""

    what: str
    unit: str
    gate: Gate
    value: float | None
    why: str = ""

    @property
    def verdict(self) -> str:
        """aim, pass, fail, stated or not measured."""
        if self.value is None:
            return "not measured"
        if math.isnan(self.value):
            return "fail"
        if self.gate.met(self.value, self.gate.aim):
            return "aim"
        met = self.gate.met(self.value, self.gate.must)
        return "stated" if met is None else ("pass" if met else "fail")


@dataclass(frozen=True)
class Asked:
    """What is asked of one number of every trial: its words, its unit, its key in Found.numbers, its gate."""

    what: str
    unit: str
    key: str
    gate: Gate


def variant(trial: str) -> str:
    """What tells a trial from others of its case: the end of its name."""
    return trial.rsplit("-", 1)[1]


def rows_of_each(found: Mapping[str, Found], asked: tuple[Asked, ...]) -> tuple[Row, ...]:
    """A row for each number asked of each trial at hand; without any trial, rows that were not measured."""
    if not found:
        return tuple(Row(one.what, one.unit, one.gate, None) for one in asked)
    return tuple(
        Row(f"{variant(name)}: {one.what}", one.unit, one.gate, trial.numbers[one.key])
        for one in asked
        for name, trial in found.items()
    )


@dataclass(frozen=True)
class Plot:
    """A picture of a case: curves by legend, drawn as a line, or as points where the legend is in `points`."""

    title: str
    x_label: str
    y_label: str
    curves: Mapping[str, tuple[list[float], list[float]]]
    points: tuple[str, ...] = ()
    log: bool = False


@dataclass(frozen=True)
class Case:
    """Trials of one kind and how their numbers become rows. quick: the names of the trials that `--quick` runs.

    judge: what the trials at hand found, by trial name, to rows; plots: likewise to pictures.
    """

    name: str
    title: str
    trials: tuple[Trial, ...]
    judge: Callable[[Mapping[str, Found]], tuple[Row, ...]]
    plots: Callable[[Mapping[str, Found]], tuple[Plot, ...]] = lambda found: ()
    quick: tuple[str, ...] = ()
    note: str = ""
