"""How alike repeated measurements are, against how unlike the measured are."""

from __future__ import annotations

import numpy as np
from scipy.stats import f

from aneuflow.types import FloatArray


def intraclass_correlation(scores: FloatArray) -> tuple[float, float, float]:
    """ICC(1,1) of scores (n targets, k repeats) with its 95 % interval: one-way random effects, a single score, agreement.

    One-way, as each target has repeats of its own: the first repeat of one has nothing to do with the first of another.
    nan where all scores are alike. Source: Shrout and Fleiss, Psychological Bulletin 1979.
    """
    n, k = scores.shape
    means = scores.mean(axis=1)
    between = k * float(((means - means.mean()) ** 2).sum()) / (n - 1)
    within = float(((scores - means[:, None]) ** 2).sum()) / (n * (k - 1))
    # What is left of equal scores by rounding is no difference between targets.
    if between + within <= (1e-12 * float(np.abs(scores).max())) ** 2:
        return float("nan"), float("nan"), float("nan")
    if within == 0.0:
        return 1.0, 1.0, 1.0
    ratio = between / within
    low = ratio / float(f.ppf(0.975, n - 1, n * (k - 1)))
    high = ratio * float(f.ppf(0.975, n * (k - 1), n - 1))
    value, low, high = ((r - 1.0) / (r + k - 1.0) for r in (ratio, low, high))
    return value, low, high
