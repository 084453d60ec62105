"""What a training across sites leaves: the model file that `aneuflow grade` reads, its numbers and its card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aneuflow import __version__
from aneuflow.numerics.classification import auc, bootstrap_interval, calibration
from aneuflow.risk.learned import MODEL_FILE, ORIGIN_FILE, column_names
from aneuflow.risk.origin import BINS as KEPT_BINS
from aneuflow.risk.origin import Distribution, Origin, origin_text
from aneuflow.risk.train.sums import BINS, StudyPlan
from aneuflow.risk.train.together import Learned, covariance_of
from aneuflow.types import FloatArray

BOOTSTRAPS = 1000
NO_COLUMN = "rows of several sites"


@dataclass(frozen=True)
class Released:
    """The model and what is kept of its tables as JSON text, all numbers of the training, and the card in Markdown."""

    model: str
    origin: str
    results: dict[str, Any]
    card: str

    def files(self) -> dict[str, str]:
        """File names and texts."""
        results = json.dumps(self.results, indent=1, ensure_ascii=False) + "\n"
        return {MODEL_FILE: self.model, ORIGIN_FILE: self.origin, "results.json": results, "card.md": self.card}


def released(learned: Learned, plan: StudyPlan, sites: int, told: Sequence[str]) -> Released:
    """Model, numbers and card of a model that all of `sites` accepted; `told`: what happened to sites on the way."""
    fit = learned.fit
    cases, ruptured, patients = (int(count) for count in fit.counts[0])
    reached = performance_of(learned.outcomes)
    facts = {
        "id": plan.id,
        "citation": f"{sites} sites together, by the study plan {plan.id}",
        "license": "as the sites agreed",
        "setting": f"{sites} sites, trained on sums; no patient's row left a site.",
        "cases": cases,
        "ruptured": ruptured,
        "patients": patients,
        "missing": {name: int(array[-1]) for name, array in _answers(learned, plan).items()},
        "ruptured_share": round(ruptured / cases, 4),
        "plan_sha256": plan.sha256,
        "sha256": _sha256_of_counts(learned),
    }
    terms = _written_terms(learned, plan)
    version = hashlib.sha256(json.dumps([facts, terms], sort_keys=True).encode()).hexdigest()[:8]
    covariance = covariance_of(fit.curvature * cases, plan.penalty)
    content = {
        "id": f"resemblance-{plan.id}-{version}",
        "kind": "additive logistic regression",
        "says": "how much an aneurysm resembles the ruptured ones of its training tables; not when it will rupture",
        "aneuflow": __version__,
        "trained_on": facts,
        "penalty": plan.penalty,
        "base": round(float(fit.coefficients[0]), 6),
        "terms": terms,
        "covariance": [_rounded(row) for row in covariance],
        "performance": {name: round(value, 4) for name, value in reached.items()},
    }
    results = {"steps": list(fit.steps), "sites": list(told), "outcomes": learned.outcomes.tolist(), "performance": reached}
    model = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    return Released(model, origin_text(_origin(learned, plan, model)), results, _card(content, results))


def performance_of(outcomes: FloatArray) -> dict[str, float]:
    """AUC with its 95 % interval, calibration and Brier score of (2, bins) counts, each case at the middle of its bin."""
    middles, counts = (np.arange(BINS) + 0.5) / BINS, outcomes.astype(int)
    chance = np.concatenate([np.repeat(middles, kind) for kind in counts])
    truth = np.repeat([False, True], counts.sum(axis=1))
    low, high = bootstrap_interval(lambda rows: auc(truth[rows], chance[rows]), np.arange(len(truth)), BOOTSTRAPS, 1)
    found = calibration(truth, chance)
    return {
        "auc": auc(truth, chance), "low": low, "high": high, "calibration_slope": found.slope,
        "calibration_intercept": found.intercept, "calibration_error": found.ece, "brier": found.brier,
    }  # fmt: skip


def _answers(learned: Learned, plan: StudyPlan) -> dict[str, FloatArray]:
    """The counts of each answer, unknown last."""
    return dict(zip([*plan.numbers, *plan.levels], learned.fit.counts[1:], strict=True))


def _sha256_of_counts(learned: Learned) -> str:
    """What stands for the hash of the table, whose rows nobody has seen together."""
    return hashlib.sha256(json.dumps([array.tolist() for array in learned.fit.counts]).encode()).hexdigest()


def _origin(learned: Learned, plan: StudyPlan, model: str) -> Origin:
    """What is kept of the tables: distributions. No site told marks by which its rows and patients would be known again."""
    answers = {}
    for name, counts in _answers(learned, plan).items():
        if name in plan.numbers:
            answers[name] = _distribution(counts[:-1], plan.edges(name), int(counts[-1]))
        else:
            kept = {level: int(count) for level, count in sorted(zip(plan.levels[name], counts, strict=False)) if count}
            answers[name] = Distribution(tuple(kept.values()), int(counts[-1]), levels=tuple(kept))
    return Origin(
        model=hashlib.sha256(model.encode()).hexdigest(),
        table=_sha256_of_counts(learned),
        answers={term["answer"]: answers[term["answer"]] for term in learned.fit.terms},
        probability=_distribution(learned.probabilities, np.linspace(0.0, 1.0, BINS + 1), 0),
        # No table has it: whether a row was among those trained on cannot be told, and is not said to be no.
        columns=(NO_COLUMN,),
        rows=(),
        patients=(),
    )


def _distribution(counts: FloatArray, edges: FloatArray, unknown: int) -> Distribution:
    """A histogram in fewer bins of about equal count, as `numbers_kept` makes them of rows."""
    below = np.cumsum(counts) / counts.sum()
    ends = np.unique(np.searchsorted(below, np.arange(1, KEPT_BINS) / KEPT_BINS) + 1)
    ends = ends[ends < len(counts)]
    kept = [int(part.sum()) for part in np.split(counts, ends)]
    return Distribution(tuple(kept), unknown, edges=tuple(float(f"{edge:.6g}") for edge in edges[ends]))


def _written_terms(learned: Learned, plan: StudyPlan) -> list[dict[str, Any]]:
    found, start = [], 1
    for term in learned.fit.terms:
        size = len(column_names(term))
        own = [round(float(value), 6) for value in learned.fit.coefficients[start : start + size]]
        start += size
        written = {**term, "center": _rounded(term["center"]), "scale": _rounded(term["scale"])}
        if term["kind"] == "number":
            written |= {"coefficients": own, "range": _rounded(term["range"]), "possible": _rounded(term["possible"])}
        else:
            shares = {level: round(entry["share"], 4) for level, entry in term["levels"].items()}
            written["levels"] = {
                level: {"share": share, "coefficient": value} for (level, share), value in zip(shares.items(), own, strict=True)
            }
            written["aliases"] = dict(plan.aliases.get(term["answer"], {}))
        found.append(written)
    return found


def _rounded(values: Any) -> list[float]:
    return [float(f"{float(value):.6g}") for value in values]


def _card(content: dict[str, Any], results: dict[str, Any]) -> str:
    facts, reached = content["trained_on"], content["performance"]
    held_out = int(np.sum(results["outcomes"]))
    missing = ", ".join(f"{name} {count}" for name, count in facts["missing"].items())
    lines = [
        f"# Model card: {content['id']}",
        "",
        f"Says {content['says']}. Research use; no treatment is recommended by it.",
        "",
        f"- Kind: {content['kind']}, penalty C = {content['penalty']:g}, {len(content['terms'])} answers; a JSON file.",
        f"- {facts['setting']} Study plan {facts['id']}, SHA-256 {facts['plan_sha256']}.",
        f"- Trained on {facts['cases']} aneurysms of {facts['patients']} patients, {facts['ruptured']} ruptured.",
        f"- Missing: {missing}. Unknown answers are set to the mean of all sites; being unknown is no input.",
        f"- Made with aneuflow {content['aneuflow']}.",
        "",
        f"On {held_out} aneurysms of patients held out at the sites: AUC {reached['auc']:.3f} ({reached['low']:.3f} to "
        f"{reached['high']:.3f}, 95 %, bootstrap), calibration slope {reached['calibration_slope']:.2f}, intercept "
        f"{reached['calibration_intercept']:.2f}, expected error {reached['calibration_error']:.3f}, Brier score "
        f"{reached['brier']:.3f}. Counted in {BINS} bins of probability; a site that dropped out is not among them.",
        "",
        "Every site found it no worse on its locked patients than a model of its own patients alone.",
        "",
        "## Steps",
        "",
        *(f"- {step}" for step in [*results["steps"], *results["sites"]]),
        "",
    ]
    return "\n".join(lines)
