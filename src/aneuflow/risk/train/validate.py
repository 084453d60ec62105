"""How a candidate does on patients it has not seen: repeated nested cross-validation, and one center left out at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aneuflow.numerics.classification import (
    auc,
    bootstrap_interval,
    calibration,
    net_benefit,
    sensitivity_at,
    specificity_at,
)
from aneuflow.risk.train.models import SIZE, Candidate, Fitted
from aneuflow.risk.train.table import Cohort
from aneuflow.types import FloatArray, Progress, no_progress

INNER_FOLDS = 3
BOOTSTRAPS = 1000
THRESHOLDS = np.round(np.arange(0.05, 0.80, 0.05), 2)
SIZE_CLASSES = (("size under 5 mm", 0.0, 5.0), ("size 5 to 7 mm", 5.0, 7.0), ("size 7 mm and over", 7.0, np.inf))
LEAST_IN_A_GROUP = 10
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class ValidationPlan:
    """repeats of `folds` outer folds, grouped by patient; the seed makes the whole repeatable."""

    repeats: int = 3
    folds: int = 5
    seed: int = 7


def fold_rows(cohort: Cohort, folds: int, seed: int) -> list[tuple[Rows, Rows]]:
    """(training rows, held-out rows) of each fold; a patient's aneurysms stay together, classes keep their shares."""
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(cohort)), cohort.ruptured, cohort.patient))


def fit_tuned(candidate: Candidate, cohort: Cohort, seed: int) -> tuple[Fitted, Any]:
    """The candidate fitted on all rows with the setting that did best in folds inside these rows."""
    if len(candidate.settings) == 1:
        return candidate.fit(cohort, candidate.settings[0]), candidate.settings[0]
    losses = np.zeros(len(candidate.settings))
    for inside, held_out in fold_rows(cohort, INNER_FOLDS, seed):
        training, rest = cohort.rows(inside), cohort.rows(held_out)
        for index, setting in enumerate(candidate.settings):
            chance = np.clip(candidate.fit(training, setting)(rest), 1e-6, 1 - 1e-6)
            losses[index] -= np.log(np.where(rest.ruptured, chance, 1 - chance)).sum()
    best = candidate.settings[int(np.argmin(losses))]
    return candidate.fit(cohort, best), best


def nested_predictions(
    candidate: Candidate, cohort: Cohort, plan: ValidationPlan, progress: Callable[[float], None]
) -> FloatArray:
    """(n,) probabilities of every row by models that never saw its patient, averaged over the repeats."""
    total = np.zeros(len(cohort))
    for repeat in range(plan.repeats):
        for fold, (inside, held_out) in enumerate(fold_rows(cohort, plan.folds, plan.seed + repeat)):
            fitted, _ = fit_tuned(candidate, cohort.rows(inside), plan.seed)
            total[held_out] += fitted(cohort.rows(held_out))
            progress((repeat + (fold + 1) / plan.folds) / plan.repeats)
    return total / plan.repeats


def center_predictions(candidate: Candidate, cohort: Cohort, seed: int) -> list[dict[str, Any]]:
    """AUC on each center by a model of all others; None where a center has under ten cases of a class."""
    results = []
    for code, name in enumerate(cohort.center_names if len(cohort.center_names) > 1 else ()):
        own, others = cohort.rows(cohort.center == code), cohort.rows(cohort.center != code)
        few = min(own.ruptured.sum(), (~own.ruptured).sum(), others.ruptured.sum(), (~others.ruptured).sum()) < LEAST_IN_A_GROUP
        entry: dict[str, Any] = {"center": name, "cases": len(own), "ruptured": int(own.ruptured.sum()), "auc": None}
        if not few:
            chance = fit_tuned(candidate, others, seed)[0](own)
            entry |= auc_entry(own, chance)
        results.append(entry)
    return results


def auc_entry(cohort: Cohort, chance: FloatArray) -> dict[str, float]:
    """AUC with its 95 % interval by bootstrap of patients."""
    low, high = bootstrap_interval(lambda rows: auc(cohort.ruptured[rows], chance[rows]), cohort.patient, BOOTSTRAPS, 1)
    return {"auc": auc(cohort.ruptured, chance), "low": low, "high": high}


