"""What one site adds to a model trained across sites: sums over its patients, bounded, and never a row.

Three questions are answered: how often each value is there, where the columns of the model have their mean and spread, and what
the patients say of given coefficients (Newton's method on sums of rows is the pooled fit: Wu et al., JAMIA 2012;19:758).
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aneuflow.errors import InputError
from aneuflow.risk.learned import number_columns
from aneuflow.risk.train.models import design
from aneuflow.risk.train.table import Cohort
from aneuflow.risk.train.validate import fold_rows
from aneuflow.types import FloatArray

Sums = list[FloatArray]
MOST_CASES = 1e6
PARTS = 5
# A site finds a candidate worse where its mean log-loss on the locked patients rises by more than `SLIGHT` and beyond chance
# (two standard errors of the paired difference), or by `WORSE` whatever chance says: a small site need not prove it.
SLIGHT, WORSE = 0.005, 0.02
BINS = 200
CLIP = 1e-6


@dataclass(frozen=True)
class StudyPlan:
    """What the sites agreed on: answers with their bins and levels, the penalty C of the regression, the seed of the parts."""

    id: str
    penalty: float
    seed: int
    numbers: Mapping[str, Mapping[str, float]]
    levels: Mapping[str, Sequence[str]]
    aliases: Mapping[str, Mapping[str, str]]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def edges(self, answer: str) -> FloatArray:
        """(bins + 1,) edges of a number's bins; half a step off, so that a value read to one step lies within a bin."""
        low, high, step = (self.numbers[answer][name] for name in ("low", "high", "step"))
        return np.asarray(low + step * (np.arange(round((high - low) / step) + 2) - 0.5))


