"""A model of resemblance from sums over several sites: terms, Newton's steps, and what is refused on the way.

Only sums over all sites are seen here, so one site's rubbish cannot be told from its numbers. It is kept out by what no sum of
patients can be (`impossible_...`), by the largest coefficient, and by the sites themselves, each voting on its locked patients:
on every step against the last model, and at the end against the model that the site would have made alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aneuflow.errors import MethodError
from aneuflow.numerics.averaging import Ask, Question, Weights, agreed_steps, outvoted
from aneuflow.risk.train.models import KNOTS_FROM, LOGARITHMIC
from aneuflow.risk.train.sums import MOST_CASES, StudyPlan, Sums, column_span, step_reach
from aneuflow.types import FloatArray

LEAST_CASES = 40
# A column has mean 0 and spread 1: a coefficient beyond this would be odds of e^6 for one spread, more than any answer has.
LARGEST_COEFFICIENT = 6.0
# How far the change of the gradient may lie from what the curvature says, in parts of that. Honest steps (70 to 1,245 patients)
# miss it by 8 % at most; where one site of three sends its gradient doubled, the first ones miss it by 28 to 74 %.
LARGEST_MISS = 0.1
CONVERGED = 1e-3
MOST_STEPS = 15
# Sums are quantized on their way; what is impossible by less than this, or by so much of the largest entry, is not.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Fit:
    """Coefficients (base first) on `terms`, their curvature of the log-likelihood, divided by the cases; all sites' counts as
    `count_sums` gives them; what became of each step.
    """

    terms: tuple[dict[str, Any], ...]
    coefficients: FloatArray
    curvature: FloatArray
    counts: Sums
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Learned:
    """A fit that every site accepted; `outcomes` (2, bins): held-out patients, unruptured and ruptured, by probability;
    `probabilities` (bins,): those trained on, where all answers of the model are known.
    """

    fit: Fit
    outcomes: FloatArray
    probabilities: FloatArray


def learn_together(ask: Ask, plan: StudyPlan) -> Learned:
    """The model of all sites' patients, judged by the sites. Raises MethodError where one of them does better alone."""
    fit = fit_together(ask, plan)
    told = {"terms": fit.terms, "coefficients": fit.coefficients.tolist()}
    outcomes, probabilities, votes = ask(Question("outcomes", json.dumps(told), MOST_CASES))
    if refused := outvoted(votes):
        raise MethodError(f"The model is not released: {refused} than a model of their own patients alone.")
    if why := impossible_outcomes([outcomes, probabilities], fit.counts[0][0]):
        raise MethodError(f"The sites' outcomes cannot be sums of patients: {why}; find the site that sends them.")
    return Learned(fit, np.round(np.abs(outcomes)), np.round(np.abs(probabilities)))


def fit_together(ask: Ask, plan: StudyPlan) -> Fit:
    """The penalized additive logistic regression of all sites' patients, from sums alone.

    Steps are agreed on as `agreed_steps` says: the last model that every site accepted stands. Raises
    MethodError where counts or spreads are impossible, and where nothing better than the share of ruptured ones was accepted.
    """
    counts = [np.round(array) for array in _asked_twice(ask, Question("counts", "{}", MOST_CASES), plan, [])]
    cases, ruptured, _ = counts[0]
    terms = terms_from_counts(counts, plan)
    told = {"terms": terms, "cases": cases}
    terms = with_moments(terms, _asked_twice(ask, Question("moments", json.dumps(told), 1.0), plan, terms))
    coefficients, curvature, steps = _newton(ask, terms, cases, ruptured, plan.penalty)
    return Fit(tuple(terms), coefficients, curvature, counts, tuple(steps))


def _asked_twice(ask: Ask, question: Question, plan: StudyPlan, terms: Sequence[Mapping[str, Any]]) -> Sums:
    """Counts or moments that can be true; a second try is made of the same sites, since a fault of one moment may be over."""
    for _ in range(2):
        sums = ask(question)
        why = impossible_counts(sums, plan) if question.kind == "counts" else impossible_moments(sums, terms)
        if not why:
            return sums
    raise MethodError(f"The sites' {question.kind} cannot be sums of patients: {why}; find the site that sends them.")


