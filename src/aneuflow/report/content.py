"""What a report is made from, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aneuflow.types import BoundaryConditions, FlowSolution, LabelMap, LumenModel, Morphology, Note, Prediction, Risk, Volume


@dataclass(frozen=True)
class InputFile:
    """One input of the case: what it is (`image`, `mask`, `surface`) and its SHA-256 in hex.

    No file name: it may bear a patient's.
    """

    kind: str
    sha256: str


@dataclass(frozen=True)
class StageRun:
    """One stage that ran: its name as the command line knows it and the seconds it took."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Provenance:
    """Where the numbers come from; `settings` are those of each stage by its name, `created` the date and time as shown."""

    version: str
    created: str
    inputs: tuple[InputFile, ...]
    settings: Mapping[str, Mapping[str, Any]]
    stages: tuple[StageRun, ...]


@dataclass(frozen=True, eq=False)
class ReportContent:
    """A whole case in memory.

    volume and labels are None where the case began further down the chain; notes: (stage, note) from every stage, those
    inside the results included once. prediction: the one beside a simulation. predicted_by: where there is no simulation and
    `flow` is a prediction itself, which networks made it.
    """

    case_name: str
    volume: Volume | None
    labels: LabelMap | None
    model: LumenModel
    morphology: Morphology
    boundary: BoundaryConditions
    flow: FlowSolution
    notes: tuple[tuple[str, Note], ...]
    provenance: Provenance
    credit: str | None = None
    risk: Risk | None = None
    prediction: Prediction | None = None
    predicted_by: Mapping[str, Any] | None = None

    @property
    def steady(self) -> bool:
        """Whether the flow has no cardiac cycle."""
        return self.boundary.waveform is None or (self.predicted_by is not None and not self.predicted_by.get("cycle", False))


@dataclass(frozen=True)
class Report:
    """html: one self-contained page; pdf: the same for print, None where it could not be made (a note says why)."""

    html: str
    pdf: bytes | None
    notes: tuple[Note, ...] = field(default=())
