"""Training of a surrogate on a database's compact form: cases prepared, networks trained, then judged on other patients."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import aneuflow
from aneuflow.case.files import read_json, write_json
from aneuflow.case.folder import file_hash
from aneuflow.errors import InputError, ResourceError
from aneuflow.pipeline.train_cycle import cycle_intervals, cycle_results, cycle_text
from aneuflow.surrogate import calibrate
from aneuflow.surrogate.cohort import SPLITS
from aneuflow.surrogate.compact import CASES, CHANNELS, read_compact
from aneuflow.surrogate.cycle import CYCLE, FIELDS, UNIT
from aneuflow.surrogate.network import CARD, KINDS, Ensemble, ask, load_ensemble, load_member
from aneuflow.surrogate.points import NUMBERS, SHAPE, Arrays, facts_of, numbers_of, prepare
from aneuflow.surrogate.predict_baselines import coarse_alone, coarse_scaled, nearest_shape, poiseuille
from aneuflow.surrogate.train.plan import BESIDE, FOLDS, TrainingPlan, fold_of
from aneuflow.types import Progress, no_progress

PREPARED, PULSATILE, TABLE, RESULTS = "prepared", "pulsatile", "cases.json", "results.json"
_MODES = {"coarse": "with coarse flow", "free": "without"}
_JUDGED = ("shear", "pressure", "numbers")
Flow = tuple[Any, Any]


@dataclass(frozen=True)
class SurrogateTraining:
    """How many networks of each kind, for how long, on a database solved at which lattice spacing."""

    members: int = 5
    epochs: int = 120
    resolution_mm: float = 0.24


def prepare_cases(
    compact: Path, target: Path, training: SurrogateTraining, progress: Progress = no_progress
) -> Mapping[str, int]:
    """Write the cases of a compact form as the network takes them, and the plan; gives the steady cases of each split.

    Pulsatile ones with a sac, on which nothing is trained, are kept apart.

    Raises InputError where `compact` is none, has nothing to train on, or `target` holds another training.
    """
    if not (compact / CASES).is_file():
        raise InputError(f"{compact} holds no {CASES}; give the folder that `aneuflow database pack` wrote.")
    plan = TrainingPlan(epochs=training.epochs)
    about = {
        "plan": json.loads(json.dumps(asdict(plan))),
        "resolution_mm": training.resolution_mm,
        "cases": {},
        "pulsatile": {},
    }
    about["training_sha256"] = compact_hash(compact)
    for split in SPLITS:
        rows, arrays = read_compact(compact, split)
        steady = [(place, row) for place, row in enumerate(rows) if row["kind"] == "steady"]
        folder, apart = target / PREPARED / split, target / PREPARED / PULSATILE
        folder.mkdir(parents=True, exist_ok=True)
        apart.mkdir(exist_ok=True)
        for done, (place, row) in enumerate(steady):
            progress(done / len(steady), f"preparing {split}")
            _prepare(row, _taken(arrays, place), folder)
        about["cases"][split] = _about(row for _, row in steady)
        beating = [(n, place) for n, place in enumerate(arrays.get("pulsatile", ())) if arrays["wall_region"][place].any()]
        for number, place in beating:
            row, cycle = rows[place], {name: arrays[channel][number] for name, channel in FIELDS.items()}
            _prepare(row, _taken(arrays, place), apart, {**cycle, UNIT: np.array(float(row["shear"]))})
        about["pulsatile"][split] = _about(rows[place] for _, place in beating)
    if not about["cases"]["train"]:
        raise InputError(f"{compact} holds no steady case to train on; run `aneuflow database run` further and pack again.")
    if (target / TABLE).exists() and read_json(target / TABLE) != about:
        raise InputError(f"{target} holds a training on other cases or settings; choose a new folder with -o.")
    write_json(target / TABLE, about)
    plan.write(target)
    return {split: len(cases) for split, cases in about["cases"].items()}


def _about(rows: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    return {row["id"]: {"patient": row["patient"], "shape": row["shape"]} for row in rows}


def _taken(arrays: Arrays, place: int) -> Arrays:
    """What a network is made from, of the case at `place` of its split."""
    return {name: values[place] for name, values in arrays.items() if name in CHANNELS and not CHANNELS[name].pulsatile}


def _prepare(row: Mapping[str, str], arrays: Arrays, folder: Path, cycle: Arrays | None = None) -> None:
    file = folder / f"{row['id']}.npz"
    if file.exists():
        return
    case = prepare(facts_of(row), arrays, np.random.default_rng(zlib.crc32(row["id"].encode())))
    known = numbers_of(row, "fine", float(row["pressure"]))
    case["numbers"] = np.array([known.get(id, np.nan) for id in NUMBERS], dtype=np.float32)
    case |= cycle or {}
    temporary = folder / f".{row['id']}.npz"
    np.savez(temporary, **case)  # type: ignore[arg-type]
    temporary.replace(file)


def train_members(target: Path, count: int, python: Path, threads: int) -> None:
    """Train `count` networks of each kind, `threads` each, side by side as fits; 0: one after another, each on all."""
    at_once = max(1, (os.cpu_count() or 1) // threads) if threads else 1
    with ThreadPoolExecutor(at_once) as pool:
        work = [(kind, "member", number) for number in range(count) for kind in KINDS]
        work += [(kind, "fold", number) for kind in KINDS for number in range(FOLDS[kind])]
        list(pool.map(lambda each: train_network(target, each[0], each[1], each[2], python, threads), work))


def train_beside(target: Path, python: Path, threads: int) -> None:
    """Train what the first member of each kind is held against (`plan.BESIDE`), one after another."""
    for kind in KINDS:
        for name in BESIDE:
            train_network(target, kind, "beside", name, python, threads)


def train_network(target: Path, kind: str, role: str, number: int | str, python: Path, threads: int) -> None:
    """Train one network, given a coarse flow or not, in a process of `python`, which needs torch and onnx but no other package.

    role: a "member" of the ensemble, one without a "fold" of the patients, or one "beside" them, whose number is its name.

    Raises ResourceError where the process failed.
    """
    given = [str(target), "--kind", kind, f"--{role}", str(number), "--threads", str(threads)]
    if code := run_apart(python, "aneuflow.surrogate.train", given):
        raise ResourceError(
            f"Training of {kind} {role} {number} ended with code {code}; {python} needs torch and onnx "
            "(pip install 'aneuflow[torch]'), or name another Python with --python."
        )


def run_apart(python: Path, module: str, given: Sequence[str]) -> int:
    """Run a module of aneuflow in a process of another `python`; gives its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        # Of this interpreter's packages the other one sees aneuflow alone.
        (Path(folder) / "aneuflow").symlink_to(Path(aneuflow.__file__).parent, target_is_directory=True)
        return subprocess.run([python, "-m", module, *given], env={**os.environ, "PYTHONPATH": folder}, check=False).returncode


