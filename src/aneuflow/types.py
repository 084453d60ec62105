"""The plain data that pass from stage to stage. Frozen; lengths in mm, frame patient LPS, unless a name says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]
ByteArray = npt.NDArray[np.uint8]

WALL_PATCH = 0
REGION_PARENT, REGION_SAC, REGION_EXTENSION = 0, 1, 2
PA_PER_MMHG = 133.322387
LABEL_BACKGROUND, LABEL_ARTERY, LABEL_ANEURYSM = 0, 1, 2


class Progress(Protocol):
    """Called by long work with the fraction done in [0, 1] and a short message; may raise to stop the work."""

    def __call__(self, fraction: float, message: str) -> None: ...


def no_progress(fraction: float, message: str) -> None:
    """The progress callback of a caller who does not want to know."""


@dataclass(frozen=True)
class Note:
    """Something a reader must know: a warning or an assumption, worded by the text catalogue entry `note.<code>`."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)
    kind: Literal["warning", "assumption", "information"] = "warning"


@dataclass(frozen=True)
class Measure:
    """One number with its interval; name, unit and definition stand in the quantity registry under `id`.

    `low` and `high` are None where no interval has been established.
    """

    id: str
    value: float
    low: float | None = None
    high: float | None = None


def differ(one: Measure, other: Measure) -> bool:
    """Whether the intervals of two measures of the same do not meet; without an interval the value stands for it."""
    (low, high), (least, most) = (
        (each.value if each.low is None else each.low, each.value if each.high is None else each.high) for each in (one, other)
    )
    return high < least or most < low


@dataclass(frozen=True, eq=False)
class Volume:
    """A scalar image. values (nx, ny, nz) float32; affine (4, 4) maps voxel indices to LPS mm and may be oblique or sheared."""

    values: Float32Array
    affine: FloatArray
    modality: Literal["CTA", "MRA", "3DRA", "unknown"]
    source: str
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False)
class LabelMap:
    """labels (nx, ny, nz) uint8: 0 background, 1 artery, 2 aneurysm; affine as in Volume.

    `soft` (same shape, float32 in [0, 1]) is the probability of lumen where the segmenter gives one.
    """

    labels: ByteArray
    affine: FloatArray
    method: str
    soft: Float32Array | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False)
class Surface:
    """points (n, 3) float64, mm, LPS; triangles (m, 3) int32, counter-clockwise seen from outside."""

    points: FloatArray
    triangles: IntArray


@dataclass(frozen=True, eq=False)
class Cap:
    """A planar end of the lumen. `normal` points out of the lumen; `radius_mm` is that of the circle of equal area."""

    id: int
    role: Literal["inlet", "outlet"]
    center_mm: FloatArray
    normal: FloatArray
    area_mm2: float
    radius_mm: float


@dataclass(frozen=True, eq=False)
class Centerline:
    """Points (n, 3) from the cap `start_cap` to `end_cap` with the radius (n,) of the largest inscribed sphere."""

    start_cap: int
    end_cap: int
    points_mm: FloatArray
    radius_mm: FloatArray


@dataclass(frozen=True, eq=False)
class Ostium:
    """The opening between parent artery and sac, filled by triangles.

    surface: the fan over the neck line; neck_line (k, 3) its closed rim, ordered; `normal` points into the sac.
    """

    surface: Surface
    neck_line_mm: FloatArray
    center_mm: FloatArray
    normal: FloatArray
    origin: Literal["automatic", "label", "plane"]
    confidence: float


@dataclass(frozen=True, eq=False)
class Aneurysm:
    """The sac and how it sits on its artery.

    parent_line: centerline upstream of the neck, ending at the neck (the inflow artery); daughter_lines: those that
    leave it, starting at the neck, the largest first. Both as they would be without the sac.
    """

    ostium: Ostium
    kind: Literal["sidewall", "bifurcation"]
    parent_line: Centerline
    daughter_lines: tuple[Centerline, ...]


@dataclass(frozen=True, eq=False)
class PatchedSurface:
    """A closed surface.

    patch (m,) int32 per triangle: 0 wall, else cap id; region (n,) uint8 per point: 0 parent, 1 sac, 2 extension.
    """

    surface: Surface
    patch: IntArray
    region: ByteArray


@dataclass(frozen=True)
class Candidate:
    """A place of a whole artery tree that has the shape of an aneurysm; the likeliest has the number 1.

    center_mm of its wall, LPS; diameter_mm: its largest; score in [0, 1] by shape; chosen: the model is made around it.
    """

    number: int
    center_mm: tuple[float, float, float]
    diameter_mm: float
    score: float
    chosen: bool


