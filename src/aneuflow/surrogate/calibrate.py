"""How far predictions are from solved flows, the intervals that follow, and where the surrogate declines to answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aneuflow.surrogate.network import Answer
from aneuflow.surrogate.points import NUMBERS, SCALARS
from aneuflow.types import FloatArray

Arrays = Mapping[str, npt.NDArray[Any]]

COVERAGE = 0.9
# An interval's half width is its factor times the root of the squares of the members' spread and of this part of the value;
# at a point of the sac of its mean, where that is more.
LEAST_SPREAD = 0.05
_RANGE_MARGIN = 0.1
_SHRINKAGE = 0.1
_DISTANCE_MARGIN = 1.25


def sac_mean(size: npt.NDArray[Any], case: Arrays) -> float:
    """Area mean of a wall field (n,) over the sac; over the whole wall where there is none."""
    return float(np.average(size, weights=case["area"] * _sac(case)))


def _sac(case: Arrays) -> npt.NDArray[Any]:
    sac = case["region"] == 1
    return np.asarray(sac if sac.any() else np.ones_like(sac), dtype=np.float64)


def errors(shear: npt.NDArray[Any], pressure: npt.NDArray[Any], case: Arrays) -> dict[str, float]:
    """What a predicted wall shear (n, 3) and pressure (n,) are off by, over the sac, in parts: names as in the results.

    sac_mean: the area mean of the length, of it; sac_l2: relative L2 of the length; sac_l2_vector: of the vector;
    sac_l2_of_maximum: root mean square over the largest length; wall_pressure_l2: relative L2 over the whole wall.
    """
    size, true = np.linalg.norm(shear, axis=1), np.linalg.norm(case["shear"], axis=1)
    area, off = case["area"], np.linalg.norm(shear - case["shear"], axis=1)
    missed = float(np.average((pressure - case["pressure"]) ** 2, weights=area))
    return {
        **size_errors(size, true, case),
        "sac_l2_vector": float(np.sqrt(sac_mean(off**2, case) / sac_mean(true**2, case))),
        "wall_pressure_l2": float(np.sqrt(missed / np.average(case["pressure"] ** 2, weights=area))),
    }


def size_errors(size: npt.NDArray[Any], true: npt.NDArray[Any], case: Arrays) -> dict[str, float]:
    """What a field of the wall (n,) is off by over the sac: sac_mean, sac_l2 and sac_l2_of_maximum as `errors` has them."""
    square = sac_mean((size - true) ** 2, case)
    return {
        "sac_mean": abs(sac_mean(size, case) / sac_mean(true, case) - 1.0),
        "sac_l2": float(np.sqrt(square / sac_mean(true**2, case))),
        "sac_l2_of_maximum": float(np.sqrt(square) / true[_sac(case) > 0].max()),
    }


def number_errors(numbers: npt.NDArray[Any], case: Arrays) -> dict[str, float]:
    """What predicted numbers (2,) are off by, in parts, by name of `NUMBERS`; those that are not known are left out."""
    pairs = zip(NUMBERS, numbers, case["numbers"], strict=True)
    return {id: abs(float(value / true) - 1.0) for id, value, true in pairs if np.isfinite(true) and np.isfinite(value)}


def summaries(found: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Median and 90th percentile over cases, by name of what was measured."""
    names = sorted({name for mine in found for name in mine})
    return {name: summary(mine[name] for mine in found if name in mine) for name in names}


def summary(values: Iterable[float]) -> dict[str, float]:
    """Median and 90th percentile over cases."""
    known = np.array([value for value in values if np.isfinite(value)])
    if not len(known):
        return {}
    return {"median": float(np.median(known)), "p90": float(np.quantile(known, 0.9)), "cases": len(known)}


def half_width(
    value: npt.NDArray[Any] | float, spread: npt.NDArray[Any] | float, factor: float, least: float = 0.0
) -> npt.NDArray[Any]:
    """Half the width of an interval, of the value's shape; least: what the value counts as at least."""
    return factor * np.hypot(spread, LEAST_SPREAD * np.maximum(np.abs(value), least))


def scores(answer: Answer, case: Arrays) -> dict[str, float]:
    """How many half widths of factor 1 a solved case lies from its prediction.

    point: that within which nine tenths of the sac's wall lie, by area; sac_mean; each of `NUMBERS`.
    """
    true = np.linalg.norm(case["shear"], axis=1)
    return wall_scores(answer.size, answer.spread["size"], true, case) | number_scores(answer, case)