def evaluate(target: Path, progress: Progress = no_progress) -> Mapping[str, Any]:
    """Intervals from cases of patients that their networks have not seen and limits from the training cases, kept in
    target/surrogate.json with the origin; then errors of networks and baselines on the test cases, by patient, kept in
    target/results.json and given.

    Without such cases there are no intervals, without test cases no errors: the parts are empty then.
    """
    if not (target / TABLE).is_file():
        raise InputError(f"{target} holds no {TABLE}; train with `aneuflow train surrogate COMPACT -o {target}` first.")
    about, ensemble = read_json(target / TABLE), load_ensemble(target)
    cases = {split: _read(target, split, about["cases"][split]) for split in SPLITS}
    intervals = {kind: _calibrated(target, ensemble, kind, cases, about["cases"]) for kind in KINDS}
    beating = {split: _read(target, PULSATILE, about["pulsatile"][split]) for split in SPLITS}
    if kept := _with_patients(beating, about["pulsatile"], SPLITS[:2]):
        intervals[CYCLE] = cycle_intervals(kept, _unseen(target, ensemble, "coarse", about["cases"]))
    card = {
        "aneuflow": aneuflow.__version__,
        "resolution_mm": about["resolution_mm"],
        "members": {kind: len(members) for kind, members in ensemble.members.items()},
        "cases": {split: len(found) for split, found in cases.items()},
        "patients": {split: len({entry["patient"] for entry in about["cases"][split].values()}) for split in SPLITS},
        "training_sha256": about["training_sha256"],
        "shape": list(SHAPE),
        "limits": calibrate.limits_of(np.stack([c["scalars"] for c in cases["train"].values() if c["region"].any()])),
        "intervals": intervals,
    }
    if CYCLE in intervals:
        card["pulsatile"] = {split: len(found) for split, found in beating.items()}
    results = {
        "methods": _compared(ensemble, cases, _real(about["cases"]), progress),
        "coverage": _covered(ensemble, cases["test"], intervals),
    }
    results["cycle"] = cycle_results(ensemble, beating["test"], _real(about["pulsatile"]), intervals.get(CYCLE, {}))
    results["beside"] = _beside(target, ensemble, cases)
    results["of_cases"] = {**card["cases"], "patients": card["patients"]}
    with_sac = [case for case in cases["test"].values() if case["region"].any()]
    declined = [case for case in with_sac if calibrate.outside(card["limits"], case["scalars"].astype(np.float64)) is not None]
    results["declined"] = {"cases": len(declined), "of": len(with_sac)}
    write_json(target / RESULTS, results)
    write_json(target / CARD, card)
    return results