def difference(cohort: Cohort, ours: FloatArray, theirs: FloatArray) -> dict[str, float]:
    """Difference of two AUCs on the same patients with its paired 95 % interval."""
    truth = cohort.ruptured
    low, high = bootstrap_interval(
        lambda rows: auc(truth[rows], ours[rows]) - auc(truth[rows], theirs[rows]), cohort.patient, BOOTSTRAPS, 2
    )
    return {"difference": auc(truth, ours) - auc(truth, theirs), "low": low, "high": high}


def performance(cohort: Cohort, chance: FloatArray) -> dict[str, Any]:
    """All that is reported of one candidate's out-of-fold probabilities."""
    truth = cohort.ruptured
    found = calibration(truth, chance)
    benefit = net_benefit(truth, chance, THRESHOLDS)
    return {
        **auc_entry(cohort, chance),
        "sensitivity_at_90_specificity": sensitivity_at(truth, chance, 0.9),
        "specificity_at_90_sensitivity": specificity_at(truth, chance, 0.9),
        "calibration_slope": found.slope,
        "calibration_intercept": found.intercept,
        "calibration_error": found.ece,
        "brier": found.brier,
        "calibration_curve": found.curve.tolist(),
        "decision_curve": np.column_stack([THRESHOLDS, benefit]).tolist(),
        "subgroups": [
            {
                "group": name,
                "cases": int(rows.sum()),
                "ruptured": int(truth[rows].sum()),
                **auc_entry(cohort.rows(rows), chance[rows]),
            }
            for name, rows in subgroups(cohort)
        ],
    }


def subgroups(cohort: Cohort) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """Size classes, sites and sexes with at least ten cases of each class."""
    found: list[tuple[str, npt.NDArray[np.bool_]]] = []
    if SIZE in cohort.numbers:
        size = cohort.numbers[SIZE]
        found += [(name, (size >= low) & (size < high)) for name, low, high in SIZE_CLASSES]
    for answer in ("site", "sex"):
        levels = cohort.levels.get(answer, [])
        for level in sorted({value for value in levels if value is not None}):
            found.append((f"{answer} {level}", np.array([value == level for value in levels])))
    truth = cohort.ruptured
    return [(name, rows) for name, rows in found if min(truth[rows].sum(), (~truth[rows]).sum()) >= LEAST_IN_A_GROUP]


def compare(
    cohort: Cohort, entrants: Sequence[Candidate], plan: ValidationPlan, progress: Progress = no_progress
) -> dict[str, dict[str, Any]]:
    """Every candidate's performance, its difference from size alone, and how it does across centers, by name."""
    predictions: dict[str, FloatArray] = {}
    results: dict[str, dict[str, Any]] = {}
    for index, candidate in enumerate(entrants):
        start = index / len(entrants)
        tell = _part_of(progress, start, 1 / len(entrants), candidate.name)
        predictions[candidate.name] = nested_predictions(candidate, cohort, plan, tell)
        results[candidate.name] = performance(cohort, predictions[candidate.name])
        results[candidate.name]["centers"] = center_predictions(candidate, cohort, plan.seed)
    if "size" in predictions:
        # Size needs no fit to rank by: folds whose slopes differ in sign would make it look worse than it is.
        predictions["size"] = _filled(cohort.numbers[SIZE])
        results["size"] |= auc_entry(cohort, predictions["size"])
    best = max(results, key=lambda name: results[name]["auc"])
    for name, result in results.items():
        if "size" in predictions:
            result["over_size"] = difference(cohort, predictions[name], predictions["size"])
        result["below_best"] = difference(cohort, predictions[best], predictions[name])
    return results


def _filled(values: FloatArray) -> FloatArray:
    return np.where(np.isnan(values), np.nanmedian(values), values)


def _part_of(progress: Progress, start: float, width: float, message: str) -> Callable[[float], None]:
    return lambda fraction: progress(start + width * fraction, message)


def simplest_not_worse(results: dict[str, dict[str, Any]]) -> str:
    """The first candidate, in order of complexity, whose AUC is not below the best one's beyond chance (95 %)."""
    return next(name for name, result in results.items() if result["below_best"]["low"] <= 0.0)
