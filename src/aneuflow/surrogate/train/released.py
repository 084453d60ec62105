"""What a tuning across sites leaves: the networks, their card, the numbers of the training and a model card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aneuflow import __version__
from aneuflow.surrogate.calibrate import COVERAGE
from aneuflow.surrogate.cohort import SPLITS
from aneuflow.surrogate.network import CARD, KINDS, load_ensemble
from aneuflow.surrogate.train.onnx_heads import network_files, with_head
from aneuflow.surrogate.train.plan import TuningPlan
from aneuflow.surrogate.train.site_answers import NAMES
from aneuflow.surrogate.train.together import EDGES, Tuned
from aneuflow.types import FloatArray


def released(tuned: Tuned, plan: TuningPlan, networks: Path, sites: int, told: Sequence[str]) -> dict[str, bytes]:
    """File names and contents of networks whose heads all of `sites` accepted; told: what happened to sites on the way.

    The limits stay those of the networks as they were; intervals come from the held-out patients of the sites.
    """
    base = load_ensemble(networks)
    cases = {split: [int(count) for count in row] for split, row in zip(SPLITS, tuned.cases, strict=True)}
    facts = {
        "id": plan.id, "plan_sha256": plan.sha256, "networks": base.digest, "sites": sites, "cases": cases["train"][0],
        "patients": cases["train"][1],
    }  # fmt: skip
    card = {
        **base.card,
        "aneuflow": __version__,
        "training_sha256": _sha256_of_counts(base.card.get("training_sha256", ""), tuned),
        "tuned": facts,
        "intervals": {
            kind: {name: factor_of(row) for name, row in zip(NAMES, rows, strict=True) if row.sum() > 0.5}
            for kind, rows in zip(KINDS, tuned.scores, strict=True)
        },
    }
    results = {"steps": list(tuned.steps), "sites": list(told), "cases": cases, "sac_mean": _sac_means(tuned.errors)}
    made = {file.name: with_head(file, head) for (_, file), head in zip(network_files(networks), tuned.heads, strict=True)}
    made |= {name: f"{json.dumps(content, indent=1)}\n".encode() for name, content in ((CARD, card), ("results.json", results))}
    return {**made, "card.md": _card(facts, results).encode()}


def factor_of(patients: FloatArray) -> dict[str, float]:
    """The factor of an interval, as `calibrate.conformal_factors` has it, from held-out patients by score (BINS,): the end of
    the bin, so that it is wide rather than narrow.
    """
    count = round(float(patients.sum()))
    reached = np.cumsum(patients)
    place = int(np.searchsorted(reached, COVERAGE * (count + 1) - 1e-6))
    last = int(np.flatnonzero(patients > 1e-6)[-1])
    return {"factor": float(EDGES[min(place, last) + 1]), "level": min(COVERAGE, count / (count + 1)), "patients": count}


def _sac_means(errors: FloatArray) -> dict[str, Any]:
    """Median and 90th percentile of what the sac's mean wall shear is off, in parts of it, by kind, before and after."""

    def quantile(counts: FloatArray, part: float) -> float:
        return float(np.interp(part, np.append(0.0, np.cumsum(counts)) / counts.sum(), EDGES))

    return {
        kind: {
            when: {"median": quantile(counts[row], 0.5), "p90": quantile(counts[row], 0.9), "cases": int(counts[row].sum())}
            for when, counts in zip(("before", "after"), errors, strict=True)
        }
        for row, kind in enumerate(KINDS)
    }


def _sha256_of_counts(before: str, tuned: Tuned) -> str:
    """What stands for the hash of the databases, whose cases nobody has seen together."""
    content = [before, tuned.cases.tolist(), tuned.scores.tolist()]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _card(facts: dict[str, Any], results: dict[str, Any]) -> str:
    lines = [
        "# Model card: the flow surrogate with its last layers tuned across sites",
        "",
        f"- Networks before: SHA-256 {facts['networks']}; their features and limits are as they were.",
        f"- Tuned on {facts['cases']} flows with a sac of {facts['patients']} patients at {facts['sites']} sites, which sent "
        f"sums; no case left one. Tuning plan {facts['id']}, SHA-256 {facts['plan_sha256']}.",
        "- Every site found them no worse on its locked cases than the networks as they were.",
        "- Intervals come from the sites' held-out patients.",
        "",
        "What the sac's mean wall shear is off on held-out cases, of the solver's, median / 90th percentile:",
        "",
        "| networks | cases | before | after |",
        "|---|---|---|---|",
    ]
    for kind, title in (("coarse", "with coarse flow"), ("free", "without")):
        found = results["sac_mean"][kind]
        cells = [f"{100 * found[when]['median']:.1f} / {100 * found[when]['p90']:.1f} %" for when in ("before", "after")]
        lines.append(f"| {title} | {found['after']['cases']} | {cells[0]} | {cells[1]} |")
    steps = [f"- {line}" for line in [*results["steps"], *results["sites"]]]
    return "\n".join([*lines, "", "## Steps", "", *steps, ""])