def _real(about: Mapping[str, Any]) -> set[str]:
    """The test cases that nobody deformed."""
    return {id for id, entry in about["test"].items() if entry["shape"] == "real"}


def compact_hash(compact: Path) -> str:
    """SHA-256 of the names and contents of a compact form's files: the table of its cases and each split's arrays."""
    lines = [f"{name} {file_hash(compact / name)}" for name in sorted([CASES, *(f"{split}.npz" for split in SPLITS)])]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _read(target: Path, split: str, ids: Mapping[str, Any]) -> dict[str, Arrays]:
    made = {}
    for id in ids:
        with np.load(target / PREPARED / split / f"{id}.npz") as file:
            made[id] = {name: file[name] for name in file.files}
    return made


def _calibrated(
    target: Path, ensemble: Ensemble, kind: str, cases: Mapping[str, Mapping[str, Arrays]], about: Mapping[str, Any]
) -> dict[str, Any]:
    """From the validation cases; where there are networks of folds from all but the test cases, each by the one that has not
    seen its patient."""
    unseen = _unseen(target, ensemble, kind, about)
    known = _with_patients(cases, about, SPLITS[:2] if FOLDS[kind] else SPLITS[1:2])
    known = [(case, patient) for case, patient in known if case["region"].any()]
    found = [calibrate.scores(ask(unseen(patient), case, KINDS[kind]), case) for case, patient in known]
    return calibrate.conformal_factors(found, [patient for _, patient in known])


def _with_patients(
    cases: Mapping[str, Mapping[str, Arrays]], about: Mapping[str, Any], splits: Sequence[str]
) -> list[tuple[Arrays, str]]:
    return [(case, about[split][id]["patient"]) for split in splits for id, case in cases[split].items()]


def _unseen(target: Path, ensemble: Ensemble, kind: str, about: Mapping[str, Any]) -> Callable[[str], Ensemble]:
    """The networks that have not been trained on a patient's cases: that of his fold, or all of them where he has none."""
    fold = fold_of((entry["patient"] for split in SPLITS[:2] for entry in about[split].values()), max(FOLDS[kind], 1))
    files = [target / f"fold-{kind}-{number}.onnx" for number in range(FOLDS[kind])]
    asked = [replace(ensemble, members={kind: (load_member(file),)}) for file in files]
    return lambda patient: asked[fold[patient]] if asked and patient in fold else ensemble


def _methods(ensemble: Ensemble, training: Sequence[Arrays]) -> dict[str, Callable[[Arrays], Flow]]:
    def asked(coarse: bool) -> Callable[[Arrays], Flow]:
        def run(case: Arrays) -> Flow:
            answer = ask(ensemble, case, coarse)
            return answer.mean["shear"], answer.mean["pressure"]

        return run

    return {
        "network with coarse flow": asked(True),
        "coarse flow": coarse_alone,
        "coarse flow, scaled": lambda case: coarse_scaled(case, training),
        "network": asked(False),
        "nearest shape": lambda case: nearest_shape(case, training),
        "Poiseuille": poiseuille,
    }


def _compared(
    ensemble: Ensemble, cases: Mapping[str, Mapping[str, Arrays]], real: Collection[str], progress: Progress
) -> dict[str, Any]:
    """Errors by method: medians and 90th percentiles of all test cases, under "real" of the vessels that nobody deformed, and
    each case's."""
    test = {id: case for id, case in cases["test"].items() if case["region"].any()}
    methods = _methods(ensemble, list(cases["train"].values()))
    made: dict[str, Any] = {}
    for done, (name, method) in enumerate(methods.items()):
        progress(done / len(methods), f"evaluating {name}")
        each = {id: calibrate.errors(*method(case), case) for id, case in test.items()}
        if name in ("network with coarse flow", "network", "coarse flow"):
            for id, case in test.items():
                each[id] |= _number_errors(ensemble, case, name)
        undeformed = [found for id, found in each.items() if id in real]
        made[name] = {**calibrate.summaries(list(each.values())), "real": calibrate.summaries(undeformed), "cases": each}
    return made


