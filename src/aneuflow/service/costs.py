"""What a case costs here: the time of a worker that the last cases took, by stage."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import median

from sqlalchemy import select
from sqlalchemy.orm import Session

from aneuflow.service.jobs import STAGES
from aneuflow.service.models import Case

LAST_CASES = 100


@dataclass(frozen=True)
class CaseCost:
    """Medians in s over the last `cases`: of a whole case (None without any), and of each stage where it was run."""

    cases: int
    seconds: float | None
    stages: dict[str, float]


def case_cost(session: Session) -> CaseCost:
    """Of the last 100 cases that are done; what was taken over from an earlier run counts as it cost then."""
    # The ids first: to sort whole rows, manifests and all, would take as long as there are cases.
    done = select(Case.id).where(Case.state == "done", Case.deleted == 0.0, Case.manifest.is_not(None))
    chosen = select(Case.manifest).where(Case.id.in_(done.order_by(Case.changed.desc()).limit(LAST_CASES)))
    wholes: list[float] = []
    stages: dict[str, list[float]] = defaultdict(list)
    for manifest in session.scalars(chosen):
        took = {name: float(record["seconds"]) for name, record in manifest["stages"].items() if record["state"] == "done"}
        wholes.append(sum(took.values()))
        for name, seconds in took.items():
            stages[name].append(seconds)
    in_order = {name: median(stages[name]) for name in STAGES if name in stages}
    return CaseCost(len(wholes), median(wholes) if wholes else None, in_order)