@dataclass(frozen=True, eq=False)
class LumenModel:
    """The lumen as a watertight, capped surface, what is known of its tree, and the domain the flow is solved in.

    extended: the lumen with flow extensions added; its caps (`extended_caps`) bear the ids of `caps`. candidates: what was
    found in the whole tree, where the lumen is a part of one.
    """

    lumen: PatchedSurface
    caps: tuple[Cap, ...]
    centerlines: tuple[Centerline, ...]
    aneurysm: Aneurysm | None
    extended: PatchedSurface
    extended_caps: tuple[Cap, ...]
    notes: tuple[Note, ...] = ()
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class Morphology:
    """All shape measures of one model, and for each angle the line segments that picture it: name -> (start, end) in mm.

    learned: the sac's, as far as a network has them that is given points of the wall alone; learned_by: its SHA-256.
    """

    measures: tuple[Measure, ...]
    construction: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]]
    notes: tuple[Note, ...] = ()
    learned: tuple[Measure, ...] = ()
    learned_by: str = ""


@dataclass(frozen=True)
class Blood:
    """Density in kg/m3 and viscosity in Pa s; `parameters` are those of the model, SI."""

    density: float
    model: Literal["newtonian", "carreau-yasuda", "casson"]
    parameters: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Waveform:
    """One period of flow over its mean: phase (n,) in [0, 1) ascending, ratio (n,) with mean 1 over the period, in seconds."""

    name: str
    period_s: float
    phase: FloatArray
    ratio: FloatArray


@dataclass(frozen=True)
class InletCondition:
    """Cycle-mean flow into the lumen through the cap; waveform None: that of the boundary conditions."""

    cap_id: int
    mean_flow_ml_s: float
    profile: Literal["parabolic", "womersley", "plug"]
    waveform: Waveform | None = None


@dataclass(frozen=True)
class OutletCondition:
    """What holds at an outlet. SI; pressures over that of the atmosphere.

    "flow-split": a prescribed share of the inflow. "pressure": a fixed pressure. "resistance": pressure + resistance * flow.
    "windkessel": a resistance, then a compliance beside a distal_resistance that ends at `pressure` (Westerhof et al. 1971).
    """

    cap_id: int
    kind: Literal["flow-split", "pressure", "resistance", "windkessel"]
    flow_share: float | None = None
    pressure: float | None = None
    resistance: float | None = None
    compliance: float | None = None
    distal_resistance: float | None = None


@dataclass(frozen=True, eq=False)
class BoundaryConditions:
    """What drives the flow; waveform: that of the whole inflow, None means steady.

    The notes say which of it was measured, given or assumed.
    """

    inlets: tuple[InletCondition, ...]
    outlets: tuple[OutletCondition, ...]
    blood: Blood
    waveform: Waveform | None
    notes: tuple[Note, ...] = ()

    @property
    def absolute(self) -> bool:
        """Whether pressures are those in the artery, and not only over that at the outlets."""
        return any(outlet.kind in ("resistance", "windkessel") or outlet.pressure for outlet in self.outlets)


@dataclass(frozen=True, eq=False)
class VolumeField:
    """Cycle-mean flow on lattice nodes inside the lumen (extensions left out).

    points_mm (n, 3) LPS; velocity (n, 3) m/s; pressure (n,) Pa; voxels (m, 8) int32 node indices in VTK_VOXEL order.
    """

    points_mm: FloatArray
    velocity: Float32Array
    pressure: Float32Array
    voxels: IntArray


@dataclass(frozen=True, eq=False)
class FlowSolution:
    """The flow in one lumen.

    wall: the lumen's wall without caps; region (n,) as in PatchedSurface; wall_fields: point arrays TAWSS, WSS_mean (n, 3),
    WSS_peak (n, 3), pressure in Pa, OSI, RRT in 1/Pa; history: time series by name, SI; numerics: what the solver chose and
    reached.
    """

    wall: Surface
    region: ByteArray
    wall_fields: Mapping[str, Float32Array]
    volume: VolumeField
    measures: tuple[Measure, ...]
    history: Mapping[str, FloatArray]
    numerics: Mapping[str, Any]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Span:
    """What a number can be, by quantity id: `value` None where only the span is known, `high` None where it is open above."""

    id: str
    value: float | None
    low: float
    high: float | None


@dataclass(frozen=True)
class ScoreResult:
    """A published score: its sums of points and what they stand for. `missing`: answers that would narrow it.

    refused: why it is not given (a note code with values), None where it is. Texts stand in the score's table.
    """

    id: str
    points: tuple[Span, ...]
    outcomes: tuple[Span, ...]
    missing: tuple[str, ...]
    refused: Note | None = None


@dataclass(frozen=True)
class Contribution:
    """What one answer, `shown`, adds to the log-odds of a learned model, against the mean of its training table."""

    answer: str
    shown: str
    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class SimilarCase:
    """One case of the training table: its answers as text and whether it had ruptured."""

    answers: Mapping[str, str]
    ruptured: bool