def read_study_plan(path: Path | None = None) -> StudyPlan:
    """The plan of a TOML file, or the one that comes with the package. Raises InputError where it is none."""
    try:
        file = resources.files("aneuflow") / "data" / "risk" / "federated.toml" if path is None else path
        return StudyPlan(**{"aliases": {}, **tomllib.loads(file.read_text("utf-8"))})
    except OSError as error:
        raise InputError(f"Study plan {path}: {error.strerror}; give a TOML file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        raise InputError(f"Study plan {path} is none: {error}; see docs/federated.md.") from error


@dataclass(frozen=True)
class SiteParts:
    """A site's patients: trained on; locked, by which the site accepts or refuses a model; held out to the very end."""

    training: Cohort
    locked: Cohort
    held_out: Cohort


def site_parts(cohort: Cohort, plan: StudyPlan) -> SiteParts:
    """Three fifths, one fifth and one fifth of the patients, each with its share of ruptured ones."""
    known = aligned(cohort, plan)
    locked, held_out = (rows for _, rows in fold_rows(known, PARTS, plan.seed)[:2])
    rest = np.setdiff1d(np.arange(len(known)), np.concatenate([locked, held_out]))
    return SiteParts(known.rows(rest), known.rows(locked), known.rows(held_out))


def aligned(cohort: Cohort, plan: StudyPlan) -> Cohort:
    """The cohort with the plan's answers and no others; what the site has not, or the plan does not know, is unknown."""
    numbers, levels = {}, {}
    for name in plan.numbers:
        values = np.asarray(cohort.numbers.get(name, np.full(len(cohort), np.nan)), dtype=np.float64)
        first, last = plan.edges(name)[[0, -1]]
        numbers[name] = np.where((values >= first) & (values < last), values, np.nan)
    for name, allowed in plan.levels.items():
        other = plan.aliases.get(name, {})
        found = [other.get(value, value) if value else None for value in cohort.levels.get(name, [None] * len(cohort))]
        levels[name] = [value if value in allowed else None for value in found]
    return replace(cohort, numbers=numbers, levels=levels, constants={})


def count_sums(cohort: Cohort, plan: StudyPlan) -> Sums:
    """[cases, ruptured, patients], then the counts of each number's bins and each answer's levels, unknown ones last."""
    found = [np.array([len(cohort), cohort.ruptured.sum(), len(np.unique(cohort.patient))], dtype=np.float64)]
    for name in plan.numbers:
        values = cohort.numbers[name]
        counts = np.histogram(values[np.isfinite(values)], plan.edges(name))[0]
        found.append(np.append(counts, np.isnan(values).sum()).astype(np.float64))
    for name, allowed in plan.levels.items():
        found.append(np.array([cohort.levels[name].count(level) for level in [*allowed, None]], dtype=np.float64))
    return found


def moment_sums(cohort: Cohort, terms: Sequence[Mapping[str, Any]], cases: float) -> Sums:
    """(3, columns) a number's term: share known, and sums of its columns and their squares, a column's range being -1 to 1.

    All are divided by `cases`, the patients of all sites together.
    """
    found = []
    for term in terms:
        if term["kind"] == "number":
            values = cohort.numbers[term["answer"]]
            middle, half = column_span(term)
            columns = (number_columns(term, np.clip(values[np.isfinite(values)], *term["range"])) - middle) / half
            found.append(np.stack([np.full(len(half), len(columns)), columns.sum(axis=0), (columns**2).sum(axis=0)]) / cases)
    return found


def column_span(term: Mapping[str, Any]) -> tuple[FloatArray, FloatArray]:
    """Middle and half width of what a number's columns can be within the term's range."""
    first, last = number_columns(term, np.asarray(term["range"], dtype=np.float64))
    return (first + last) / 2, (last - first) / 2


def step_sums(
    parts: SiteParts, terms: Sequence[dict[str, Any]], accepted: FloatArray, candidate: FloatArray, cases: float
) -> Sums:
    """What the trained-on patients say of `candidate` (base, then coefficients), and the site's vote on it.

    [share of the cases], gradient (k,) and curvature (k, k) of the log-likelihood, all divided by `cases`; [1 where the
    candidate is worse on the locked patients than `accepted`, else 0; 1 for the voter].
    """
    columns = np.column_stack([np.ones(len(parts.training)), design(terms, parts.training)])
    chance = 1.0 / (1.0 + np.exp(-(columns @ candidate)))
    gradient = columns.T @ (parts.training.ruptured - chance)
    curvature = (columns.T * (chance * (1.0 - chance))) @ columns
    worse = is_worse(log_losses(parts.locked, terms, candidate) - log_losses(parts.locked, terms, accepted))
    return [np.array([len(columns) / cases]), gradient / cases, curvature / cases, np.array([float(worse), 1.0])]


def step_reach(terms: Sequence[Mapping[str, Any]]) -> float:
    """The largest entry that gradient or curvature can have: the square of the largest entry of a row."""
    reach = 1.0
    for term in terms:
        columns = number_columns(term, np.asarray(term["range"])) if term["kind"] == "number" else np.eye(len(term["center"]))
        reach = max(reach, float(np.abs((columns - np.asarray(term["center"])) / np.asarray(term["scale"])).max()))
    return reach**2


def predictions(cohort: Cohort, terms: Sequence[dict[str, Any]], coefficients: FloatArray) -> FloatArray:
    """(n,) probabilities by coefficients (base first)."""
    return np.asarray(1.0 / (1.0 + np.exp(-(coefficients[0] + design(terms, cohort) @ coefficients[1:]))))


def log_losses(cohort: Cohort, terms: Sequence[dict[str, Any]], coefficients: FloatArray) -> FloatArray:
    """(n,) log-loss of each patient."""
    chance = np.clip(predictions(cohort, terms, coefficients), CLIP, 1 - CLIP)
    return np.asarray(-np.log(np.where(cohort.ruptured, chance, 1 - chance)))


def is_worse(differences: FloatArray) -> bool:
    """Whether paired differences of losses (new less old) speak against the new model."""
    if not np.isfinite(differences).all():
        return True
    chance = 2.0 * float(differences.std()) / max(len(differences), 1) ** 0.5
    return bool(differences.mean() > min(WORSE, max(SLIGHT, chance)))


def all_known(cohort: Cohort, terms: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.bool_]:
    """(n,) whether all answers of the terms are known."""
    known = np.ones(len(cohort), dtype=bool)
    for term in terms:
        name = term["answer"]
        if term["kind"] == "number":
            known &= np.isfinite(cohort.numbers[name])
        else:
            known &= np.array([value is not None for value in cohort.levels[name]])
    return known


def outcome_counts(cohort: Cohort, chance: FloatArray) -> FloatArray:
    """(2, bins) counts of unruptured and ruptured patients by their predicted probability."""
    edges = np.linspace(0.0, 1.0, BINS + 1)
    kinds: tuple[npt.NDArray[np.bool_], ...] = (~cohort.ruptured, cohort.ruptured)
    return np.stack([np.histogram(chance[kind], edges)[0] for kind in kinds]).astype(np.float64)


def bounded(arrays: Sequence[FloatArray], bound: float) -> Sums:
    """Arrays with every entry within -bound and bound. Raises InputError where an entry is no finite number."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise InputError("A sum of this site is no finite number; nothing is sent. Check its table or database.")
    return [np.clip(array, -bound, bound) for array in arrays]
