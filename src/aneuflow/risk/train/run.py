"""`train risk`: a cohort in; a model file, its cases, the numbers of all candidates, and a card with the checklist out."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from aneuflow import __version__
from aneuflow.errors import InputError
from aneuflow.risk.learned import column_names
from aneuflow.risk.origin import origin_text
from aneuflow.risk.train.card import model_card
from aneuflow.risk.train.image_features import check_reliable, reliability_of
from aneuflow.risk.train.models import AdditiveModel, candidates, design, need_scikit_learn
from aneuflow.risk.train.origin import origin_of, table_hash
from aneuflow.risk.train.table import Cohort
from aneuflow.risk.train.validate import ValidationPlan, compare, fit_tuned, simplest_not_worse
from aneuflow.types import FloatArray, Progress, no_progress

COVARIANCE_SAMPLES = 200
EXPORTED = ("size", "logistic")


@dataclass(frozen=True)
class Training:
    """What a training leaves: the model as JSON text, its cases as CSV text, what is kept of the table as JSON text, all
    numbers, and the card as Markdown.
    """

    model: str
    cases: str
    origin: str
    results: dict[str, Any]
    card: str


def train_risk(
    cohort: Cohort,
    plan: ValidationPlan,
    aliases: Mapping[str, Mapping[str, str]] | None = None,
    progress: Progress = no_progress,
    retest: Mapping[str, Any] | None = None,
) -> Training:
    """Compare all candidates on a cohort, fit the one that ships on all of it, and write it down.

    What ships is the simplest candidate that is not worse than the best; where that is none of those that a model file can hold
    (size, logistic), the logistic model is written and the card says which one did better. retest: how reliable image features
    are. Raises InputError for a column of one that is not known to be reliable.
    """
    need_scikit_learn()
    check_reliable(cohort.numbers, retest)
    if not cohort.numbers and not cohort.levels:
        raise InputError("The table has no column to learn from besides patient, center and ruptured; add some.")
    entrants = candidates(cohort)
    results = compare(cohort, entrants, plan, progress)
    chosen = simplest_not_worse(results)
    shipped = chosen if chosen in EXPORTED else "logistic"
    entrant = next(candidate for candidate in entrants if candidate.name == shipped)
    model, setting = fit_tuned(entrant, cohort, plan.seed)
    assert isinstance(model, AdditiveModel)
    answers = tuple(term["answer"] for term in model.terms)
    covariance = _coefficient_covariance(cohort, model, setting, plan.seed)
    content = _content(cohort, model, covariance, results[shipped], aliases or {})
    content |= reliability_of(answers, retest)
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    outcome = {
        "table": _table_facts(cohort),
        "candidates": results,
        "simplest_not_worse": chosen,
        "shipped": shipped,
        "left_out": {"rupture_resemblance_score": "coefficients could be read in no source"},
        "plan": {"repeats": plan.repeats, "folds": plan.folds, "seed": plan.seed},
    }
    origin = origin_text(origin_of(content, hashlib.sha256(text.encode()).hexdigest(), cohort))
    return Training(text, _cases(cohort, answers), origin, outcome, model_card(content, outcome))


def _content(
    cohort: Cohort,
    model: AdditiveModel,
    covariance: FloatArray,
    result: Mapping[str, Any],
    aliases: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    terms, start = [], 0
    for term in model.terms:
        size = len(column_names(term))
        own = [round(float(value), 6) for value in model.coefficients[start : start + size]]
        start += size
        written = {**term, "center": _rounded(term["center"]), "scale": _rounded(term["scale"])}
        if term["kind"] == "number":
            written |= {"coefficients": own, "range": _rounded(term["range"]), "possible": _rounded(term["possible"])}
        else:
            shares = {level: round(entry["share"], 4) for level, entry in term["levels"].items()}
            written["levels"] = {
                level: {"share": share, "coefficient": value} for (level, share), value in zip(shares.items(), own, strict=True)
            }
            written["aliases"] = dict(aliases.get(term["answer"], {}))
        terms.append(written)
    facts = _table_facts(cohort)
    name = cohort.about.get("id", "table")
    version = hashlib.sha256(json.dumps([facts, terms], sort_keys=True).encode()).hexdigest()[:8]
    return {
        "id": f"resemblance-{name}-{version}",
        "kind": "additive logistic regression",
        "says": "how much an aneurysm resembles the ruptured ones of its training table; not when it will rupture",
        "aneuflow": __version__,
        "trained_on": {**facts, "sha256": table_hash(cohort)},
        "penalty": model.penalty,
        "base": round(model.base, 6),
        "terms": terms,
        "covariance": [_rounded(row) for row in covariance],
        "performance": {
            key: round(result[key], 4)
            for key in ("auc", "low", "high", "calibration_slope", "calibration_intercept", "calibration_error", "brier")
        },
    }


def _rounded(values: Any) -> list[float]:
    return [float(f"{float(value):.6g}") for value in values]


def _table_facts(cohort: Cohort) -> dict[str, Any]:
    return {
        **cohort.about,
        "cases": len(cohort),
        "ruptured": int(cohort.ruptured.sum()),
        "patients": len(np.unique(cohort.patient)),
        "centers": [name for name in cohort.center_names if name],
        "rows_without_outcome": cohort.dropped,
        "impossible_values_blanked": dict(cohort.blanked),
        "missing": {
            **{name: int(np.isnan(values).sum()) for name, values in cohort.numbers.items()},
            **{name: sum(value is None for value in found) for name, found in cohort.levels.items()},
        },
        "ruptured_share": round(float(cohort.ruptured.mean()), 4),
    }


def _coefficient_covariance(cohort: Cohort, model: AdditiveModel, penalty: float, seed: int) -> FloatArray:
    """(k, k) covariance of the coefficients over bootstrap samples of patients, on the terms of the full table."""
    from sklearn.linear_model import LogisticRegression

    columns = design(model.terms, cohort)
    generator = np.random.default_rng(seed)
    order = np.argsort(cohort.patient, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(cohort.patient[order])) + 1)
    drawn = []
    for _ in range(COVARIANCE_SAMPLES):
        rows = np.concatenate([groups[index] for index in generator.integers(len(groups), size=len(groups))])
        drawn.append(LogisticRegression(C=penalty, max_iter=2000).fit(columns[rows], cohort.ruptured[rows]).coef_[0])
    return np.atleast_2d(np.cov(np.asarray(drawn).T))


def _cases(cohort: Cohort, answers: tuple[str, ...]) -> str:
    """The training table as CSV with the model's answers, without any identifier and in sorted order."""
    rows = []
    for row in range(len(cohort)):
        found = {
            name: "" if np.isnan(v := cohort.numbers[name][row]) else f"{v:.3g}" for name in answers if name in cohort.numbers
        }
        found |= {name: cohort.levels[name][row] or "" for name in answers if name in cohort.levels}
        rows.append({**found, "ruptured": "yes" if cohort.ruptured[row] else "no"})
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [*answers, "ruptured"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda entry: tuple(entry.values())))
    return stream.getvalue()