@dataclass(frozen=True)
class Resemblance:
    """How much an aneurysm resembles ruptured ones of a table, by a named model; never when it will rupture.

    outside: answers that lie outside the training range, with what that range is. sha256 and table_sha256: of the model's file
    and of the rows it was trained on; ruptured_share, auc: of that table, and of the model on patients not trained on.
    """

    model: str
    sha256: str
    probability: Span
    base: float
    contributions: tuple[Contribution, ...]
    missing: tuple[str, ...]
    outside: Mapping[str, str]
    similar: tuple[SimilarCase, ...]
    table_sha256: str = ""
    ruptured_share: float | None = None
    auc: float | None = None


@dataclass(frozen=True)
class WallRegion:
    """A connected part of the sac's wall that meets a written definition or is marked by a network (`kind`, a quantity id).

    center_mm lies on the wall; place is how far along the wall from the neck, or "sac" where it covers most of it; values: area
    and means by quantity id; stability: share of the samples of flow and surface that keep the region, in [0, 1].
    """

    kind: str
    center_mm: tuple[float, float, float]
    place: Literal["neck", "body", "dome", "sac"]
    values: tuple[Measure, ...]
    stability: float

    @property
    def is_learned(self) -> bool:
        """Whether a network marked it, which says what it was trained on (`Risk.regions_model`)."""
        return self.kind.startswith("learned_")


@dataclass(frozen=True)
class Evidence:
    """One line of the grade: points by the rule `id` and what they rest on; low < high where that is uncertain or missing."""

    id: str
    points: float | None
    low: float
    high: float
    maximum: float
    shown: Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """What would move the grade: `answer` known to be (or measured at) `shown` leaves the grades from `low` to `high`."""

    answer: str
    shown: str
    low: str
    high: str


@dataclass(frozen=True)
class Grade:
    """low, moderate, high or very_high by the rules `rules`; None where it cannot be graded, and `why` says why."""

    grade: str | None
    low: str
    high: str
    points: Span
    rules: str
    evidence: tuple[Evidence, ...]
    changes: tuple[Change, ...]
    why: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False)
class Prediction:
    """The flow over the cardiac cycle, or steady at the mean inflow, as the surrogate has it.

    wall: the lumen's wall without caps; region (n,) as in PatchedSurface; wall_fields: point arrays TAWSS, TAWSS_low,
    TAWSS_high, pressure in Pa and WSS_mean (n, 3); over a cycle OSI, OSI_low, OSI_high and RRT in 1/Pa besides; method: which
    networks, with or without a coarse flow, over a cycle or not.
    """

    wall: Surface
    region: ByteArray
    wall_fields: Mapping[str, Float32Array]
    measures: tuple[Measure, ...]
    method: Mapping[str, Any]
    notes: tuple[Note, ...]

    @property
    def steady(self) -> bool:
        """Whether it has no cardiac cycle."""
        return not self.method.get("cycle", False)


@dataclass(frozen=True)
class Radiomics:
    """Image features of the sac and of its wall zone, with the settings they were made by and the voxels of each zone."""

    measures: tuple[Measure, ...]
    settings: Mapping[str, Any]
    voxels: Mapping[str, int]


@dataclass(frozen=True)
class RegionsOrigin:
    """What a network that marks regions of the wall was trained on: what the written definitions say of simulated flows, or the
    labels that readers painted.

    classes: what it marks; cases and patients it learned from (readers' cases are taken as a patient each); readers with their
    agreement `kappa` (Fleiss), None where it is not known; sha256: of the model's file; training_sha256: of the prepared cases.
    """

    labels: Literal["definitions", "readers"]
    classes: tuple[str, ...]
    cases: int
    patients: int
    sha256: str
    training_sha256: str
    readers: int = 0
    kappa: float | None = None


@dataclass(frozen=True)
class FlowNetworks:
    """What predicted a flow: SHA-256 of the networks with their card, and of the database that they were trained on ("": not
    known).
    """

    sha256: str
    training_sha256: str


@dataclass(frozen=True, eq=False)
class Risk:
    """All that is said of risk.

    wall: None without flow; region_id (n,) int32: 0 none, else 1 + index into `regions`; fields: (n,) uint8 by kind of region;
    not_looked_for: kinds that this flow cannot show; answers: what was known, as text by name; regions_model: what marked the
    learned regions, None where nothing was looked for; flow_networks: what predicted the flow, None where it was simulated.
    """

    wall: Surface | None
    region_id: IntArray
    fields: Mapping[str, ByteArray]
    regions: tuple[WallRegion, ...]
    not_looked_for: tuple[str, ...]
    scores: tuple[ScoreResult, ...]
    resemblance: Resemblance | None
    grade: Grade | None
    answers: Mapping[str, str]
    proposed_sites: tuple[str, ...]
    flow_used: bool
    notes: tuple[Note, ...] = ()
    regions_model: RegionsOrigin | None = None
    flow_networks: FlowNetworks | None = None

    @property
    def defined(self) -> tuple[WallRegion, ...]:
        """The regions by written definitions; they come first in `regions`."""
        return tuple(region for region in self.regions if not region.is_learned)
