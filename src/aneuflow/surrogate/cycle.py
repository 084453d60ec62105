"""Shear over the cardiac cycle: that of a coarse flow, changed as networks trained on steady flows change its mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from aneuflow.surrogate.calibrate import number_errors, number_scores, sac_mean, size_errors, wall_scores
from aneuflow.surrogate.network import Answer
from aneuflow.types import FloatArray

CYCLE = "cycle"  # among the intervals of a card
LOW_SHEAR_PA = 0.4  # Malek et al. 1999
UNIT = "shear_pa"  # of a prepared case: tau0 in Pa
# What a prepared case holds besides a steady one, each (n,), and where the compact form has it.
FIELDS = {"coarse_tawss": "coarse_wall_tawss", "coarse_osi": "coarse_wall_osi", "tawss": "wall_tawss", "osi": "wall_osi"}


def tawss_over_cycle(mean: FloatArray, coarse_mean: FloatArray, coarse_tawss: FloatArray) -> FloatArray:
    """Time-averaged wall shear stress (n,), of the unit of what is given.

    mean and coarse_mean (n,): length of the cycle's mean shear vector, corrected and on the coarse lattice. What the mean is
    changed by, its length is; a product would have no end where the coarse flow's mean is nothing.
    """
    return np.asarray(np.maximum(coarse_tawss + mean - coarse_mean, mean))


def tawss_of(answer: Answer, case: Mapping[str, npt.NDArray[Any]]) -> FloatArray:
    """`tawss_over_cycle` (n,) in tau0 of a prepared case."""
    coarse_mean = np.linalg.norm(case["coarse_shear_base"], axis=1)
    return tawss_over_cycle(answer.size, coarse_mean, case["coarse_tawss"].astype(np.float64))


def cycle_scores(answer: Answer, case: Mapping[str, npt.NDArray[Any]]) -> dict[str, float]:
    """As `calibrate.scores`, of TAWSS in the place of shear; osi_point and osi_mean the same of the coarse flow's OSI."""
    osi = case["coarse_osi"].astype(np.float64)
    of_osi = wall_scores(osi, np.zeros_like(osi), case["osi"], case)
    return {
        **wall_scores(tawss_of(answer, case), answer.spread["size"], case["tawss"], case),
        **number_scores(answer, case),
        "osi_point": of_osi["point"],
        "osi_mean": of_osi["sac_mean"],
    }


def cycle_errors(
    tawss: npt.NDArray[Any], osi: npt.NDArray[Any], numbers: npt.NDArray[Any], case: Mapping[str, npt.NDArray[Any]]
) -> dict[str, float]:
    """What predicted TAWSS (n,), OSI (n,) and `NUMBERS` are off by, as `calibrate.errors`, with osi_off, the area mean over the
    sac of what its OSI is off by, and osi_points, the rank correlation of OSI over the sac's points.

    osi and true_osi are the sac's means themselves, low_shear and true_low_shear the parts of it under 0.4 Pa.
    """
    sac, limit = case["region"] == 1, LOW_SHEAR_PA / float(case[UNIT])
    return {
        **size_errors(tawss, case["tawss"], case),
        **number_errors(numbers, case),
        "osi": sac_mean(osi, case),
        "true_osi": sac_mean(case["osi"], case),
        "low_shear": sac_mean(tawss < limit, case),
        "true_low_shear": sac_mean(case["tawss"] < limit, case),
        "osi_off": sac_mean(np.abs(osi - case["osi"]), case),
        "osi_points": float(spearmanr(osi[sac], case["osi"][sac])[0]),
    }
