"""How well each fold's segmenter does on the patients it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aneuflow.case.files import read_json, write_json
from aneuflow.pipeline.train_segmenter import FOLDS, PREPARED
from aneuflow.segmentation.aneurysms import called
from aneuflow.segmentation.brightness import without_veins
from aneuflow.segmentation.metrics import centerline_dice, detection, dice, surface_agreement
from aneuflow.segmentation.network import Network, load_network
from aneuflow.segmentation.sliding import lumen_and_aneurysm
from aneuflow.types import ByteArray, Float32Array, Progress, no_progress

RESULTS = "results.json"
TOLERANCE_MM, SMALLEST_MM = 0.5, 3.0


def evaluate_folds(target: Path, folds: Sequence[str], progress: Progress = no_progress) -> Mapping[str, Any]:
    """The metrics of every validation case of `folds` and their mean over the cases, also kept in target/results.json."""
    parted, cases = read_json(target / FOLDS), {}
    todo = [(fold, case) for fold in folds for case in parted[fold]["validation"]]
    networks = {fold: load_network(target / f"fold-{fold}" / "model.onnx") for fold in folds}
    for done, (fold, case) in enumerate(todo):
        progress(done / len(todo), f"evaluating {case}")
        with np.load(target / PREPARED / f"{case}.npz") as file:
            image, labels = file["image"].astype(np.float32), file["labels"]
        cases[case] = {"fold": fold, **evaluate(networks[fold], image, labels)}
    results = {"cases": cases, "mean": mean_of(list(cases.values()))}
    write_json(target / RESULTS, results)
    return results


def evaluate(network: Network, image: Float32Array, labels: ByteArray) -> dict[str, Any]:
    """Metrics of one prepared image (on the network's voxels) against its labels."""
    lumen, aneurysm, level = lumen_and_aneurysm(network.tiling, image, network.leveled, no_progress)
    lumen = without_veins(lumen, image, "CTA" if network.is_ct else "MRA", network.spacing_mm, level)
    return compare(lumen > 0.5, called(lumen, aneurysm, network.spacing_mm, network.leveled), labels, network.spacing_mm)


def compare(lumen: Any, aneurysm: Any, labels: ByteArray, spacing_mm: float) -> dict[str, Any]:
    """Dice, clDice, NSD and HD95 of the lumen, and the counts of aneurysms of at least 3 mm; all masks (nx, ny, nz)."""
    truth = (labels == 1) | (labels == 2)
    spacing = np.full(3, spacing_mm)
    border = surface_agreement(lumen, truth, spacing, TOLERANCE_MM)
    found = detection(aneurysm, labels == 2, spacing, SMALLEST_MM)
    return {
        "dice": dice(lumen, truth),
        "centerline_dice": centerline_dice(lumen, truth),
        "nsd": border.within_tolerance,
        # A distance to nothing is no number.
        "hausdorff_95_mm": border.hausdorff_95_mm if np.isfinite(border.hausdorff_95_mm) else None,
        "aneurysms": found.true,
        "aneurysms_found": found.found,
        "aneurysms_false": found.false,
    }


def mean_of(cases: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Means over the cases; sensitivity over all aneurysms together, false positives a case."""
    if not cases:
        return {}
    mean = {}
    for name in ("dice", "centerline_dice", "nsd", "hausdorff_95_mm"):
        known = [case[name] for case in cases if case[name] is not None]
        if known:
            mean[name] = float(np.mean(known))
    there = sum(case["aneurysms"] for case in cases)
    if there:
        mean["aneurysm_sensitivity"] = sum(case["aneurysms_found"] for case in cases) / there
    mean["false_per_case"] = sum(case["aneurysms_false"] for case in cases) / len(cases)
    return mean
