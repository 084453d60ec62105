"""How well probabilities tell two classes apart and how far they can be believed: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aneuflow.types import FloatArray

BoolArray = npt.NDArray[np.bool_]
CLIP = 1e-6


@dataclass(frozen=True)
class Calibration:
    """slope and intercept of the outcome's log-odds on the predicted ones; ece: expected calibration error in [0, 1].

    curve (k, 3): mean prediction, observed share and count in each of k bins of equal count.
    """

    slope: float
    intercept: float
    ece: float
    brier: float
    curve: FloatArray


def auc(truth: BoolArray, score: FloatArray) -> float:
    """Area under the ROC curve, ties counted half; nan where only one class is there. Source: Hanley and McNeil 1982."""
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    from scipy.stats import rankdata  # slow to load, and few commands need it

    ranks = rankdata(score)
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def sensitivity_at(truth: BoolArray, score: FloatArray, specificity: float) -> float:
    """Largest sensitivity of a threshold with at least this specificity, both in [0, 1]."""
    thresholds = np.sort(score[~truth])
    index = int(np.ceil(specificity * len(thresholds) - 1e-9))
    limit = thresholds[index - 1] if index else -np.inf
    return float(np.mean(score[truth] > limit))


def specificity_at(truth: BoolArray, score: FloatArray, sensitivity: float) -> float:
    """Largest specificity of a threshold with at least this sensitivity, both in [0, 1]."""
    return sensitivity_at(~truth, -score, sensitivity)


def calibration(truth: BoolArray, probability: FloatArray, bins: int = 10) -> Calibration:
    """Calibration of probabilities (n,) in [0, 1]. Sources: Cox 1958 (slope, intercept); Brier 1950; Naeini 2015 (ECE)."""
    clipped = np.clip(probability, CLIP, 1 - CLIP)
    slope, intercept = _logistic_line(np.log(clipped / (1 - clipped)), truth)
    parts = np.array_split(np.argsort(probability, kind="stable"), bins)
    curve = np.array([[probability[part].mean(), truth[part].mean(), len(part)] for part in parts if len(part)])
    ece = float(np.sum(curve[:, 2] * np.abs(curve[:, 0] - curve[:, 1])) / len(truth))
    return Calibration(slope, intercept, ece, float(np.mean((probability - truth) ** 2)), curve)


def miscalibration(truth: BoolArray, probability: FloatArray) -> float:
    """p of the hypothesis that slope is 1 and intercept 0, by the likelihood ratio with two degrees of freedom.

    Source: Cox 1958; Miller et al. 1991.
    """
    from scipy.stats import chi2

    clipped = np.clip(probability, CLIP, 1 - CLIP)
    logit = np.log(clipped / (1 - clipped))
    slope, intercept = _logistic_line(logit, truth)
    gain = _log_likelihood(slope * logit + intercept, truth) - _log_likelihood(logit, truth)
    return float(chi2.sf(2 * max(gain, 0.0), 2))


def _log_likelihood(logit: FloatArray, truth: BoolArray) -> float:
    return float(-np.logaddexp(0.0, np.where(truth, -logit, logit)).sum())


def _logistic_line(x: FloatArray, truth: BoolArray) -> tuple[float, float]:
    """Slope and intercept of a logistic regression on one variable, by Newton's method."""
    design = np.column_stack([x, np.ones_like(x)])
    beta = np.array([1.0, 0.0])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        hessian = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, design.T @ (truth - p))
        beta = beta + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-10:
            break
    return float(beta[0]), float(beta[1])


def net_benefit(truth: BoolArray, probability: FloatArray, thresholds: FloatArray) -> FloatArray:
    """(k, 2) net benefit of acting on the probability and of acting on everyone, at each threshold. Source: Vickers 2006."""
    odds = thresholds / (1 - thresholds)
    act = probability[None, :] >= thresholds[:, None]
    model = (act & truth).mean(axis=1) - (act & ~truth).mean(axis=1) * odds
    return np.column_stack([model, truth.mean() - (1 - truth.mean()) * odds])


def bootstrap_interval(
    statistic: Callable[[npt.NDArray[np.intp]], float], groups: npt.NDArray[np.intp], samples: int, seed: int
) -> tuple[float, float]:
    """95 % percentile interval of statistic(rows) when whole groups (patients) are drawn with replacement."""
    generator = np.random.default_rng(seed)
    order = np.argsort(groups, kind="stable")
    rows = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    found = []
    for _ in range(samples):
        drawn = generator.integers(len(rows), size=len(rows))
        found.append(statistic(np.concatenate([rows[index] for index in drawn])))
    low, high = np.nanpercentile(found, (2.5, 97.5))
    return float(low), float(high)