def _newton(
    ask: Ask, terms: list[dict[str, Any]], cases: float, ruptured: float, penalty: float
) -> tuple[FloatArray, FloatArray, list[str]]:
    """The accepted coefficients (base first), the curvature there, divided by the cases, and what became of each step."""
    bound = step_reach(terms)
    start = np.zeros(1 + sum(len(term["center"]) for term in terms))
    start[0] = np.log(ruptured / (cases - ruptured))
    curvature = np.zeros((len(start), len(start)))
    last: tuple[FloatArray, Sums] | None = None

    def step(accepted: Weights, candidate: Weights) -> tuple[str, Weights]:
        nonlocal curvature, last
        told = {"terms": terms, "accepted": accepted[0].tolist(), "candidate": candidate[0].tolist(), "cases": cases}
        sums = ask(Question("step", json.dumps(told), bound))
        if refused := impossible_step(sums, bound) or outvoted(sums[-1]):
            return refused, candidate
        if last is not None and (refused := contradiction(last[1], sums, candidate[0] - last[0], bound)):
            return refused, candidate
        following = newton_step(sums, candidate[0], penalty, cases)
        if refused := too_far(following):
            return refused, candidate
        curvature, last = sums[2], (candidate[0], sums)
        return "", [following]

    steps: list[str] = []
    for _ in range(2):
        # A false answer at the start is told by those that follow; a second try, since a fault of one moment may be over.
        (coefficients,), tried = agreed_steps(step, [start], MOST_STEPS, CONVERGED)
        steps, last = [*steps, *tried], None
        if not np.array_equal(coefficients, start):
            break
    else:
        raise MethodError(f"No model was accepted by all sites ({'; '.join(steps)}); find the site that sends what is refused.")
    return coefficients, curvature, steps


def terms_from_counts(counts: Sums, plan: StudyPlan) -> list[dict[str, Any]]:
    """The terms that all sites' patients support, with transform, knots, range, possible values and shares of levels."""
    terms: list[dict[str, Any]] = []
    found = dict(zip([*plan.numbers, *plan.levels], counts[1:], strict=True))
    for name in plan.numbers:
        known, edges = found[name][:-1], plan.edges(name)
        if np.count_nonzero(known) < 3:
            continue
        logarithmic = name.endswith(LOGARITHMIC) and edges[0] > 0
        knots = np.round(quantiles(known, edges, [0.35, 0.7]), 1).tolist() if counts[0][0] >= KNOTS_FROM else []
        terms.append(
            {"answer": name, "kind": "number", "transform": "log" if logarithmic else "none", "knots": knots,
             "range": quantiles(known, edges, [0.005, 0.995]).tolist(),
             "possible": quantiles(known, edges, np.linspace(0.05, 0.95, 7)).tolist()}
        )  # fmt: skip
    for name, allowed in plan.levels.items():
        shares = {level: count / found[name][:-1].sum() for level, count in zip(allowed, found[name], strict=False) if count}
        if len(shares) > 1:
            terms.append(
                {"answer": name, "kind": "level", "levels": {level: {"share": share} for level, share in shares.items()},
                 "center": list(shares.values()), "scale": [1.0] * len(shares)}
            )  # fmt: skip
    return terms


def quantiles(counts: FloatArray, edges: FloatArray, parts: Sequence[float] | FloatArray) -> FloatArray:
    """Quantiles of a histogram, linear within a bin."""
    return np.asarray(np.interp(parts, np.append(0.0, np.cumsum(counts)) / counts.sum(), edges))


def with_moments(terms: Sequence[dict[str, Any]], sums: Sums) -> list[dict[str, Any]]:
    """The terms with center and scale of the numbers' columns."""
    numbers, found = iter(sums), []
    for term in terms:
        if term["kind"] == "number":
            share, first, second = next(numbers)
            middle, half = column_span(term)
            mean = first / share
            scale = half * np.sqrt(np.maximum(second / share - mean**2, 1e-12))
            term = {**term, "center": (middle + half * mean).tolist(), "scale": scale.tolist()}
        found.append(term)
    return found


def newton_step(sums: Sums, coefficients: FloatArray, penalty: float, cases: float) -> FloatArray:
    """The next coefficients: the maximum of the penalized log-likelihood's parabola; the base is not penalized."""
    ridge = np.append(0.0, np.full(len(coefficients) - 1, 1.0 / (penalty * cases)))
    return np.asarray(coefficients + np.linalg.solve(sums[2] + np.diag(ridge), sums[1] - ridge * coefficients))


def covariance_of(curvature: FloatArray, penalty: float) -> FloatArray:
    """(k, k) covariance of the coefficients without the base, from the curvature of all cases (penalized sandwich)."""
    inverse = np.linalg.inv(curvature + np.diag(np.append(0.0, np.full(len(curvature) - 1, 1.0 / penalty))))
    return np.asarray(inverse @ curvature @ inverse)[1:, 1:]


