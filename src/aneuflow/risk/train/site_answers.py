"""What a site answers when it trains together with others: its patients stay, sums go, and some questions are refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from aneuflow.errors import InputError, MethodError
from aneuflow.numerics.averaging import Question
from aneuflow.risk.train.sums import (
    SiteParts,
    StudyPlan,
    Sums,
    all_known,
    bounded,
    count_sums,
    is_worse,
    log_losses,
    moment_sums,
    outcome_counts,
    predictions,
    step_sums,
)
from aneuflow.risk.train.together import fit_together
from aneuflow.types import FloatArray

# The last array of these answers is the site's vote: [1 where it is against, 1].
VOTED = ("step", "outcomes")


def answer(parts: SiteParts, plan: StudyPlan, question: Question) -> Sums:
    """The site's sums for a question, within the question's bound. Raises InputError where it is none of the four known."""
    told = json.loads(question.content)
    if question.kind == "counts":
        sums = count_sums(parts.training, plan)
    elif question.kind == "moments":
        sums = moment_sums(parts.training, told["terms"], told["cases"])
    elif question.kind == "step":
        accepted, candidate = (np.asarray(told[name]) for name in ("accepted", "candidate"))
        sums = step_sums(parts, told["terms"], accepted, candidate, told["cases"])
    elif question.kind == "outcomes":
        sums = _outcomes(parts, plan, told)
    else:
        raise InputError(f"The server asks for {question.kind!r}, which no site gives; compare its version with this one.")
    return bounded(sums, question.bound)


def _outcomes(parts: SiteParts, plan: StudyPlan, told: Mapping[str, Any]) -> Sums:
    """Held-out patients by probability, those trained on with all answers known, and the vote against the site's own model."""
    coefficients = np.asarray(told["coefficients"])
    counts = outcome_counts(parts.held_out, predictions(parts.held_out, told["terms"], coefficients))
    known = parts.training.rows(all_known(parts.training, told["terms"]))
    probabilities = outcome_counts(known, predictions(known, told["terms"], coefficients)).sum(axis=0)
    worse = is_worse(log_losses(parts.locked, told["terms"], coefficients) - alone_losses(parts, plan))
    return [counts, probabilities, np.array([float(worse), 1.0])]


def alone_losses(parts: SiteParts, plan: StudyPlan) -> FloatArray:
    """(n,) log-losses of the locked patients by the site's own model, or by its share of ruptured ones if it has none."""
    try:
        fit = fit_together(lambda question: answer(parts, plan, question), plan)
    except MethodError:
        share = float(parts.training.ruptured.mean())
        return np.asarray(-np.log(np.where(parts.locked.ruptured, share, 1.0 - share)))
    return log_losses(parts.locked, list(fit.terms), fit.coefficients)
