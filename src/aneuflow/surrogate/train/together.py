"""The last layers of the surrogate's networks tuned across sites: the mean of their own tunings, and what is refused.

Only sums over all sites are seen here. Rubbish is kept out by what no sum of sites can be, and by the sites themselves, each
voting on its locked cases: on every mean against the last one, and at the end against the networks as they were. Needs neither
torch nor cases.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aneuflow.errors import MethodError
from aneuflow.numerics.averaging import Ask, Question, Weights, agreed_steps, impossible_update, mean_step, outvoted
from aneuflow.surrogate.train.plan import TuningPlan
from aneuflow.types import FloatArray

# In one round no head moves by more than this in all.
LONGEST_UPDATE = 1.0
# A site finds heads worse where the wall shear of its locked cases is off by this much more, relative to before.
WORSE = 0.02
MOST_CASES = 1e6
SETTLED = 1e-5
BINS = 200
# Scores of `calibrate.scores`, and what the sac's mean wall shear is off: the first bin begins at 0, the last has no end.
EDGES = np.concatenate([[0.0], np.geomspace(0.001, 1000.0, BINS)])
_ROUNDING = 1e-3


@dataclass(frozen=True)
class Tuned:
    """Heads (networks, weights) that every site accepted; cases (3, 2): cases and patients trained on, locked and held out.

    scores (kinds, names, BINS): held-out patients by the scores of their cases, those of one sharing a weight; errors
    (2, kinds, BINS): held-out cases by what the sac's mean wall shear is off, before and after; steps: what became of each.
    """

    heads: FloatArray
    cases: FloatArray
    scores: FloatArray
    errors: FloatArray
    steps: tuple[str, ...]


def tune_together(ask: Ask, plan: TuningPlan, start: FloatArray) -> Tuned:
    """The heads of all sites' cases from those of the networks as they are, `start` (networks, weights), judged by the sites.

    Raises MethodError where sums are impossible, where no heads were accepted, and where a site is better off without them.
    """
    counts = np.round(_possible(ask, Question("cases", "{}", MOST_CASES), impossible_cases)[0])
    last = (0.0, 0.0)

    def step(accepted: Weights, candidate: Weights) -> tuple[str, Weights]:
        nonlocal last
        told = {"accepted": accepted[0].tolist(), "candidate": candidate[0].tolist(), "cases": int(counts[0, 0])}
        share, updates, votes = ask(Question("heads", json.dumps(told), max(LONGEST_UPDATE, 1.0)))
        if refused := impossible_updates(share, updates) or outvoted(votes):
            return refused, candidate
        # A site that leaves takes its share along; one that stays has the same cases in every round.
        if votes[1] == last[1] and abs(float(share[0]) - last[0]) > _ROUNDING:
            return f"the share of the cases changes from {last[0]:.3g} to {share[0]:.3g}, though no site has left", candidate
        last = (float(share[0]), float(votes[1]))
        return "", mean_step(candidate, [share, updates])

    (heads,), steps = agreed_steps(step, [start], plan.rounds + 1, SETTLED)
    if np.array_equal(heads, start):
        raise MethodError(f"No head was accepted by all sites ({'; '.join(steps)}); find the site that sends what is refused.")
    told = Question("scores", json.dumps({"heads": heads.tolist()}), float(counts[2, 0]) + 1.0)
    scores, errors, votes = _possible(ask, told, lambda sums: impossible_scores(sums, counts))
    if refused := outvoted(votes):
        raise MethodError(f"The networks are not released: {refused} than the networks as they were.")
    return Tuned(heads, counts, np.maximum(scores, 0.0), np.maximum(np.round(errors), 0.0), tuple(steps))


def _possible(ask: Ask, question: Question, impossible: Callable[[Weights], str]) -> Weights:
    """Sums that can be true; a second try is made of the same sites, since a fault of one moment may be over."""
    for _ in range(2):
        sums = ask(question)
        why = impossible(sums)
        if not why:
            return sums
    raise MethodError(f"The sites' {question.kind} cannot be sums of cases: {why}; find the site that sends them.")


def impossible_cases(sums: Weights) -> str:
    """Why these can be no numbers of cases and patients; empty where they can."""
    (counts,) = sums
    if not np.isfinite(counts).all() or np.abs(counts - np.round(counts)).max() > 0.2:
        return "a count is no whole number"
    if not ((counts[:, 0] + 0.5 > counts[:, 1]) & (counts[:, 1] > 0.5)).all() or counts.max() > MOST_CASES:
        return "; ".join(f"{cases:.0f} cases of {patients:.0f} patients" for cases, patients in counts)
    return ""


def impossible_updates(share: FloatArray, updates: FloatArray) -> str:
    """Why these can be no sums of updates, one a network; empty where they can."""
    return next((why for update in updates if (why := impossible_update([share, update], LONGEST_UPDATE))), "")


def impossible_scores(sums: Weights, counts: FloatArray) -> str:
    """Why these can be no held-out patients by score and cases by error; empty where they can."""
    scores, errors = sums[:2]
    if not all(np.isfinite(array).all() and array.min() > -_ROUNDING for array in (scores, errors)):
        return "a count is negative or no finite number"
    patients, cases = scores.sum(axis=2), errors.sum(axis=2)
    if np.abs(patients - np.round(patients)).max() > 0.2 or patients.max() > counts[2, 1] + 0.2:
        return f"{patients.max():.3g} patients with a score, of {counts[2, 1]:.0f} held out"
    if np.ptp(cases) > 0.2 or not 0.5 < cases.max() < counts[2, 0] + 0.2:
        return f"{cases.max():.3g} cases with an error, of {counts[2, 0]:.0f} held out"
    return ""