def _number_errors(ensemble: Ensemble, case: Arrays, method: str) -> dict[str, float]:
    alone = method == "coarse flow"
    given = case["coarse_numbers_base"] if alone else ask(ensemble, case, method != "network").mean["numbers"]
    return calibrate.number_errors(given, case)


def _beside(target: Path, ensemble: Ensemble, cases: Mapping[str, Mapping[str, Arrays]]) -> dict[str, Any]:
    """Errors of single networks by kind and name, "points" the surrogate's own members, the cases of each counted; empty where
    nothing was trained beside them."""
    made: dict[str, Any] = {}
    for kind, coarse in KINDS.items():
        found = {name: file for name in BESIDE if (file := target / f"beside-{kind}-{name}.npz").is_file()}
        if not found:
            continue
        alone = [replace(ensemble, members={kind: (member,)}) for member in ensemble.members[kind]]
        made[kind] = {"points": {split: _judged(alone, cases[split], coarse) for split in SPLITS[1:]}}
        for name, file in found.items():
            with np.load(file) as answers:
                made[kind][name] = {split: _judged_answers(answers, cases[split]) for split in SPLITS[1:]}
                made[kind][name]["weights"] = int(answers["weights"])
    return made


def _judged(alone: Sequence[Ensemble], cases: Mapping[str, Arrays], coarse: bool) -> dict[str, Any]:
    with_sac = [case for case in cases.values() if case["region"].any()]
    return calibrate.summaries([_errors(ask(one, case, coarse).mean, case) for one in alone for case in with_sac])


def _judged_answers(answers: Mapping[str, Any], cases: Mapping[str, Arrays]) -> dict[str, Any]:
    with_sac = {id: case for id, case in cases.items() if case["region"].any()}
    each = [_errors({key: answers[f"{id}/{key}"] for key in _JUDGED}, case) for id, case in with_sac.items()]
    return calibrate.summaries(each)


def _errors(answer: Mapping[str, Any], case: Arrays) -> dict[str, float]:
    return calibrate.errors(answer["shear"], answer["pressure"], case) | calibrate.number_errors(answer["numbers"], case)


def _covered(ensemble: Ensemble, cases: Mapping[str, Arrays], intervals: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The share of test cases whose value lies within its interval, by mode and name."""
    made = {}
    for mode, coarse in KINDS.items():
        found = [calibrate.scores(ask(ensemble, case, coarse), case) for case in cases.values() if case["region"].any()]
        known = {name: [mine[name] for mine in found if name in mine] for name in intervals[mode]}
        made[mode] = {
            name: float(np.mean(np.array(values) <= intervals[mode][name]["factor"]))
            for name, values in known.items()
            if values
        }
    return made


def results_text(results: Mapping[str, Any]) -> str:
    """The errors on the test cases, a line each method: median / 90th percentile in per cent."""
    if not any(found["cases"] for found in results["methods"].values()):
        return "No test case has a sac, so nothing was compared."
    columns = ("sac_mean", "sac_l2", "sac_l2_of_maximum", "wall_pressure_l2", *NUMBERS)
    lines = [f"{'test, % median / 90th percentile':<34}" + "".join(f"{name:>20}" for name in columns)]
    for title in ("", "real"):
        lines += ["vessels that nobody deformed"] if title else []
        for method, found in results["methods"].items():
            cells = [(found[title] if title else found).get(name, {}) for name in columns]
            shown = [f"{100 * cell['median']:.1f} / {100 * cell['p90']:.1f}" if cell else "-" for cell in cells]
            lines.append(f"{method:<34}" + "".join(f"{text:>20}" for text in shown))
    lines += cycle_text(results.get("cycle", {}))
    for kind, found in results.get("beside", {}).items():
        lines.append(f"single networks {_MODES[kind]}, sac_l2 on validation and test")
        for name, one in found.items():
            cells = [one[split].get("sac_l2", {}) for split in SPLITS[1:]]
            shown = [f"{100 * cell['median']:.1f} / {100 * cell['p90']:.1f}" if cell else "-" for cell in cells]
            lines.append(f"{name:<34}" + "".join(f"{text:>20}" for text in shown))
    for mode, name in _MODES.items():
        shares = results["coverage"][mode].items()
        lines.append(f"intervals {name} hold " + ", ".join(f"{100 * share:.0f} % ({part})" for part, share in shares))
    lines.append("the networks decline {cases} of {of} test cases".format(**results["declined"]))
    return "\n".join(lines)
