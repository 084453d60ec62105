"""Intensities of a region without regard to place: their statistics, and the histogram of their levels.

Source: Zwanenburg et al., Radiology 2020, and the reference manual of the image biomarker standardisation initiative (IBSI).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aneuflow.types import FloatArray, IntArray


def statistics(values: FloatArray) -> dict[str, float]:
    """The 18 intensity-based statistics of the values (n,) of a region, by name.

    Variances are those of the population. A ratio whose denominator is 0 comes out as nan.
    """
    energy = float(values @ values)
    return {**_distribution(values), "energy": energy, "root_mean_square": float(np.sqrt(energy / len(values)))}


def histogram(levels: IntArray, count: int) -> dict[str, float]:
    """The 23 features of the histogram of levels (n,), whole numbers from 1 to `count`, by name.

    Of several levels that share the largest count or gradient the lowest is taken.
    """
    numbers = np.bincount(levels, minlength=count + 1)[1:].astype(np.float64)
    share = numbers[numbers > 0] / len(levels)
    # The manual's gradient: one-sided at the ends, half the difference of the neighbors between them.
    gradient = np.gradient(numbers) if count > 1 else np.zeros(1)
    return {
        **_distribution(levels.astype(np.float64)),
        "mode": float(np.argmax(numbers) + 1),
        "entropy": float(-(share * np.log2(share)).sum()),
        "uniformity": float((share**2).sum()),
        "maximum_gradient": float(gradient.max()),
        "maximum_gradient_level": float(np.argmax(gradient) + 1),
        "minimum_gradient": float(gradient.min()),
        "minimum_gradient_level": float(np.argmin(gradient) + 1),
    }


def _distribution(values: FloatArray) -> dict[str, float]:
    """What statistics and histogram have in common."""
    mean, median = float(values.mean()), float(np.median(values))
    centered = values - mean
    variance = float((centered**2).mean())
    p10, p25, p75, p90 = (float(value) for value in np.percentile(values, [10, 25, 75, 90]))
    robust = values[(values >= p10) & (values <= p90)]
    return {
        "mean": mean,
        "variance": variance,
        "skewness": _standardized_moment(centered, variance, 3),
        "kurtosis": _standardized_moment(centered, variance, 4) - 3.0 * (variance > 0.0),
        "median": median,
        "minimum": float(values.min()),
        "percentile_10": p10,
        "percentile_90": p90,
        "maximum": float(values.max()),
        "interquartile_range": p75 - p25,
        "range": float(np.ptp(values)),
        "mean_absolute_deviation": float(np.abs(centered).mean()),
        "robust_mean_absolute_deviation": float(np.abs(robust - robust.mean()).mean()),
        "median_absolute_deviation": float(np.abs(values - median).mean()),
        "coefficient_of_variation": _ratio(float(np.sqrt(variance)), mean),
        "quartile_coefficient_of_dispersion": _ratio(p75 - p25, p75 + p25),
    }


def _standardized_moment(centered: npt.NDArray[np.float64], variance: float, order: int) -> float:
    return float((centered**order).mean()) / variance ** (order / 2) if variance > 0.0 else 0.0


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator != 0.0 else float("nan")
