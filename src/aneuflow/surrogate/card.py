"""What stands in a database: the counts of `aneuflow database check` and the card that goes with it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aneuflow.surrogate.cohort import SPLITS
from aneuflow.surrogate.compact import CHANNELS
from aneuflow.surrogate.design import AXES, DesignSettings, PlannedCase
from aneuflow.surrogate.gates import GATES
from aneuflow.surrogate.points import COARSER_LATTICE
from aneuflow.surrogate.sample import LUMEN_POINTS, WALL_POINTS

INTRA_TERMS = (
    "Shapes named AN... are segments of IntrA (Yang et al. 2020), which its authors call open access without stating a "
    "licence. The points stored here are points of their deformed surfaces and remain under those terms: cite IntrA, and ask "
    "its authors before any use that their terms do not plainly allow."
)
OWN_TERMS = (
    "The real shapes come from a cohort of the one who planned this database, whose terms hold for the points of their "
    "deformed surfaces stored here."
)
_SHOWN = (
    "reynolds",
    "length_mm",
    "inflow_ml_s",
    "shape_aspect_ratio",
    "shape_size_ratio",
    "fine_sac_tawss_mean",
    "fine_pressure_loss",
)


@dataclass(frozen=True)
class Check:
    """Counts: cases planned, entered by split, kind and shape, refused by stage and reason; patients with one that entered."""

    planned: int
    entered: Mapping[tuple[str, str, str], int]
    refused: Mapping[tuple[str, str], int]
    patients: Mapping[str, int]
    cpu_s: tuple[float, float, float]

    @property
    def ended(self) -> int:
        return sum(self.entered.values()) + sum(self.refused.values())


def check(cases: Sequence[PlannedCase], records: Sequence[Mapping[str, Any]]) -> Check:
    """The counts over the records of a plan's cases; cpu_s: median, 90th percentile and sum over those that entered."""
    entered = [record for record in records if record["state"] == "entered"]
    rows = [record["row"] for record in entered]
    seconds = np.array([record["cpu_s"] for record in entered] or [0.0])
    return Check(
        planned=len(cases),
        entered=Counter((row["split"], row["kind"], row["shape"]) for row in rows),
        refused=Counter((r["stage"], _class_of(r["reason"])) for r in records if r["state"] == "refused"),
        patients={split: len({row["patient"] for row in rows if row["split"] == split}) for split in SPLITS},
        cpu_s=(float(np.median(seconds)), float(np.percentile(seconds, 90)), float(seconds.sum())),
    )


def _class_of(reason: str) -> str:
    """A reason without its numbers, so that like ones are counted together."""
    return re.sub(r"\d+(\.\d+)?", "#", reason)


def check_text(found: Check) -> str:
    """The counts in plain lines."""
    shapes = sorted({(kind, shape) for _, kind, shape in found.entered})
    lines = [f"planned {found.planned}, ended {found.ended}, entered {sum(found.entered.values())}"]
    for kind, shape in shapes:
        counts = ", ".join(f"{split} {found.entered.get((split, kind, shape), 0)}" for split in SPLITS)
        lines.append(f"entered, {kind}, {shape}: {counts}")
    lines.append("patients with a case entered: " + ", ".join(f"{split} {found.patients[split]}" for split in SPLITS))
    lines += [f"refused {count}: {stage}: {reason}" for (stage, reason), count in sorted(found.refused.items())]
    lines += [f"gate {name}: {meaning}" for name, meaning in GATES.items()]
    lines.append("CPU seconds a case: median {:.0f}, 90th percentile {:.0f}; {:.0f} in all".format(*found.cpu_s))
    return "\n".join(lines)


def card(settings: DesignSettings, terms: str, found: Check, rows: Sequence[Mapping[str, Any]]) -> str:
    """The database's datasheet as Markdown; terms: those of its shapes; rows: those of the cases that have entered."""
    return "\n".join(
        [
            "# Card of a flow database",
            "",
            "Flows in intracranial aneurysms, solved by the lattice-Boltzmann solver of aneuflow "
            f"at {settings.resolution_mm:g} mm, or a sixth of the narrowest opening where that is less, with those on the "
            f"lattice of {COARSER_LATTICE:g} times the spacing beside them. "
            "For training and testing surrogates of that solver; it says no more of a patient than the solver does "
            "(rigid walls, assumed inflow). How it is made: docs/database.md.",
            "",
            "## Origin and terms",
            "",
            f"{terms} Shapes named ideal-... are made from numbers and free of terms.",
            "",
            "## What stands in it",
            "",
            *(f"- {line}" for line in check_text(found).splitlines()),
            f"- {WALL_POINTS} points on the wall and {LUMEN_POINTS} in the lumen of each case, {len(CHANNELS)} channels.",
            f"- Patients are parted before shapes are deformed (seed {settings.seed}): none is in two splits.",
            "",
            "## Ranges",
            "",
            "| of the design | low | high | a patient as he is |",
            "|---|---|---|---|",
            *(f"| {axis.name}: {axis.meaning} | {axis.low:g} | {axis.high:g} | {axis.neutral:g} |" for axis in AXES),
            "",
            "| of the cases that entered | 5 % | median | 95 % |",
            "|---|---|---|---|",
            *_ranges(rows),
            "",
        ]
    )


def _ranges(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for name in _SHOWN:
        values = [float(row[name]) for row in rows if row.get(name) not in (None, "")]
        if values:
            low, middle, high = np.percentile(values, (5, 50, 95))
            lines.append(f"| {name} | {low:.3g} | {middle:.3g} | {high:.3g} |")
    return lines