def wall_scores(values: npt.NDArray[Any], spread: npt.NDArray[Any], true: npt.NDArray[Any], case: Arrays) -> dict[str, float]:
    """Of a field of the wall (n,), with the members' spread of it (n,): "point" and "sac_mean" as `scores` has them."""
    mean = sac_mean(values, case)
    off = np.abs(true - values) / np.maximum(half_width(values, spread, 1.0, mean), 1e-9)
    weight = case["area"] * _sac(case)
    order = np.argsort(off)
    reached = np.cumsum(weight[order]) / weight.sum()
    made = {"point": float(off[order[min(int(np.searchsorted(reached, COVERAGE)), len(off) - 1)]])}
    made["sac_mean"] = abs(sac_mean(true, case) - mean) / float(half_width(mean, sac_mean(spread, case), 1.0))
    return made


def number_scores(answer: Answer, case: Arrays) -> dict[str, float]:
    """Of `NUMBERS`, as `scores` has them; those that are not known are left out."""
    made, numbers = {}, zip(NUMBERS, answer.mean["numbers"], answer.spread["numbers"], case["numbers"], strict=True)
    for id, value, spread_of, wanted in numbers:
        if np.isfinite(wanted):
            made[id] = abs(float(wanted) - float(value)) / float(half_width(float(value), float(spread_of), 1.0))
    return made


def conformal_factors(found: Sequence[Mapping[str, float]], patients: Sequence[str]) -> dict[str, dict[str, float]]:
    """By name of `scores`: the factor that makes intervals cover a case of a new patient with the probability `COVERAGE`.

    Split conformal prediction with patients as units: the cases of a patient, who are alike, share one weight (pooling of
    Dunn, Wasserman and Ramdas 2023). `level` is the probability that is warranted: below COVERAGE where there are too few
    patients, whose worst case is then taken.
    """
    made = {}
    for name in sorted({name for scores in found for name in scores}):
        known = [(mine[name], patient) for patient, mine in zip(patients, found, strict=True) if name in mine]
        factor, level = pooled_quantile([score for score, _ in known], [patient for _, patient in known], COVERAGE)
        made[name] = {"factor": factor, "level": level, "patients": len({patient for _, patient in known})}
    return made


def pooled_quantile(values: Sequence[float], patients: Sequence[str], part: float) -> tuple[float, float]:
    """What a new patient's value stays under with the probability `part`, and the probability that is warranted.

    The values of a patient share one weight (`conformal_factors`).
    """
    cases = Counter(patients)
    ordered = sorted((value, 1.0 / cases[patient]) for value, patient in zip(values, patients, strict=True))
    reached = np.cumsum([weight for _, weight in ordered])
    place = int(np.searchsorted(reached, part * (len(cases) + 1) - 1e-9))
    return ordered[min(place, len(ordered) - 1)][0], min(part, len(cases) / (len(cases) + 1))


def limits_of(scalars: FloatArray) -> dict[str, Any]:
    """Where the training cases' `SCALARS` (cases, k) lie: ranges, and a distance from their mean that none comes near."""
    known = np.where(np.isfinite(scalars), scalars, np.nanmean(scalars, axis=0))
    mean, low, high = known.mean(axis=0), known.min(axis=0), known.max(axis=0)
    spread = np.maximum(known.std(axis=0), 1e-3)
    standard = (known - mean) / spread
    square = (1.0 - _SHRINKAGE) * standard.T @ standard / len(known) + _SHRINKAGE * np.eye(known.shape[1])
    inverse = np.linalg.inv(square)
    farthest = float(np.sqrt(np.einsum("na,ab,nb->n", standard, inverse, standard)).max())
    margin = _RANGE_MARGIN * (high - low) + 1e-6
    return {
        "names": list(SCALARS),
        "mean": mean.tolist(),
        "spread": spread.tolist(),
        "low": (low - margin).tolist(),
        "high": (high + margin).tolist(),
        "inverse": inverse.tolist(),
        "distance": _DISTANCE_MARGIN * farthest,
    }


def outside(limits: Mapping[str, Any], scalars: FloatArray) -> tuple[str, float, float, float] | None:
    """What lies outside of the limits first: its name (of `SCALARS`, or "distance"), value and limits; None where nothing does.

    A scalar that is not known is no reason.
    """
    mean, spread = np.array(limits["mean"]), np.array(limits["spread"])
    for name, value, low, high in zip(limits["names"], scalars, limits["low"], limits["high"], strict=True):
        if value < low or value > high:
            return str(name), float(value), float(low), float(high)
    standard = np.where(np.isfinite(scalars), (scalars - mean) / spread, 0.0)
    distance = float(np.sqrt(standard @ np.array(limits["inverse"]) @ standard))
    return ("distance", distance, 0.0, float(limits["distance"])) if distance > limits["distance"] else None
