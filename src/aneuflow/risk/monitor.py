"""Whether a model of resemblance still meets the patients it was trained for: drift of what goes in and comes out,
calibration as outcomes arrive, and an alert where chance does not explain it.

All checks of one look share one false-alarm rate (Holm 1979): while nothing has changed, a look gives any alert in at most
FALSE_ALARMS of all cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np

from aneuflow.numerics.classification import calibration, miscalibration
from aneuflow.numerics.drift import holm, homogeneity, kolmogorov_smirnov, more_often, stability_index
from aneuflow.risk.change import ModelName, name_of
from aneuflow.risk.learned import Model
from aneuflow.risk.origin import Distribution, Origin
from aneuflow.types import FloatArray

FALSE_ALARMS = 0.05
# A difference that is beyond chance and yet smaller than this is no alert: with many cases the slightest one is beyond chance.
LEAST_INDEX, LEAST_RISE = 0.1, 0.1
LEAST_CASES, LEAST_OF_A_CLASS = 20, 10
# The newest cases, and none older than a year before them: what changed lately is not lost among what came before.
RECENT_CASES, RECENT_DAYS = 200, 365
OUTPUT = "resemblance"


@dataclass(frozen=True)
class SeenCase:
    """A graded case: the day of its grade (None: not known), the model's id, the answers as the grade showed them, the
    probability in [0, 1] (None: an answer is missing), and whether the aneurysm was found ruptured (None: no outcome).
    """

    day: date | None
    model: str
    answers: Mapping[str, str]
    probability: float | None
    ruptured: bool | None


@dataclass(frozen=True)
class Drift:
    """An answer (or OUTPUT) of the recent cases against the training table.

    cases: in how many it is known; unknown, unknown_kept: share in which it is not, now and in the table; index: population
    stability; distance: Kolmogorov-Smirnov's, None for levels; p, p_unknown: adjusted for all checks of the look, None where
    under LEAST_CASES cases cannot tell.
    """

    of: str
    cases: int
    unknown: float
    unknown_kept: float
    index: float | None
    distance: float | None
    p: float | None
    p_unknown: float | None


@dataclass(frozen=True)
class Agreement:
    """Outcomes against probabilities of the cases graded from the day `first` to `last`, of which `cases` have both.

    slope, intercept and p: None where under LEAST_OF_A_CLASS had or had not ruptured; p is adjusted, and None in a quarter.
    """

    first: date | None
    last: date | None
    graded: int
    cases: int
    observed: int
    expected: float
    brier: float | None
    slope: float | None
    intercept: float | None
    p: float | None = None


@dataclass(frozen=True)
class Alert:
    """What is beyond chance and large: an answer's distribution, its being unknown, or the calibration of the output."""

    kind: Literal["distribution", "unknown", "calibration"]
    of: str


@dataclass(frozen=True)
class Monitoring:
    """One look. graded: the cases on which drift and `recent` rest, the newest RECENT_CASES at most and none over RECENT_DAYS
    older than the newest (those without a day count as the oldest); other_models: how many of them another model graded;
    quarters: over all time.
    """

    model: ModelName
    graded: int
    other_models: int
    drifts: tuple[Drift, ...]
    recent: Agreement
    quarters: tuple[Agreement, ...]
    alerts: tuple[Alert, ...]


def monitor(model: Model, origin: Origin, cases: Sequence[SeenCase]) -> Monitoring:
    """One look at all cases graded so far; inputs of every case count, outputs and outcomes of those that this model graded."""
    recent = _recent(cases)
    ours = [case for case in recent if case.model == model.content["id"]]
    drifts = [_drift(term["answer"], origin.answers[term["answer"]], _values(term, recent)) for term in model.terms]
    outputs = np.array([np.nan if case.probability is None else case.probability for case in ours], dtype=np.float64)
    # An output is missing because an input is: that is told there.
    drifts.append(replace(_drift(OUTPUT, origin.probability, outputs), p_unknown=None))
    agreement = _agreement(ours, with_p=True)
    single = [p for drift in drifts for p in (drift.p, drift.p_unknown)] + [agreement.p]
    adjusted = iter(_adjusted(single))
    drifts = [replace(drift, p=next(adjusted), p_unknown=next(adjusted)) for drift in drifts]
    agreement = replace(agreement, p=next(adjusted))
    all_ours = [case for case in cases if case.model == model.content["id"]]
    return Monitoring(
        model=name_of(model),
        graded=len(recent),
        other_models=len(recent) - len(ours),
        drifts=tuple(drifts),
        recent=agreement,
        quarters=tuple(_agreement(part) for part in _by_quarter(all_ours)),
        alerts=_alerts(drifts, agreement),
    )