def impossible_counts(sums: Sums, plan: StudyPlan) -> str:
    """Why these can be no counts of patients; empty where they can."""
    if not all(np.isfinite(array).all() for array in sums):
        return "a count is no finite number"
    cases, ruptured, patients = np.round(sums[0])
    if not all(_whole(array) for array in sums):
        return "a count is negative or no whole number"
    if not (LEAST_CASES <= cases <= MOST_CASES and 0 < ruptured < cases and 0 < patients <= cases):
        return f"{cases:.0f} cases, {ruptured:.0f} ruptured, {patients:.0f} patients"
    for name, array in zip([*plan.numbers, *plan.levels], sums[1:], strict=True):
        if abs(array.sum() - cases) > 0.5:
            return f"{name} is counted {array.sum():.0f} times in {cases:.0f} cases"
    return ""


def impossible_outcomes(sums: Sums, cases: float) -> str:
    """Why these can be no counts by probability of `outcomes` (a part of the patients each); empty where they can."""
    if not all(np.isfinite(array).all() and _whole(array) for array in sums):
        return "a count is negative or no whole number"
    held_out, known = (array.sum() for array in sums)
    # A fifth of the patients is held out and three fifths are trained on, rounded at each site; those of a site may be missing.
    if not (0 < held_out <= cases and known <= cases + 0.5 and (sums[0].sum(axis=1) > 0).all()):
        return f"{held_out:.0f} patients held out and {known:.0f} with all answers, of {cases:.0f} trained on"
    return ""


def _whole(array: FloatArray) -> bool:
    """Whether the numbers are counts, but for what they lost by being quantized on their way."""
    return bool(np.abs(array - np.round(array)).max() < 0.2 and array.min() > -0.2)


def impossible_moments(sums: Sums, terms: Sequence[Mapping[str, Any]]) -> str:
    """Why these can be no sums of columns that lie between -1 and 1; empty where they can."""
    names = [str(term["answer"]) for term in terms if term["kind"] == "number"]
    for name, array in zip(names, sums, strict=True):
        share, first, second = array
        fits = np.isfinite(array).all() and (share > 0).all() and (share <= 1 + ROUNDING).all()
        # No mean square is over 1, and by Cauchy and Schwarz none is under the square of the mean.
        if not fits or (second > share + ROUNDING).any() or (first**2 > share * second + ROUNDING).any():
            return f"mean and spread of {name} contradict each other"
    return ""


def impossible_step(sums: Sums, bound: float) -> str:
    """Why these can be no gradient and curvature of a log-likelihood; empty where they can."""
    (share,), gradient, curvature = sums[:3]
    if not all(np.isfinite(array).all() for array in sums):
        return "a sum is no finite number"
    if not 0 < share <= 1 + ROUNDING * bound:
        return f"a share of {share:.3g} of the cases"
    slack = ROUNDING * bound
    # A row's chance p gives at most |x| to the gradient and x x / 4 to the curvature; the base's column is 1.
    if np.abs(gradient).max() > bound**0.5 * share + slack or abs(gradient[0]) > share + slack:
        return f"a gradient of {np.abs(gradient).max():.3g} is longer than any patients can make it"
    if np.abs(curvature).max() > bound * share / 4 + slack or not 0 < curvature[0, 0] <= share / 4 + slack:
        return f"a curvature of {np.abs(curvature).max():.3g} is larger than any patients can make it"
    if np.abs(curvature - curvature.T).max() > slack or np.linalg.eigvalsh(curvature)[0] < -slack * len(curvature):
        return "the curvature is not that of a log-likelihood (negative in a direction)"
    return ""


def contradiction(before: Sums, after: Sums, moved: FloatArray, bound: float) -> str:
    """Why two steps' sums cannot be of the same patients, at coefficients that lie `moved` (k,) apart; empty where they can.

    On the way from one to the other the gradient falls by the curvature times the way, here by the mean of both curvatures
    (trapezoidal rule). Where a site has left in between, nothing is said.
    """
    if after[-1][1] < before[-1][1]:
        return ""
    if abs(float(after[0][0] - before[0][0])) > ROUNDING * bound:
        return f"the share of the cases changes from {before[0][0]:.3g} to {after[0][0]:.3g}, though no site has left"
    due = (before[2] + after[2]) @ moved / 2
    missed, length = (float(np.linalg.norm(vector)) for vector in (before[1] - after[1] - due, due))
    if missed > LARGEST_MISS * length + ROUNDING * bound:
        return f"the gradient changes by {missed / length:.0%} of what the curvature says otherwise than it says"
    return ""


def too_far(coefficients: FloatArray) -> str:
    """Why coefficients cannot be believed; empty where they can."""
    largest = float(np.abs(coefficients).max())
    return "" if largest <= LARGEST_COEFFICIENT else f"it leads to a coefficient of {largest:.3g}"
