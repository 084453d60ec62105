"""Which cases a database is to hold: shapes, deformations and boundary conditions by a space-filling design."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
import pydantic
from scipy.stats import qmc

from aneuflow.errors import InputError
from aneuflow.surrogate.cohort import SPLITS, Source
from aneuflow.surrogate.gates import FINEST_MM

TABLE = "plan.csv"
WITHOUT_SAC_EVERY = 6  # of the variants of a round
Shape = Literal["real", "ideal", "variant", "without-sac"]
Kind = Literal["steady", "pulsatile"]


class DesignSettings(pydantic.BaseModel, frozen=True, extra="forbid"):
    """How many cases, from which seed, and how each is solved."""

    cases: int = pydantic.Field(450, ge=1, le=100_000, description="Steady cases, the base shapes as they are among them.")
    pulsatile: int = pydantic.Field(
        24,
        ge=0,
        le=100_000,
        description="Of them, from the first on, those that are solved over the cardiac cycle too where they have a sac.",
    )
    ideal: int = pydantic.Field(
        24, ge=0, le=10_000, description="Parametric vessels among the base shapes, half of them forks; all train."
    )
    seed: int = pydantic.Field(11, ge=0, description="Seed of the split by patient and of the design.")
    resolution_mm: float = pydantic.Field(
        0.24,
        ge=FINEST_MM,
        le=0.5,
        description="Lattice spacing in mm, finer where an opening is narrower than six of it; the coarse fields are those at "
        "twice of it.",
    )


@dataclass(frozen=True)
class Axis:
    """One coordinate of the design: from `low` to `high`, evenly or by ratios; `neutral` leaves a patient as he is."""

    name: str
    low: float
    high: float
    neutral: float
    meaning: str
    ratio: bool = False

    def value(self, part: float) -> float:
        """At `part` of the way, from 0 to 1."""
        if self.ratio:
            return self.low * float((self.high / self.low) ** part)
        return self.low + part * (self.high - self.low)


DEFORMATION_AXES = (
    Axis("sac_scale", 0.65, 1.5, 1.0, "size of the sac, all its extents", ratio=True),
    Axis("sac_stretch", 0.75, 1.4, 1.0, "its height besides", ratio=True),
    Axis("tilt_along", -0.4, 0.4, 0.0, "lean of the sac along the artery, tangent of the angle"),
    Axis("tilt_across", -0.4, 0.4, 0.0, "lean across it"),
    Axis("lobe", 0.0, 0.5, 0.0, "height of a lobe on the dome, in radii of the sac"),
    Axis("lobe_azimuth", 0.0, 360.0, 0.0, "where it sits about the neck's axis, degrees"),
    Axis("lobe_elevation", 10.0, 80.0, 45.0, "and how far over the neck plane, degrees"),
    Axis("neck_width", 0.8, 1.25, 1.0, "width of the neck", ratio=True),
    Axis("caliber", 0.85, 1.2, 1.0, "diameter of artery and branches", ratio=True),
    Axis("bend_up", -0.12, 0.12, 0.0, "curvature added to the artery toward the sac, per parent diameter"),
    Axis("bend_across", -0.12, 0.12, 0.0, "and across"),
)
CONDITION_AXES = (
    Axis("flow_factor", 0.5, 2.0, 1.0, "inflow over that which follows from the artery's size", ratio=True),
    Axis("outlet_exponent", 2.0, 3.0, 3.0, "of the radius in the outlets' shares"),
    Axis("viscosity_mpa_s", 3.0, 4.5, 3.5, "viscosity of the blood, mPa s"),
)
AXES = DEFORMATION_AXES + CONDITION_AXES
NEUTRAL: Mapping[str, float] = {axis.name: axis.neutral for axis in AXES}


@dataclass(frozen=True)
class PlannedCase:
    """One case: a base shape, what is done to it, and the coordinates of the design by axis name."""

    id: str
    base: str
    patient: str
    split: str
    shape: Shape
    kind: Kind
    values: Mapping[str, float]


COLUMNS = ("id", "base", "patient", "split", "shape", "kind", *(axis.name for axis in AXES))


def planned(sources: Sequence[Source], split: Mapping[str, str], settings: DesignSettings) -> tuple[PlannedCase, ...]:
    """The cases in the order in which they are to run: every part of the steady ones from the start holds all splits in
    proportion.

    First each base shape as it is, the real ones before the ideal, at the flow of its size; then rounds of one variant each,
    at the points of a Sobol sequence; every sixth loses its sac. Last, pulsatile, those of the first cases that have a sac:
    real ones before others and, as nothing is trained on them, test and validation patients before the rest.
    """
    real = [source for source in sources if not source.ideal]
    order = [*_interleaved(real, split), *(source for source in sources if source.ideal)]
    count = max(0, settings.cases - len(order))
    sobol = qmc.Sobol(len(AXES), rng=np.random.default_rng(settings.seed))
    points = sobol.random_base2(max(1, math.ceil(math.log2(max(2, count)))))[:count]
    cases = [_case(source, split, "ideal" if source.ideal else "real", NEUTRAL, 0) for source in order[: settings.cases]]
    for number, point in enumerate(points):
        turn, place = divmod(number, len(order))
        shape: Shape = "without-sac" if (place + turn) % WITHOUT_SAC_EVERY == WITHOUT_SAC_EVERY - 1 else "variant"
        values = {axis.name: round(axis.value(float(part)), 4) for axis, part in zip(AXES, point, strict=True)}
        cases.append(_case(order[place], split, shape, values, turn + 1))
    again = [case for case in cases[: settings.pulsatile] if case.shape != "without-sac"]
    again.sort(key=lambda case: (case.shape != "real", -SPLITS.index(case.split)))
    return (*cases, *map(_pulsatile, again))


def _case(source: Source, split: Mapping[str, str], shape: Shape, values: Mapping[str, float], turn: int) -> PlannedCase:
    id = f"{source.name}-{turn:02d}"
    return PlannedCase(id, source.name, source.patient, split[source.patient], shape, "steady", values)


def _pulsatile(case: PlannedCase) -> PlannedCase:
    return PlannedCase(f"{case.id}-pulse", case.base, case.patient, case.split, case.shape, "pulsatile", case.values)


def _interleaved(sources: Sequence[Source], split: Mapping[str, str]) -> list[Source]:
    """One shape of each patient, then second ones; within each such round the splits are spread evenly."""
    turn: dict[str, int] = {}
    rounds: dict[tuple[int, str], list[Source]] = {}
    for source in sources:
        turn[source.patient] = turn.get(source.patient, -1) + 1
        rounds.setdefault((turn[source.patient], split[source.patient]), []).append(source)
    placed = [
        (number, (rank + 0.5) / len(members), SPLITS.index(part), source)
        for (number, part), members in rounds.items()
        for rank, source in enumerate(members)
    ]
    return [source for *_, source in sorted(placed, key=lambda entry: entry[:3])]


def write_table(path: Path, cases: Sequence[PlannedCase]) -> None:
    """The plan as CSV, one case a line."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for case in cases:
            fixed = (case.id, case.base, case.patient, case.split, case.shape, case.kind)
            writer.writerow([*fixed, *(case.values[axis.name] for axis in AXES)])


def read_table(path: Path) -> tuple[PlannedCase, ...]:
    """The cases of a plan's table. Raises InputError where it is missing, lacks a column or holds what is no number."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); make it by `aneuflow database plan`.") from error
    try:
        return tuple(_planned_case(row) for row in rows)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no plan of this version ({error}); make it again by `aneuflow database plan`.") from error


def _planned_case(row: Mapping[str, str]) -> PlannedCase:
    shape, kind = row["shape"], row["kind"]
    if shape not in get_args(Shape) or kind not in get_args(Kind):
        raise ValueError(f"unknown shape {shape} or kind {kind}")
    values = {axis.name: float(row[axis.name]) for axis in AXES}
    return PlannedCase(row["id"], row["base"], row["patient"], row["split"], cast(Shape, shape), cast(Kind, kind), values)
