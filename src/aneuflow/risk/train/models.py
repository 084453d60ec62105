"""The candidates of a learned grade: each is fitted on a cohort and gives probabilities for another one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aneuflow.errors import ResourceError
from aneuflow.risk.clinical import Answer, Number
from aneuflow.risk.learned import level_columns, number_columns
from aneuflow.risk.scores import phases
from aneuflow.risk.train.table import Cohort
from aneuflow.types import FloatArray

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)
KNOTS_FROM = 300
LOGARITHMIC = ("_mm", "_mm2", "_mm3", "_volume", "_area", "_diameter", "diameter")
SIZE = "size_mm"


Fitted = Callable[[Cohort], FloatArray]


@dataclass(frozen=True)
class Candidate:
    """A way to make a model: `fit` with each of `settings` is tried inside the training part, the best is kept."""

    name: str
    settings: Sequence[Any]
    fit: Callable[[Cohort, Any], Fitted]


def need_scikit_learn() -> None:
    """Raises ResourceError, naming the extra, where the learning libraries are not installed."""
    try:
        import interpret.glassbox  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ResourceError(f"Training needs {error.name}; install it with `pip install aneuflow[train]`.") from error


def candidates(cohort: Cohort) -> list[Candidate]:
    """From the simplest to the most flexible, as far as the table has what they need."""
    found = []
    if SIZE in cohort.numbers:
        found.append(Candidate("size", (1.0,), lambda rows, c: fit_additive(rows, c, (SIZE,))))
    if SIZE in cohort.numbers and "site" in cohort.levels:
        found.append(Candidate("phases", (1.0,), lambda rows, c: _PhasesModel(rows)))
    return [
        *found,
        Candidate("logistic", PENALTIES, lambda rows, c: fit_additive(rows, c, None)),
        Candidate("ebm", (0,), _fit_ebm),
        Candidate("boosting", (2, 3), _fit_boosting),
    ]


def terms_of(cohort: Cohort, answers: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The terms that a cohort supports, with transform, knots, center, scale and range from these rows alone."""
    terms: list[dict[str, Any]] = []
    for name, values in cohort.numbers.items():
        known = values[np.isfinite(values)]
        if (answers and name not in answers) or len(np.unique(known)) < 3:
            continue
        logarithmic = name.endswith(LOGARITHMIC) and known.min() > 0
        knots = [round(float(np.quantile(known, part)), 1) for part in (0.35, 0.7)] if len(cohort) >= KNOTS_FROM else []
        term: dict[str, Any] = {"answer": name, "kind": "number", "transform": "log" if logarithmic else "none", "knots": knots}
        columns = number_columns(term, known)
        term["center"], term["scale"] = columns.mean(axis=0).tolist(), np.maximum(columns.std(axis=0), 1e-9).tolist()
        term["range"] = [float(np.quantile(known, 0.005)), float(np.quantile(known, 0.995))]
        term["possible"] = [float(value) for value in np.quantile(known, np.linspace(0.05, 0.95, 7))]
        terms.append(term)
    for name, found in cohort.levels.items():
        counts = {level: found.count(level) for level in sorted({value for value in found if value is not None})}
        if (answers and name not in answers) or len(counts) < 2:
            continue
        total = sum(counts.values())
        shares = {level: count / total for level, count in counts.items()}
        terms.append(
            {"answer": name, "kind": "level", "levels": {level: {"share": share} for level, share in shares.items()},
             "center": list(shares.values()), "scale": [1.0] * len(shares)}
        )  # fmt: skip
    return terms


def design(terms: Sequence[dict[str, Any]], cohort: Cohort) -> FloatArray:
    """(n, columns) of the terms, centered and scaled; an unknown answer is at the training rows' mean, which is 0."""
    blocks = []
    for term in terms:
        if term["kind"] == "number":
            first, last = term["range"]
            columns = number_columns(term, np.clip(cohort.numbers[term["answer"]], first, last))
        else:
            columns = level_columns(term, cohort.levels[term["answer"]])
        blocks.append((columns - np.asarray(term["center"])) / np.asarray(term["scale"]))
    return np.nan_to_num(np.column_stack(blocks), nan=0.0)


@dataclass(frozen=True)
class AdditiveModel:
    """Penalized logistic regression on the terms: what the JSON model is written from."""

    terms: tuple[dict[str, Any], ...]
    base: float
    coefficients: FloatArray
    penalty: float

    def __call__(self, cohort: Cohort) -> FloatArray:
        return np.asarray(1.0 / (1.0 + np.exp(-(self.base + design(self.terms, cohort) @ self.coefficients))))


