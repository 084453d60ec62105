"""The surrogate's last layers tuned across sites: what the server starts from and leaves, and what a site answers with."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from aneuflow.case.files import read_json
from aneuflow.errors import InputError, ResourceError
from aneuflow.numerics.averaging import Ask, Weights
from aneuflow.pipeline.train_surrogate import PREPARED, TABLE, SurrogateTraining, prepare_cases, run_apart
from aneuflow.surrogate.cohort import SPLITS
from aneuflow.surrogate.network import load_ensemble, shipped_networks
from aneuflow.surrogate.points import Arrays
from aneuflow.surrogate.train.onnx_heads import heads_in
from aneuflow.surrogate.train.plan import TuningPlan, read_tuning_plan
from aneuflow.surrogate.train.released import released
from aneuflow.surrogate.train.site_answers import SurrogateSite
from aneuflow.surrogate.train.together import tune_together

TUNING = "aneuflow.surrogate.train.tune"


def tuning_of(settings: Mapping[str, Any], plan: str) -> tuple[TuningPlan, Path, str]:
    """The tuning plan in the file `plan` (empty: that of the package), the networks to tune (`networks` of the settings, empty:
    those that ship), and one SHA-256 of both, by which server and sites know that they mean the same.
    """
    agreed = read_tuning_plan(Path(plan) if plan else None)
    networks = Path(str(settings["networks"])) if settings.get("networks") else shipped_networks()
    content = json.dumps([asdict(agreed), load_ensemble(networks).digest], sort_keys=True)
    return agreed, networks, hashlib.sha256(content.encode()).hexdigest()


def tuned_networks(ask: Ask, plan: TuningPlan, networks: Path, sites: int, told: Sequence[str]) -> dict[str, bytes]:
    """The files of the networks with the heads that all sites accepted; told: what happened to sites on the way."""
    return released(tune_together(ask, plan, heads_in(networks)), plan, networks, sites, told)


def surrogate_site(settings: Mapping[str, Any], plan: TuningPlan, networks: Path) -> SurrogateSite:
    """The site of a node's settings: `database` (a compact form), `prepared` (a folder for its cases as the networks take
    them), `python` (an interpreter with torch and onnx). Raises InputError where one is not given.
    """
    for name in ("database", "prepared", "python"):
        if not settings.get(name):
            raise InputError(f"The node's settings name no {name!r}; see docs/federated.md.")
    prepared = Path(str(settings["prepared"]))
    prepare_cases(Path(str(settings["database"])), prepared, SurrogateTraining())
    listed = read_json(prepared / TABLE)["cases"]
    patients = {id: entry["patient"] for split in SPLITS for id, entry in listed[split].items()}
    return site_of(prepared / PREPARED, listed, patients, networks, plan, Path(str(settings["python"])))


def site_of(
    prepared: Path, listed: Mapping[str, Sequence[str]], patients: Mapping[str, str], networks: Path, plan: TuningPlan,
    python: Path,
) -> SurrogateSite:  # fmt: skip
    """The site whose cases in the folder `prepared` are `listed` by split."""
    cases: dict[str, dict[str, Arrays]] = {}
    for split in SPLITS:
        found = {id: _read(prepared / split / f"{id}.npz") for id in listed[split]}
        cases[split] = {id: case for id, case in found.items() if (case["region"] == 1).any()}

    def tune(told: Mapping[str, Any]) -> Weights:
        asked = {
            "networks": str(networks), "prepared": str(prepared), "plan": asdict(plan), "told": told,
            "cases": {split: sorted(those) for split, those in cases.items()},
        }  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "question.json").write_text(json.dumps(asked), "utf-8")
            if code := run_apart(python, TUNING, [folder]):
                raise ResourceError(f"Tuning ended with code {code}; {python} needs torch and onnx (docs/federated.md).")
            with np.load(Path(folder) / "sums.npz") as sums:
                return [sums[name].astype(np.float64) for name in sums.files]

    return SurrogateSite(networks, cases, patients, tune)


def _read(file: Path) -> Arrays:
    with np.load(file) as content:
        return {name: content[name] for name in content.files}
