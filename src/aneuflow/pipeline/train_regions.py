"""Training of the network that marks regions of the wall: cases prepared, networks trained, then judged on other patients."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import aneuflow
from aneuflow.case.files import write_json
from aneuflow.errors import InputError, ResourceError
from aneuflow.numerics.agreement import dice, fleiss_kappa
from aneuflow.pipeline.regions_cases import DEFINED, RegionsCase, database_cases, is_database, marked, painted_cases
from aneuflow.risk.learned_regions import SHIPPED, RegionsModel, learned_kind, load_regions_model, unknown_class
from aneuflow.risk.train.regions.plan import PREPARED, RegionsPlan
from aneuflow.types import Progress, no_progress

RESULTS = "results.json"
FINAL, VALIDATION = SHIPPED.removesuffix(".onnx"), "validation"
MOST_FOLDS = 5
_GIVEN = ("features", "simulated", "near", "wide", "areas", "classes")
_BOOTSTRAPS, _SEED = 2000, 12

Found = Callable[[RegionsCase], Any]


def prepare_regions(
    source: Path, networks: Path | None, target: Path, progress: Progress = no_progress
) -> tuple[list[RegionsCase], dict[str, Any]]:
    """Write cases and plan of a training into `target`; gives the cases, and of readers how far they agree.

    source: a compact form, with the surrogate's `networks`, or a folder of painted cases. Raises InputError where it is neither
    or its classes are none that a report can name.
    """
    if is_database(source):
        if networks is None:
            raise InputError(f"{source} is a database; name the folder of `aneuflow train surrogate` with --networks.")
        cases, agreement = list(database_cases(source, networks, progress)), {}
        classes: tuple[str, ...] = DEFINED
        parts = {split: [case.id for case in cases if case.split == split] for split in ("train", "validation")}
        runs = {FINAL: parts["train"] + parts["validation"], VALIDATION: parts["train"]}
    else:
        if not source.is_dir():
            raise InputError(f"{source} is no folder; give a compact form or a folder of painted cases.")
        cases, classes = painted_cases(source, progress)
        agreement = reader_agreement(cases, classes)
        runs = {FINAL: [case.id for case in cases], **{name: rest for name, rest, _ in _folds(cases)}}
    unknown = unknown_class(classes)
    if unknown is not None:
        raise InputError(
            f"Class {unknown!r} has no quantity {learned_kind(unknown)} in the registry, so none could be shown; rename it."
        )
    (target / PREPARED).mkdir(parents=True, exist_ok=True)
    for case in cases:
        arrays = {name: case.arrays[name] for name in _GIVEN if name in case.arrays}
        np.savez(target / PREPARED / f"{case.id}.npz", **arrays)  # type: ignore[arg-type]
    RegionsPlan(runs, _card(cases, runs[FINAL], classes, agreement)).write(target)
    return cases, agreement


def _card(
    cases: Sequence[RegionsCase], trained: Sequence[str], classes: Sequence[str], agreement: Mapping[str, Any]
) -> dict[str, Any]:
    """What the network says of its origin."""
    digest, mine = hashlib.sha256(), [case for case in cases if case.id in set(trained)]
    for case in mine:
        digest.update(case.id.encode())
        for name in ("features", "classes"):
            digest.update(np.ascontiguousarray(case.arrays[name]).tobytes())
    return {
        "aneuflow": aneuflow.__version__,
        "labels": "readers" if agreement else "definitions",
        "classes": list(classes),
        "cases": len(mine),
        "patients": len({case.patient for case in mine}),
        "training_sha256": digest.hexdigest(),
        "readers": len(agreement.get("readers", ())),
        "kappa": agreement.get("kappa"),
    }


def _folds(cases: Sequence[RegionsCase]) -> list[tuple[str, list[str], list[str]]]:
    """Name, cases to train on and cases left out of each network that judges the training; none of one case alone."""
    count = min(MOST_FOLDS, len(cases)) if len(cases) > 1 else 0
    ids = [case.id for case in cases]
    return [(f"fold-{k}", [id for n, id in enumerate(ids) if n % count != k], ids[k::count]) for k in range(count)]


def train_regions(target: Path, python: Path, threads: int) -> None:
    """Train the networks of a prepared folder in a process of `python`, which needs torch and onnx but no other package.

    Raises ResourceError where the process failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        # Of this interpreter's packages the other one sees aneuflow alone.
        (Path(folder) / "aneuflow").symlink_to(Path(aneuflow.__file__).parent, target_is_directory=True)
        done = subprocess.run(
            [python, "-m", "aneuflow.risk.train.regions", str(target), "--threads", str(threads)],
            env={**os.environ, "PYTHONPATH": folder},
            check=False,
        )
    if done.returncode:
        raise ResourceError(
            f"Training of the regions ended with code {done.returncode}; {python} needs torch and onnx "
            "(pip install 'aneuflow[torch]'), or name another Python with --python."
        )


