"""The pulsatile cases of a compact form: nothing is trained on them, the networks of steady flow are judged on them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from aneuflow.surrogate import calibrate
from aneuflow.surrogate.cycle import cycle_errors, cycle_scores, tawss_of
from aneuflow.surrogate.network import Ensemble, ask
from aneuflow.surrogate.points import NUMBERS, Arrays

_SHOWN = ("sac_mean", "sac_l2", "sac_l2_of_maximum", *NUMBERS)


def cycle_intervals(cases: Sequence[tuple[Arrays, str]], unseen: Callable[[str], Ensemble]) -> dict[str, Any]:
    """Conformal factors from cases with their patients; unseen: the networks that have not seen a patient."""
    scores = [cycle_scores(ask(unseen(patient), case, True), case) for case, patient in cases]
    return calibrate.conformal_factors(scores, [patient for _, patient in cases])


def cycle_results(
    ensemble: Ensemble, test: Mapping[str, Arrays], real: Collection[str], intervals: Mapping[str, Any]
) -> dict[str, Any]:
    """Errors on the test cases of the coarse flow, corrected and as it is, and the share that the intervals hold; empty where
    there is no test case.
    """
    if not test:
        return {}
    methods: dict[str, dict[str, Any]] = {"network with coarse flow": {}, "coarse flow": {}}
    scores = []
    for id, case in test.items():
        answer, osi = ask(ensemble, case, True), case["coarse_osi"].astype(np.float64)
        found = {
            "network with coarse flow": (tawss_of(answer, case), answer.mean["numbers"]),
            "coarse flow": (case["coarse_tawss"].astype(np.float64), case["coarse_numbers_base"]),
        }
        for name, (tawss, numbers) in found.items():
            methods[name][id] = cycle_errors(tawss, osi, numbers, case)
        scores.append(cycle_scores(answer, case))
    made: dict[str, Any] = {name: _summed(each, real) for name, each in methods.items()}
    known = {name: [mine[name] for mine in scores if name in mine] for name in intervals}
    made["coverage"] = {
        name: float(np.mean(np.array(values) <= intervals[name]["factor"])) for name, values in known.items() if values
    }
    return made


def _summed(each: Mapping[str, Mapping[str, float]], real: Collection[str]) -> dict[str, Any]:
    undeformed = [found for id, found in each.items() if id in real]
    return {**_summary(list(each.values())), "real": _summary(undeformed), "cases": dict(each)}


def _summary(found: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """As `calibrate.summaries`, with the rank correlations over the cases of the sac's mean OSI and low shear area."""
    made = calibrate.summaries(found)
    for name in ("osi", "low_shear") if len(found) > 2 else ():
        made[f"{name}_rank"] = float(spearmanr([mine[name] for mine in found], [mine[f"true_{name}"] for mine in found])[0])
    return made


def cycle_text(results: Mapping[str, Any]) -> list[str]:
    """Lines of the errors over the cardiac cycle; none where nothing was judged."""
    methods = {name: found for name, found in results.items() if "cases" in found}
    if not methods:
        return []
    lines = [f"{'over the cardiac cycle':<34}" + "".join(f"{name:>20}" for name in _SHOWN)]
    for name, found in methods.items():
        cells = [found.get(each, {}) for each in _SHOWN]
        shown = [f"{100 * cell['median']:.1f} / {100 * cell['p90']:.1f}" if cell else "-" for cell in cells]
        lines.append(f"{name:<34}" + "".join(f"{text:>20}" for text in shown))
        for part, title in ((found, ""), (found["real"], ", undeformed")):
            if "osi_rank" in part:
                low, osi, within = part["low_shear_rank"], part["osi_rank"], part["osi_points"]["median"]
                lines.append(
                    f"  ranks{title}: low shear area {low:.2f}, OSI {osi:.2f}, OSI over a sac's points {within:.2f} (median)"
                )
    shares = results["coverage"].items()
    return [*lines, "intervals over the cycle hold " + ", ".join(f"{100 * share:.0f} % ({part})" for part, share in shares)]
