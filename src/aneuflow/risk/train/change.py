"""A proposed model beside the present one on a locked set: rows that neither was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from aneuflow import __version__
from aneuflow.errors import InputError
from aneuflow.numerics.classification import calibration
from aneuflow.risk.change import Change, Decision, LockedSet, name_of
from aneuflow.risk.learned import Model
from aneuflow.risk.origin import Origin
from aneuflow.risk.train.models import model_of
from aneuflow.risk.train.origin import check_answers, overlap, table_hash
from aneuflow.risk.train.table import Cohort
from aneuflow.risk.train.validate import auc_entry, difference
from aneuflow.types import FloatArray

# Rows of one hospital that are equal in all answers by chance: 2 % of a random quarter of bnaiaR, 4 % at most in 20 draws.
MOST_ALIKE = 0.10


@dataclass(frozen=True)
class Verdict:
    """What was decided, by whom and why."""

    by: str
    decision: Decision
    reason: str


def compare_on_locked(
    present: tuple[Model, Origin | None], proposed: tuple[Model, Origin | None], locked: Cohort, verdict: Verdict
) -> Change:
    """The record of both models' AUC and calibration on the locked set and of what was decided.

    Unknown answers stand at the training table's mean, as in training. A model trained across sites has no origin: whether the
    locked set is apart from its patients is not checked then. Raises InputError where the locked set holds patients of
    either model's table, where over MOST_ALIKE of its rows are equal to one of them, or where a column is missing.
    """
    shares = [_checked_overlap(model, origin, locked) for model, origin in (present, proposed)]
    known = [share for share in shares if share is not None]
    ours, theirs = (_chances(model, locked) for model, _ in (proposed, present))
    return Change(
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        by=verdict.by,
        decision=verdict.decision,
        reason=verdict.reason,
        from_model=name_of(present[0]),
        to_model=name_of(proposed[0]),
        locked=LockedSet(
            table_hash(locked),
            len(locked),
            int(locked.ruptured.sum()),
            len(np.unique(locked.patient)),
            all(origin is not None for _, origin in (present, proposed)),
            round(max(known), 4) if known else None,
        ),
        present=_numbers(locked, theirs),
        proposed=_numbers(locked, ours),
        difference=_rounded(difference(locked, ours, theirs)),
        aneuflow=__version__,
    )


def _checked_overlap(model: Model, origin: Origin | None, locked: Cohort) -> float | None:
    check_answers(model.content, locked)
    if origin is None:
        return None
    found = overlap(origin, locked)
    if found.of_patients:
        raise InputError(
            f"The locked set holds {found.of_patients} rows of patients that model {model.content['id']} was trained on; "
            "take them out, or take another set."
        )
    if found.of_rows is None:
        return None
    if found.of_rows > MOST_ALIKE * len(locked):
        raise InputError(
            f"{found.of_rows} of the {len(locked)} rows of the locked set are equal to rows that model {model.content['id']} "
            "was trained on; take another set."
        )
    return found.of_rows / len(locked)


def _chances(model: Model, locked: Cohort) -> FloatArray:
    return model_of(model.content)(locked)


def _numbers(locked: Cohort, chance: FloatArray) -> dict[str, float]:
    found = calibration(locked.ruptured, chance)
    shown = {"calibration_slope": found.slope, "calibration_intercept": found.intercept}
    return _rounded({**auc_entry(locked, chance), **shown, "calibration_error": found.ece, "brier": found.brier})


def _rounded(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in values.items()}