def reader_agreement(cases: Sequence[RegionsCase], classes: Sequence[str]) -> dict[str, Any]:
    """How far readers agree on the cases that all of them have painted: Fleiss' kappa over all and by class, by area; Dice of
    each pair by class, on what both have painted, of the areas of all cases together. None where it cannot be told.
    """
    readers = sorted({reader for case in cases for reader in case.readings})
    shared = [case for case in cases if len(case.readings) == len(readers) > 1]
    made: dict[str, Any] = {"readers": readers, "shared_cases": len(shared), "kappa": None, "kappa_by_class": {}, "dice": {}}
    if shared:
        read = np.concatenate([np.stack([case.readings[reader] for reader in readers], axis=1) for case in shared])
        counts = np.stack([(read == number).sum(axis=1) for number in range(len(classes) + 1)], axis=1)
        kappa, each = fleiss_kappa(counts, np.concatenate([case.arrays["areas"] for case in shared]))
        made["kappa"] = _known(kappa)
        made["kappa_by_class"] = {name: _known(value) for name, value in zip(("none", *classes), each, strict=True)}
    for first, second in itertools.combinations(readers, 2):
        both = [case for case in cases if {first, second} <= set(case.readings)]
        if both:
            areas = np.concatenate([case.arrays["areas"] for case in both])
            one, other = (np.concatenate([case.readings[reader] for case in both]) for reader in (first, second))
            made["dice"][f"{first} and {second}"] = {
                name: _known(dice(one == number, other == number, areas)) for number, name in enumerate(classes, start=1)
            }
    return made


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def evaluate_regions(target: Path, cases: Sequence[RegionsCase], agreement: Mapping[str, Any]) -> dict[str, Any]:
    """How well cases that their network has not seen are marked, by class; kept in target/results.json with the agreement.

    Of a database, against the definitions on the simulation: the network and the definitions given the prediction, and the
    network given the simulation. Of painted cases, against most readers.
    """
    model = load_regions_model(target / f"{FINAL}.onnx")
    results: dict[str, Any] = {"classes": list(model.origin.classes), "agreement": agreement, "sha256": model.origin.sha256}
    if agreement:
        found: dict[str, Any] = {}
        for name, _, left_out in _folds(cases):
            judge = load_regions_model(target / f"{name}.onnx")
            found |= {case.id: _asked(judge, case, "features") for case in cases if case.id in left_out}
        results["left out"] = {"network": compared(cases, lambda case: found[case.id], model.origin.classes)} if found else {}
    else:
        for split, judge in (("validation", load_regions_model(target / f"{VALIDATION}.onnx")), ("test", model)):
            mine = [case for case in cases if case.split == split]
            results[split] = _against_definitions(mine, judge) if mine else {}
    write_json(target / RESULTS, results)
    return results


def _asked(model: RegionsModel, case: RegionsCase, features: str) -> Any:
    given = {"features": case.arrays[features], "near": case.arrays["near"], "wide": case.arrays["wide"]}
    return model.run(given).argmax(axis=1)


def _against_definitions(cases: Sequence[RegionsCase], model: RegionsModel) -> dict[str, Any]:
    methods: dict[str, Found] = {
        "network given the prediction": lambda case: _asked(model, case, "features"),
        "definitions given the prediction": lambda case: case.arrays["defined"],
        "network given the simulation": lambda case: _asked(model, case, "simulated"),
    }
    made = {name: compared(cases, method, DEFINED) for name, method in methods.items()}
    network, definitions = (made[name] for name in list(methods)[:2])
    gain = {name: _gain(cases, network[name]["cases"], definitions[name]["cases"]) for name in DEFINED}
    return {"of": {"cases": len(cases), "patients": len({case.patient for case in cases})}, **made, "gain": gain}


