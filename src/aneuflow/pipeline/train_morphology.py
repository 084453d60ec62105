"""Training of the network that measures a sac from points of the wall: shapes prepared, trained on, calibrated and judged."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import aneuflow
from aneuflow.case.files import write_json
from aneuflow.errors import InputError, ResourceError
from aneuflow.morphology.learned.check import outside, spread, with_intervals
from aneuflow.morphology.learned.cloud import Given
from aneuflow.morphology.learned.model import (
    CARD,
    RATIOS,
    LearnedModel,
    corrected,
    load_model,
    read_clouds,
    scaled,
    terms,
)
from aneuflow.morphology.learned.names import ANGLES, INDICES, INPUTS, LENGTHS, MEASURES
from aneuflow.morphology.learned.train.plan import SacPlan, read_plan
from aneuflow.pipeline.morphology_shapes import PREPARED
from aneuflow.surrogate.calibrate import conformal_factors
from aneuflow.surrogate.cohort import SPLITS
from aneuflow.types import FloatArray, Progress, no_progress

RESULTS = "results.json"
_WATCHED = 24  # validation shapes that the training is told of
_RIDGE = 3.0
_RANGE_MARGIN = 0.1
# What is asked on shapes of unseen patients: medians of absolute errors, of lengths in parts of the true one.
ASKED = dict.fromkeys(LENGTHS, 0.06) | dict.fromkeys(INDICES, 0.03) | dict.fromkeys(ANGLES, 8.0)


@dataclass(frozen=True, eq=False)
class Read:
    """A shape that is known as the network read it: each (clouds, 8), before the correction; true (8,) by geometry."""

    patient: str
    shape: str
    each: FloatArray
    true: FloatArray


def plan_training(target: Path, records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Write the plan of the training on prepared shapes; gives how many there are by split.

    A patient's shapes share what the patient weighs: the root of their number, so that many variants of one do not lead.
    Raises InputError where a split has none.
    """
    made = {split: [entry for entry in records if entry["split"] == split and not entry["reason"]] for split in SPLITS}
    short = next((split for split, entries in made.items() if not entries), None)
    if short is not None:
        raise InputError(f"None of the shapes of the split {short} could be prepared; plan more with `aneuflow database plan`.")
    train, shares = made["train"], Counter(entry["patient"] for entry in made["train"])
    digest = hashlib.sha256()
    for entry in train:
        digest.update((target / PREPARED / f"{entry['id']}.npz").read_bytes())
    card = {
        "aneuflow": aneuflow.__version__,
        "shapes": len(train),
        "patients": len(shares),
        "training_sha256": digest.hexdigest(),
    }
    watched = made["validation"][:: max(1, len(made["validation"]) // _WATCHED)]
    weights = [shares[entry["patient"]] ** -0.5 for entry in train]
    SacPlan([entry["id"] for entry in train], weights, [entry["id"] for entry in watched], card).write(target)
    return {split: len(entries) for split, entries in made.items()}


def train_network(target: Path, python: Path, threads: int) -> None:
    """Train the network of a planned folder in a process of `python`, which needs torch and onnx but no other package.

    Raises ResourceError where the process failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        # Of this interpreter's packages the other one sees aneuflow alone.
        (Path(folder) / "aneuflow").symlink_to(Path(aneuflow.__file__).parent, target_is_directory=True)
        done = subprocess.run(
            [python, "-m", "aneuflow.morphology.learned.train", str(target), "--threads", str(threads)],
            env={**os.environ, "PYTHONPATH": folder},
            check=False,
        )
    if done.returncode:
        raise ResourceError(
            f"Training of the measures ended with code {done.returncode}; {python} needs torch and onnx "
            "(pip install 'aneuflow[torch]'), or name another Python with --python."
        )


def evaluate(target: Path, records: Sequence[Mapping[str, Any]], progress: Progress = no_progress) -> dict[str, Any]:
    """Correct the network's readout on the training shapes, calibrate it on the validation patients, judge it on the test ones.

    Writes target/morphology.json, which the network needs, and target/results.json.
    """
    model = load_model(target)
    known = [entry for entry in records if not entry["reason"]]
    read: dict[str, list[Read]] = {split: [] for split in SPLITS}
    for number, entry in enumerate(known):
        read[entry["split"]].append(_read(model, target, entry))
        progress((number + 1) / len(known), f"{number + 1} of {len(known)} shapes")
    train, validation, test = ([one for one in read[split] if np.isfinite(one.each).all()] for split in SPLITS)
    correction = fitted_correction(train)
    inner = [one.each.mean(axis=0) for one in train]
    low, high = np.min(inner, axis=0), np.max(inner, axis=0)
    margin = _RANGE_MARGIN * (high - low)
    # It checks vessels as they are; deformed ones are off by other errors, and one of them would set all intervals.
    real = [one for one in validation if one.shape == "real"] or validation
    intervals = conformal_factors([_scores(one, correction) for one in real], [one.patient for one in real])
    card = {
        "correction": correction.tolist(),
        "limits": {"low": (low - margin).tolist(), "high": (high + margin).tolist()},
        "intervals": intervals,
    }
    write_json(target / CARD, card)
    results = {
        "sha256": load_model(target).digest,
        "validation": judged(validation, card),
        "test": judged(test, card),
        "test as they are": judged([one for one in test if one.shape == "real"], card),
        "without a sac": {
            split: len(read[split]) - len(kept) for split, kept in zip(SPLITS, (train, validation, test), strict=True)
        },
    }
    write_json(target / RESULTS, results)
    return results


def _read(model: LearnedModel, target: Path, entry: Mapping[str, Any]) -> Read:
    with np.load(target / PREPARED / f"{entry['id']}.npz") as file:
        arrays = {name: file[name] for name in (*INPUTS, "scale_mm", "area_mm2", "measures")}
    clouds = [
        Given({name: arrays[name][number] for name in INPUTS}, np.zeros(3), float(scale))
        for number, scale in enumerate(arrays["scale_mm"])
    ]
    each = read_clouds(model, clouds, float(arrays["area_mm2"]))
    return Read(entry["patient"], entry["shape"], each, arrays["measures"])


def fitted_correction(shapes: Sequence[Read]) -> FloatArray:
    """(8, 8) for `corrected`: by ridge regression on shapes, a patient's sharing one weight."""
    read, true = np.stack([one.each.mean(axis=0) for one in shapes]), np.stack([one.true for one in shapes])
    shares = Counter(one.patient for one in shapes)
    weight = np.array([1.0 / shares[one.patient] for one in shapes])
    given, off = terms(read), scaled(true) - scaled(read)
    made = np.zeros((len(MEASURES), given.shape[1]))
    for number in range(len(MEASURES)):
        # Where a place was missed altogether there is nothing to learn about a correction.
        error = off[:, number]
        near = np.isfinite(error)
        near &= np.abs(error) <= 4.0 * np.nanmedian(np.abs(error)) + 1e-9
        part = given[near] * weight[near, None]
        penalty = _RIDGE * np.diag([0.0, *np.ones(given.shape[1] - 1)])
        made[number] = np.linalg.solve(part.T @ given[near] + penalty, part.T @ error[near])
    return made


def _scores(one: Read, correction: FloatArray) -> dict[str, float]:
    """How many least half widths a shape's measures lie from the network's, by id."""
    each = corrected(one.each, correction)
    off = np.abs(_off(each.mean(axis=0), one.true)) / spread(each)
    return {id: float(value) for id, value in zip(MEASURES, off, strict=True) if np.isfinite(value)}


def _off(found: FloatArray, true: FloatArray) -> FloatArray:
    """(8,) errors, of lengths and the aspect ratio in parts of the network's value, as its intervals have them."""
    ratio = np.array([id in RATIOS for id in MEASURES])
    return np.where(ratio, true / found - 1.0, true - found)


def judged(shapes: Sequence[Read], card: Mapping[str, Any]) -> dict[str, Any]:
    """Of shapes whose measures are known: by measure the median and the 90th percentile of the absolute error, of lengths in
    parts of the true one, and the share inside of the interval; how many are declined, and how many of the others have a
    measure outside.
    """
    kept = [one for one in shapes if outside(card["limits"], one.each.mean(axis=0)) is None]
    errors: dict[str, list[float]] = {id: [] for id in MEASURES}
    inside: dict[str, list[bool]] = {id: [] for id in MEASURES}
    beyond = 0
    for one in kept:
        held = []
        for measure, true in zip(with_intervals(one.each, card), one.true, strict=True):
            if np.isfinite(true):
                errors[measure.id].append(abs(measure.value - true) / (true if measure.id in LENGTHS else 1.0))
                held.append(bool(measure.low <= true <= measure.high))
                inside[measure.id].append(held[-1])
        beyond += not all(held)
    return {
        "shapes": len(shapes),
        "patients": len({one.patient for one in shapes}),
        "declined": len(shapes) - len(kept),
        "outside": beyond,
        "measures": {
            id: {
                "median": float(np.median(errors[id])),
                "p90": float(np.quantile(errors[id], 0.9)),
                "inside": float(np.mean(inside[id])),
                "shapes": len(errors[id]),
            }
            for id in MEASURES
            if errors[id]
        },
    }


def results_text(results: Mapping[str, Any]) -> str:
    """What was asked and reached, a line each measure: median (90th percentile), and how many lie in their interval."""
    lines = []
    for part in ("validation", "test", "test as they are"):
        found = results[part]
        lines.append(
            f"{part}: {found['shapes']} shapes of {found['patients']} patients, {found['declined']} declined, "
            f"{found['outside']} with a measure outside of its interval"
        )
        for id, each in found["measures"].items():
            many, unit = (100.0, "%") if id in LENGTHS else (1.0, "degrees" if id in ANGLES else "")
            digits = 3 if id in INDICES else 1
            median, p90, asked = (f"{many * value:.{digits}f}" for value in (each["median"], each["p90"], ASKED[id]))
            lines.append(f"  {id:<20} {median} ({p90}) {unit}, asked {asked}; {100.0 * each['inside']:.0f} % in their interval")
    return "\n".join(lines)


def write_card(target: Path, results: Mapping[str, Any]) -> None:
    """Write target/card.md."""
    plan = read_plan(target)
    lines = [
        "# Model card: the sac's measures from points of the wall",
        "",
        f"Trained on {plan.card['shapes']} shapes of {plan.card['patients']} patients and parametric vessels.",
        "Medians (90th percentiles) of absolute errors against the geometric measures:",
        "",
        "```",
        results_text(results),
        "```",
        "",
        f"SHA-256 of network and card: {results['sha256']}; of the training shapes: {plan.card['training_sha256']}; "
        f"aneuflow {plan.card['aneuflow']}.",
        "",
    ]
    (target / "card.md").write_text("\n".join(lines), "utf-8")
