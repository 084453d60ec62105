"""What a training keeps of its table, and whether another table holds rows or patients of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aneuflow.errors import InputError
from aneuflow.risk.origin import Distribution, Origin, levels_kept, mark, numbers_kept
from aneuflow.risk.train.models import model_of
from aneuflow.risk.train.table import Cohort
from aneuflow.types import FloatArray

# A row that knows less is like many others by chance.
LEAST_KNOWN, LEAST_ANSWERS = 0.75, 4


@dataclass(frozen=True)
class Overlap:
    """How many rows of a table are of patients trained on, and how many are equal to a row trained on in all answers (None
    where they cannot be compared: a column is missing).
    """

    of_patients: int
    of_rows: int | None


def origin_of(content: Mapping[str, Any], sha256: str, cohort: Cohort) -> Origin:
    """What is kept of the cohort that the model of this file (its content and SHA-256) was trained on."""
    columns = sorted([*cohort.numbers, *cohort.levels])
    return Origin(
        model=sha256,
        table=table_hash(cohort),
        answers={term["answer"]: _kept(cohort, term["answer"]) for term in content["terms"]},
        probability=numbers_kept(probabilities(content, cohort)),
        columns=tuple(columns),
        rows=tuple(sorted({found for found in row_marks(cohort, columns) if found})),
        patients=tuple(sorted({found for found in cohort.patient_marks if found})),
    )


def _kept(cohort: Cohort, name: str) -> Distribution:
    return numbers_kept(cohort.numbers[name]) if name in cohort.numbers else levels_kept(cohort.levels[name])


def table_hash(cohort: Cohort) -> str:
    """SHA-256 of the cohort's rows with outcome and patient, the same for any order of them."""
    names = sorted([*cohort.numbers, *cohort.levels])
    marks = cohort.patient_marks or [""] * len(cohort)
    rows = [json.dumps([marks[row], *_row(cohort, row, names)]) for row in range(len(cohort))]
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()


def row_marks(cohort: Cohort, columns: Sequence[str]) -> list[str]:
    """(n,) marks of the rows by these answers, in this order, and the outcome, empty for a row that knows too few of them."""
    least = max(LEAST_KNOWN * len(columns), LEAST_ANSWERS)
    rows = [_row(cohort, row, columns) for row in range(len(cohort))]
    return [mark(json.dumps(row)) if sum(entry != "" for entry in row[1:]) >= least else "" for row in rows]


def _row(cohort: Cohort, row: int, names: Sequence[str]) -> list[str]:
    """The outcome and the answers, a number by three digits: tables are often rounded on their way."""
    found = ["yes" if cohort.ruptured[row] else "no"]
    for name in names:
        if name in cohort.numbers:
            value = cohort.numbers[name][row]
            found.append("" if np.isnan(value) else f"{value:.3g}")
        else:
            found.append(cohort.levels[name][row] or "")
    return found


def probabilities(content: Mapping[str, Any], cohort: Cohort) -> FloatArray:
    """(n,) probabilities in [0, 1] that a model file gives to a cohort's rows, nan where it misses one of its answers.

    Raises InputError naming the first answer that the cohort has no column for.
    """
    check_answers(content, cohort)
    known = np.ones(len(cohort), dtype=bool)
    for term in content["terms"]:
        name = term["answer"]
        if name in cohort.numbers:
            known &= np.isfinite(cohort.numbers[name])
        else:
            known &= np.array([value is not None for value in cohort.levels[name]])
    return np.where(known, model_of(content)(cohort), np.nan)


def check_answers(content: Mapping[str, Any], cohort: Cohort) -> None:
    """Raises InputError naming the first answer of the model that the cohort has no column for."""
    for term in content["terms"]:
        if term["answer"] not in (cohort.numbers if term["kind"] == "number" else cohort.levels):
            raise InputError(f"The table has no column {term['answer']}, which model {content['id']} asks for; add it.")


def overlap(origin: Origin, cohort: Cohort) -> Overlap:
    """What a cohort has in common with the table of a model."""
    patients, rows = set(origin.patients), set(origin.rows)
    of_patients = sum(found in patients for found in cohort.patient_marks if found)
    if not {*origin.columns} <= {*cohort.numbers, *cohort.levels}:
        return Overlap(of_patients, None)
    return Overlap(of_patients, sum(found in rows for found in row_marks(cohort, origin.columns)))