def model_of(content: Mapping[str, Any]) -> AdditiveModel:
    """The fitted model that a model file holds, for whole cohorts."""
    coefficients: list[float] = []
    for term in content["terms"]:
        own = term["coefficients"] if term["kind"] == "number" else [level["coefficient"] for level in term["levels"].values()]
        coefficients += own
    return AdditiveModel(tuple(content["terms"]), float(content["base"]), np.asarray(coefficients), float(content["penalty"]))


def fit_additive(cohort: Cohort, penalty: float, answers: Sequence[str] | None) -> AdditiveModel:
    """Logistic regression with an L2 penalty of weight 1 / `penalty` on the terms of these answers (all where None)."""
    from sklearn.linear_model import LogisticRegression

    terms = terms_of(cohort, answers)
    fitted = LogisticRegression(C=penalty, max_iter=2000).fit(design(terms, cohort), cohort.ruptured)
    return AdditiveModel(tuple(terms), float(fitted.intercept_[0]), np.asarray(fitted.coef_[0]), penalty)


class _PhasesModel:
    """PHASES points with one slope; the points of an unknown answer are the middle of what is possible."""

    def __init__(self, rows: Cohort) -> None:
        from sklearn.linear_model import LogisticRegression

        self.fitted = LogisticRegression(C=1e6).fit(phases_points(rows)[:, None], rows.ruptured)

    def __call__(self, cohort: Cohort) -> FloatArray:
        return np.asarray(self.fitted.predict_proba(phases_points(cohort)[:, None])[:, 1])


def phases_points(cohort: Cohort) -> FloatArray:
    """(n,) PHASES points of a cohort's rows, the middle of the span where an answer is unknown."""
    points = []
    for row in range(len(cohort)):
        answers: dict[str, Answer] = {**cohort.constants, **{name: values[row] for name, values in cohort.levels.items()}}
        for name, values in cohort.numbers.items():
            value = float(values[row])
            answers[name] = Number(value, value, value) if np.isfinite(value) else None
        if answers.get("site") == "other":
            answers["site"] = None
        span = phases(answers).points[0]
        points.append(0.5 * (span.low + (span.high or span.low)))
    return np.asarray(points)


@dataclass(frozen=True)
class _Imputed:
    """Plain columns with unknown answers at the training rows' median or commonest level.

    Learners that take nan by themselves would learn from it: who came bleeding is asked less, and that is no sign of the wall.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    levels: dict[str, list[str]]
    filling: dict[str, float]

    def __call__(self, cohort: Cohort) -> FloatArray:
        blocks = []
        for name in self.names:
            if name in cohort.numbers:
                values = cohort.numbers[name].copy()
            else:
                known = self.levels[name]
                values = np.array([known.index(v) if v in known else np.nan for v in cohort.levels[name]], dtype=np.float64)
            values[np.isnan(values)] = self.filling[name]
            blocks.append(values)
        return np.column_stack(blocks)


def imputation(cohort: Cohort) -> _Imputed:
    """How these rows, and later others, become plain columns."""
    levels = {name: sorted({value for value in found if value is not None}) for name, found in cohort.levels.items()}
    names = [*(name for name, values in cohort.numbers.items() if np.isfinite(values).any()), *(n for n in levels if levels[n])]
    filling = {}
    for name in names:
        if name in cohort.numbers:
            filling[name] = float(np.nanmedian(cohort.numbers[name]))
        else:
            found = [value for value in cohort.levels[name] if value is not None]
            filling[name] = float(levels[name].index(max(levels[name], key=found.count)))
    kinds = tuple("continuous" if name in cohort.numbers else "nominal" for name in names)
    return _Imputed(tuple(names), kinds, levels, filling)


def _fit_boosting(cohort: Cohort, depth: int) -> Fitted:
    from sklearn.ensemble import HistGradientBoostingClassifier

    columns = imputation(cohort)
    learner = HistGradientBoostingClassifier(
        max_depth=depth,
        learning_rate=0.05,
        max_iter=100,
        l2_regularization=1.0,
        categorical_features=[kind == "nominal" for kind in columns.kinds],
        random_state=0,
    )
    fitted = learner.fit(columns(cohort), cohort.ruptured)
    return lambda rows: np.asarray(fitted.predict_proba(columns(rows))[:, 1])


def _fit_ebm(cohort: Cohort, interactions: int) -> Fitted:
    from interpret.glassbox import ExplainableBoostingClassifier

    columns = imputation(cohort)
    learner = ExplainableBoostingClassifier(
        interactions=interactions, outer_bags=4, max_rounds=2000, feature_types=list(columns.kinds), n_jobs=1, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = learner.fit(columns(cohort), cohort.ruptured)
    return lambda rows: np.asarray(fitted.predict_proba(columns(rows))[:, 1])