def compared(cases: Sequence[RegionsCase], method: Found, classes: Sequence[str]) -> dict[str, Any]:
    """Dice by class: mean over the patients of the mean over their cases, mean over cases, that of all areas together, and each
    case's. Cases on which neither side has marks of a class are left out of its means.
    """
    made = {}
    found = {case.id: method(case) for case in cases}
    for number, name in enumerate(classes, start=1):
        pairs = {
            case.id: (marked(case, case.arrays["classes"], number), marked(case, found[case.id], number)) for case in cases
        }
        each = {case.id: dice(*pairs[case.id], case.arrays["areas"]) for case in cases}
        known = {id: value for id, value in each.items() if math.isfinite(value)}
        one, other = (np.concatenate([pair[k] for pair in pairs.values()]) for k in (0, 1))
        made[name] = {
            "patients": _mean(_by_patient(cases, known).values()),
            "cases_mean": _mean(known.values()),
            "pooled": _known(dice(one, other, np.concatenate([case.arrays["areas"] for case in cases]))),
            "cases": known,
        }
    return made


def _by_patient(cases: Sequence[RegionsCase], values: Mapping[str, float]) -> dict[str, float]:
    mine: dict[str, list[float]] = {}
    for case in cases:
        if case.id in values:
            mine.setdefault(case.patient, []).append(values[case.id])
    return {patient: float(np.mean(found)) for patient, found in mine.items()}


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return float(np.mean(found)) if found else None


def _gain(cases: Sequence[RegionsCase], network: Mapping[str, float], definitions: Mapping[str, float]) -> dict[str, float]:
    """The network's Dice less that of the definitions, mean over patients, with its 95 % interval by bootstrap of patients.

    All cases count: one on which neither side has marks is agreed upon, so a false mark costs what a missed one does.
    """
    gains = {case.id: network.get(case.id, 1.0) - definitions.get(case.id, 1.0) for case in cases}
    each = np.array(list(_by_patient(cases, gains).values()))
    drawn = np.random.default_rng(_SEED).integers(len(each), size=(_BOOTSTRAPS, len(each)))
    low, high = np.percentile(each[drawn].mean(axis=1), [2.5, 97.5])
    return {"mean": float(each.mean()), "low": float(low), "high": float(high)}


def results_text(results: Mapping[str, Any]) -> str:
    """The Dice by class, a line each method: mean over patients, and of all areas together."""
    lines = []
    for part in ("left out", "validation", "test"):
        for name, found in results.get(part, {}).items():
            if name in ("of", "gain"):
                continue
            cells = [f"{id} {_shown(found[id]['patients'])} ({_shown(found[id]['pooled'])})" for id in results["classes"]]
            lines.append(f"{part + ', ' + name:<48}" + "   ".join(cells))
        gain = results.get(part, {}).get("gain", {})
        if gain:
            cells = [f"{id} {found['mean']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})" for id, found in gain.items()]
            lines.append(f"{part + ', network less definitions (95 %)':<48}" + "   ".join(cells))
    agreement = results["agreement"]
    if agreement:
        lines.append(
            f"{len(agreement['readers'])} readers, Fleiss' kappa {_shown(agreement['kappa'])} "
            f"on {agreement['shared_cases']} cases"
        )
        for pair, found in agreement["dice"].items():
            lines.append(f"Dice of {pair}: " + ", ".join(f"{name} {_shown(value)}" for name, value in found.items()))
    return "\n".join(["Dice: mean over patients (all areas together)", *lines])


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def card_text(results: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """The model's card as Markdown."""
    what = (
        "the labels that readers painted (what most of them say)"
        if results["agreement"]
        else ("what the written definitions say of simulated flows in at least half of the samples of flow and surface")
    )
    return "\n".join(
        [
            "# Model card: regions of the wall",
            "",
            f"Marks {', '.join(results['classes'])} on the sac's wall. Trained on {what}; {plan['cases']} cases of "
            f"{plan['patients']} patients. Research use; what it marks moves no grade.",
            "",
            "```",
            results_text(results),
            "```",
            "",
            f"SHA-256 of the model: {results['sha256']}; of its training cases: {plan['training_sha256']}; "
            f"aneuflow {plan['aneuflow']}.",
            "",
        ]
    )


def write_card(target: Path, results: Mapping[str, Any]) -> None:
    """Write target/card.md."""
    plan = json.loads((target / "plan.json").read_text("utf-8"))["card"]
    (target / "card.md").write_text(card_text(results, plan), "utf-8")
