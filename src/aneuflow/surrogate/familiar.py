"""How like the vessels of the training a vessel is, from a summary of what the networks are given of its wall.

The summaries of training and validation cases are taken as normally distributed, with few directions of their own variances
and the rest alike (probabilistic principal components, Tipping and Bishop 1999). From how far vessels lie that were left out,
patient by patient, follows the distance within which a new patient's would lie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aneuflow.surrogate.calibrate import Arrays, outside, pooled_quantile
from aneuflow.surrogate.train.plan import fold_of
from aneuflow.types import FloatArray

FAMILIAR = 0.95  # of the cases of new patients are to be answered
_EXPLAINED = 0.9  # of the variance, by directions of their own
_FOLDS = 10
_ACROSS = 1


def summary_of(case: Arrays) -> FloatArray:
    """Mean and standard deviation over artery and sac of each number of the wall's points, and the vessel's scalars (k,).

    The same for a vessel and its mirror image. case: `points.prepare`'s, with a sac.
    """
    vectors = case["wall_vectors"].astype(np.float64)
    vectors[..., _ACROSS] = np.abs(vectors[..., _ACROSS])
    columns = np.column_stack([vectors.reshape(len(vectors), -1), case["wall_scalars"][:, 1:]])
    made = []
    for region in (0, 1):
        mine = case["region"] == region
        weight = case["area"][mine] / case["area"][mine].sum()
        mean = weight @ columns[mine]
        made += [mean, np.sqrt(weight @ (columns[mine] - mean) ** 2)]
    return np.concatenate([*made, case["scalars"].astype(np.float64)])


def familiar_of(summaries: FloatArray, patients: Sequence[str]) -> dict[str, Any]:
    """The distribution of summaries (cases, k) and the distance that declines: `within` for 95 % of new patients' cases."""
    fold = fold_of(patients, min(_FOLDS, len(set(patients))))
    number = np.array([fold[patient] for patient in patients])
    found = np.zeros(len(summaries))
    for left_out in sorted(set(fold.values())):
        rest = _distribution(summaries[number != left_out])
        found[number == left_out] = [distance(rest, summary) for summary in summaries[number == left_out]]
    within, _ = pooled_quantile(found.tolist(), patients, FAMILIAR)
    return {**{name: values.tolist() for name, values in _distribution(summaries).items()}, "within": within}


def unlike_training(card: Mapping[str, Any], case: Arrays) -> tuple[str, float, float, float] | None:
    """What of a case is outside of what a card's networks were trained on: `calibrate.outside`, or ("unfamiliar", its distance,
    0, that within which it would be answered); None where nothing is. A card of before this was known has no distribution.
    """
    if (found := outside(card["limits"], case["scalars"].astype(np.float64))) is not None or "familiar" not in card:
        return found
    away, within = distance(card["familiar"], summary_of(case)), float(card["familiar"]["within"])
    return ("unfamiliar", away, 0.0, within) if away > within else None


def distance(familiar: Mapping[str, Any], summary: FloatArray) -> float:
    """How far a summary (k,) lies from the mean, in standard deviations of the directions, root mean square over all.

    What is not known is taken as what the rest makes most likely, so it adds nothing.
    """
    turn, rest = np.asarray(familiar["turn"]), float(familiar["rest"])
    own = turn.T @ (turn / np.asarray(familiar["variance"])[:, None])
    precision = own + (np.eye(len(summary)) - turn.T @ turn) / rest
    standard = (summary - np.asarray(familiar["mean"])) / np.asarray(familiar["spread"])
    unknown = ~np.isfinite(standard)
    standard[unknown] = 0.0
    standard[unknown] = -np.linalg.solve(precision[np.ix_(unknown, unknown)], precision[unknown] @ standard)
    return float(np.sqrt(standard @ precision @ standard / len(standard)))


def _distribution(summaries: FloatArray) -> dict[str, FloatArray]:
    """mean, spread (k,), turn (q, k) and variance (q,) of the directions of their own, rest: the variance of each other one."""
    mean = np.nanmean(summaries, axis=0)
    known = np.where(np.isfinite(summaries), summaries, mean)
    spread = np.maximum(known.std(axis=0), 1e-3)
    _, size, turn = np.linalg.svd((known - mean) / spread, full_matrices=False)
    variance = size**2 / len(known)
    count = int(np.searchsorted(np.cumsum(variance) / variance.sum(), _EXPLAINED)) + 1
    count = min(count, len(mean) - 1)
    rest = max(float(variance[count:].sum()) / (len(mean) - count), 1e-3)
    return {"mean": mean, "spread": spread, "turn": turn[:count], "variance": variance[:count], "rest": np.array(rest)}