def _recent(cases: Sequence[SeenCase]) -> list[SeenCase]:
    days = [case.day for case in cases if case.day is not None]
    since = max(days) - timedelta(RECENT_DAYS) if days else date.min
    ordered = sorted(cases, key=lambda case: case.day or date.min)
    return [case for case in ordered if case.day is None or case.day > since][-RECENT_CASES:]


def _adjusted(single: Sequence[float | None]) -> list[float | None]:
    found = iter(holm(np.array([p for p in single if p is not None])))
    return [None if p is None else float(next(found)) for p in single]


def _values(term: Mapping[str, Any], cases: Sequence[SeenCase]) -> FloatArray | list[str | None]:
    given = [case.answers.get(term["answer"]) for case in cases]
    if term["kind"] == "number":
        return np.array([np.nan if value is None else float(value) for value in given], dtype=np.float64)
    aliases = term.get("aliases", {})
    return [value if value is None else aliases.get(value, value) for value in given]


def _drift(of: str, kept: Distribution, values: FloatArray | list[str | None]) -> Drift:
    """With p of each check alone; that of being unknown asks for more than in the table: less is no harm."""
    before, now, unknown = kept.count(values)
    known, of_table = int(now.sum()), int(before.sum())
    index = distance = p = p_unknown = None
    if known >= LEAST_CASES:
        if kept.levels:
            index, (_, p) = stability_index(before, now), homogeneity(before, now)
        else:
            # The index is read on tenths as a rule; the distance takes the finer bins.
            index = stability_index(*(np.add.reduceat(counts, np.arange(0, len(counts), 2)) for counts in (before, now)))
            distance, p = kolmogorov_smirnov(before, now)
    if len(values) >= LEAST_CASES:
        p_unknown = more_often(kept.unknown, of_table + kept.unknown, unknown, len(values))
    share = unknown / len(values) if len(values) else 0.0
    return Drift(of, known, share, kept.unknown / (of_table + kept.unknown), index, distance, p, p_unknown)


def _agreement(cases: Sequence[SeenCase], with_p: bool = False) -> Agreement:
    """with_p: the p of slope 1 and intercept 0 besides."""
    days = [case.day for case in cases if case.day is not None]
    both = [(case.probability, case.ruptured) for case in cases if case.probability is not None and case.ruptured is not None]
    chance, truth = np.array([pair[0] for pair in both], np.float64), np.array([pair[1] for pair in both], dtype=bool)
    enough = min(int(truth.sum()), int((~truth).sum())) >= LEAST_OF_A_CLASS
    found = calibration(truth, chance) if enough else None
    return Agreement(
        first=min(days, default=None),
        last=max(days, default=None),
        graded=len(cases),
        cases=len(both),
        observed=int(truth.sum()),
        expected=float(chance.sum()),
        brier=float(np.mean((chance - truth) ** 2)) if both else None,
        slope=found.slope if found else None,
        intercept=found.intercept if found else None,
        p=miscalibration(truth, chance) if found and with_p else None,
    )


def _by_quarter(cases: Sequence[SeenCase]) -> list[list[SeenCase]]:
    quarters: dict[tuple[int, int], list[SeenCase]] = {}
    for case in cases:
        if case.day is not None:
            quarters.setdefault((case.day.year, (case.day.month - 1) // 3), []).append(case)
    return [quarters[key] for key in sorted(quarters)]


def _alerts(drifts: Sequence[Drift], recent: Agreement) -> tuple[Alert, ...]:
    found = []
    for drift in drifts:
        if drift.p is not None and drift.p < FALSE_ALARMS and drift.index is not None and drift.index >= LEAST_INDEX:
            found.append(Alert("distribution", drift.of))
        if drift.p_unknown is not None and drift.p_unknown < FALSE_ALARMS and drift.unknown - drift.unknown_kept >= LEAST_RISE:
            found.append(Alert("unknown", drift.of))
    if recent.p is not None and recent.p < FALSE_ALARMS:
        found.append(Alert("calibration", OUTPUT))
    return tuple(found)
