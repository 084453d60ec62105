"""Whether counts of today come from the distribution of counts that were kept: arrays in, numbers out."""

from __future__ import annotations

import numpy as np

from aneuflow.types import FloatArray

# An empty bin would make the index infinite: it is taken as half a case.
HALF_A_CASE = 0.5
# Under this many expected cases a level is judged together with the other rare ones (Cochran 1954).
LEAST_EXPECTED = 5.0


def stability_index(kept: FloatArray, found: FloatArray) -> float:
    """Population stability index of counts (k,) found against counts (k,) kept: sum of (q - p) ln(q / p) over their shares.

    Without drift its mean is (k - 1)(1/n + 1/m) for n and m cases (Yurdakul 2018). Source: Siddiqi 2006.
    """
    p, q = (np.maximum(counts, HALF_A_CASE) for counts in (kept, found))
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((q - p) * np.log(q / p)))


def kolmogorov_smirnov(kept: FloatArray, found: FloatArray) -> tuple[float, float]:
    """Largest distance of the two cumulative shares over ordered bins, and the two-sided p of two samples so far apart.

    Within bins nothing is compared, so p is on the safe side (Conover 1972). Source: Smirnov 1939; p by the one-sample law at
    n m / (n + m) cases.
    """
    from scipy.stats import kstwo  # slow to load, and few commands need it

    n, m = kept.sum(), found.sum()
    distance = float(np.abs(np.cumsum(kept) / n - np.cumsum(found) / m).max())
    return distance, float(kstwo.sf(distance, round(n * m / (n + m))))


def homogeneity(kept: FloatArray, found: FloatArray) -> tuple[float, float]:
    """Pearson's chi-squared of two rows of counts (k,) over unordered levels, and its p; rare levels are put together.

    Where no two levels remain, (0, 1). Source: Pearson 1900; the pooling Cochran 1954.
    """
    from scipy.stats import chi2

    both = np.array([kept, found], dtype=np.float64)
    expected = _expected(both)
    rare = expected.min(axis=0) < LEAST_EXPECTED
    if rare.any():
        both = np.column_stack([both[:, ~rare], both[:, rare].sum(axis=1)])
        both = both[:, both.sum(axis=0) > 0]
        expected = _expected(both)
    if both.shape[1] < 2:
        return 0.0, 1.0
    statistic = float(np.sum((both - expected) ** 2 / expected))
    return statistic, float(chi2.sf(statistic, both.shape[1] - 1))


def _expected(both: FloatArray) -> FloatArray:
    return np.asarray(np.outer(both.sum(axis=1), both.sum(axis=0)) / both.sum())


def more_often(kept: int, kept_of: int, found: int, found_of: int) -> float:
    """One-sided p of `found` or more among `found_of` cases where `kept` of `kept_of` had it. Source: Fisher 1934."""
    from scipy.stats import hypergeom

    return float(hypergeom.sf(found - 1, kept_of + found_of, kept + found, found_of))


def holm(p: FloatArray) -> FloatArray:
    """(k,) p of many tests, adjusted so that under any limit one false alarm among all is no likelier. Source: Holm 1979."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def share_interval(count: int, of: int) -> tuple[float, float]:
    """95 % interval of the share behind `count` of `of` cases. Source: Wilson 1927."""
    share, z = count / of, 1.959964
    middle, spread = share + z * z / (2 * of), z * np.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return float((middle - spread) / (1 + z * z / of)), float((middle + spread) / (1 + z * z / of))
