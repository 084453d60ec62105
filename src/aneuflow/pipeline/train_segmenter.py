"""A user's labeled angiograms, in nnU-Net or Medical Decathlon layout, made ready for the training of a segmenter."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

import aneuflow
from aneuflow.case.files import read_json, write_json
from aneuflow.errors import InputError, ResourceError
from aneuflow.imaging.read import read_image, read_label_values
from aneuflow.numerics.resample import resample_isotropic
from aneuflow.segmentation.intensity import artery_level, at_level, normalized
from aneuflow.segmentation.train.plan import FILE, TrainingPlan
from aneuflow.types import Progress, no_progress

FINGERPRINT, FOLDS, PREPARED = "fingerprint.json", "folds.json", "prepared"
FINAL = "all"
_ARTERY, _ANEURYSM = ("artery", "arteries", "vessel", "vessels", "lumen"), ("aneurysm", "aneurysms", "sac")
_COARSEST_MM, _FINEST_MM, _STEP_MM = 1.0, 0.3, 0.05


@dataclass(frozen=True)
class LabeledCase:
    """One angiogram with its labels; cases of one patient are never parted by a fold."""

    name: str
    patient: str
    image: Path
    labels: Path


@dataclass(frozen=True)
class LabeledCohort:
    """All cases; classes: their names in the order of training, values: the label value of each; is_ct: all are in HU."""

    cases: tuple[LabeledCase, ...]
    classes: tuple[str, ...]
    values: tuple[int, ...]
    is_ct: bool


def read_cohort_layout(folder: Path) -> LabeledCohort:
    """The training cases of a folder with dataset.json, labelsTr and imagesTr. Raises InputError naming what is wrong.

    dataset.json may hold "patients": {case: patient}; else every case is a patient of its own.
    """
    file = folder / "dataset.json"
    if not file.is_file():
        raise InputError(f"{folder} has no dataset.json; give a folder in nnU-Net or Medical Decathlon layout.")
    try:
        about: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{file} is no JSON: {error}; correct it.") from error
    channels = about.get("channel_names") or about.get("modality") or {}
    if len(channels) != 1:
        raise InputError(f"{file} names {len(channels)} channels; an angiogram has one.")
    classes, values = _classes(about.get("labels", {}), file)
    patients = about.get("patients", {})
    cases = tuple(
        LabeledCase(name, str(patients.get(name, name)), image, labels) for name, image, labels in _files(folder, about)
    )
    if len({case.patient for case in cases}) < 2:
        raise InputError(f"{folder} holds cases of {len({case.patient for case in cases})} patient; two at least are needed.")
    return LabeledCohort(cases, classes, values, str(next(iter(channels.values()))).upper() in ("CT", "CTA"))


def _classes(labels: Mapping[str, Any], file: Path) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names and values in the order background, artery, aneurysm, others; Decathlon writes {value: name}."""
    turned = all(str(key).isdecimal() for key in labels)
    named = {str(name).lower(): int(value) for value, name in labels.items()} if turned else None
    if named is None:
        try:
            named = {str(name).lower(): int(value) for name, value in labels.items()}
        except (TypeError, ValueError):
            raise InputError(f"{file}: labels must be name to number; regions of several labels are not taken.") from None
    artery = next((name for name in _ARTERY if name in named), None)
    if artery is None:
        raise InputError(f"{file} names no label artery (or vessel, lumen); name it so.")
    aneurysm = next((name for name in _ANEURYSM if name in named), None)
    others = [name for name, value in named.items() if name not in (artery, aneurysm) and value != 0]
    values = [0, named[artery], named[aneurysm] if aneurysm else -1, *(named[name] for name in others)]
    return ("background", "artery", "aneurysm", *others), tuple(values)


def _files(folder: Path, about: Mapping[str, Any]) -> Sequence[tuple[str, Path, Path]]:
    """Name, image and labels of each training case; what is listed must be there."""
    ending = str(about.get("file_ending", ".nii.gz"))
    listed = about.get("training")
    if isinstance(listed, list) and listed and isinstance(listed[0], Mapping):
        pairs = [(folder / str(entry["image"]), folder / str(entry["label"])) for entry in listed]
        found = [(labels.name.split(".")[0], image, labels) for image, labels in pairs]
    else:
        names = sorted(file.name.removesuffix(ending) for file in (folder / "labelsTr").glob(f"*{ending}"))
        found = [
            (name, folder / "imagesTr" / f"{name}_0000{ending}", folder / "labelsTr" / f"{name}{ending}") for name in names
        ]
    if not found:
        raise InputError(f"{folder} holds no training case: labelsTr has no file *{ending}; check file_ending in dataset.json.")
    for _, image, labels in found:
        for file in (image, labels):
            if not file.is_file():
                raise InputError(f"{file} is missing; every training case needs image and labels.")
    return found


def prepare(cohort: LabeledCohort, target: Path, folds: int, epochs: int, progress: Progress = no_progress) -> tuple[str, ...]:
    """Fingerprint, plan, folds by patient and the images on the plan's voxels, into `target`; gives the folds' names.

    Where the plan is there already, all is taken as it is, so that an interrupted training goes on.
    """
    if (target / FILE).exists():
        return tuple(name for name in read_json(target / FOLDS) if name != FINAL)
    (target / PREPARED).mkdir(parents=True, exist_ok=True)
    fingerprint = {case.name: _fingerprint(case) for case in cohort.cases}
    spacing = float(np.median([entry["cube_mm"] for entry in fingerprint.values()]))
    spacing = round(float(np.clip(spacing, _FINEST_MM, _COARSEST_MM)) / _STEP_MM) * _STEP_MM
    edge = float(np.median([min(entry["size_mm"]) for entry in fingerprint.values()])) / spacing
    plan = TrainingPlan(
        spacing_mm=round(spacing, 3),
        patch=48 if edge >= 48 else 32,
        classes=cohort.classes,
        epochs=epochs,
        coarse_share=0.12 if edge >= 64 else 0.0,
        is_ct=cohort.is_ct,
    )
    for done, case in enumerate(cohort.cases):
        progress(done / len(cohort.cases), f"preparing {case.name}")
        if not (target / PREPARED / f"{case.name}.npz").exists():
            _prepare_case(case, cohort, plan, target / PREPARED)
    write_json(target / FINGERPRINT, fingerprint)
    parted = folds_by_patient(cohort.cases, folds)
    write_json(target / FOLDS, parted)
    plan.write(target)
    return tuple(name for name in parted if name != FINAL)


def train_fold(target: Path, fold: str, python: Path, name: str, threads: int) -> None:
    """Train one fold of a prepared folder in a process of `python`, which needs torch and onnx but no other package.

    Raises InputError where there is no such fold, ResourceError where the process failed.
    """
    known = tuple(read_json(target / FOLDS))
    if fold not in known:
        raise InputError(f'--fold "{fold}" is none of {", ".join(known)}; correct it.')
    with tempfile.TemporaryDirectory() as folder:
        # Of this interpreter's packages the other one sees aneuflow alone.
        (Path(folder) / "aneuflow").symlink_to(Path(aneuflow.__file__).parent, target_is_directory=True)
        given = [str(target), "--fold", fold, "--name", name, "--threads", str(threads)]
        done = subprocess.run(
            [python, "-m", "aneuflow.segmentation.train", *given], env={**os.environ, "PYTHONPATH": folder}, check=False
        )
    if done.returncode:
        raise ResourceError(
            f"Training of fold {fold} ended with code {done.returncode}; {python} needs torch and onnx "
            "(pip install 'aneuflow[torch]'), or name another Python with --python."
        )


def _fingerprint(case: LabeledCase) -> dict[str, Any]:
    volume = read_image(case.image, "auto")
    steps = np.linalg.norm(volume.affine[:3, :3], axis=0)
    shape = volume.values.shape
    return {
        "patient": case.patient,
        "shape": shape,
        "spacing_mm": np.round(steps, 4),
        "cube_mm": float(abs(np.linalg.det(volume.affine[:3, :3])) ** (1 / 3)),
        "size_mm": np.round(steps * shape, 2),
        "percentiles_1_50_99": np.percentile(volume.values, (1, 50, 99)),
    }


def _prepare_case(case: LabeledCase, cohort: LabeledCohort, plan: TrainingPlan, folder: Path) -> None:
    modality: Literal["CTA", "MRA"] = "CTA" if cohort.is_ct else "MRA"
    volume = read_image(case.image, modality)
    values, affine = read_label_values(case.labels)
    if values.shape != volume.values.shape or not np.allclose(affine, volume.affine, atol=1e-3):
        raise InputError(f"{case.labels} does not lie on the voxels of {case.image.name}; resample the one to the other.")
    unknown = sorted(set(np.unique(values).tolist()) - set(cohort.values))
    if unknown:
        raise InputError(f"{case.labels} holds the value {unknown[0]:g}, which dataset.json does not name.")
    image, _ = resample_isotropic(volume.values, affine, plan.spacing_mm, order=3)
    best = np.full(image.shape, -1.0, np.float32)
    labels, share = np.zeros(image.shape, np.uint8), np.zeros(image.shape, np.float32)
    for index, value in enumerate(cohort.values):
        # What fills most of a new voxel is its label, so thin vessels are not lost between old voxels.
        filled, _ = resample_isotropic((values == value).astype(np.float32), affine, plan.spacing_mm, order=1)
        labels[filled > best] = index
        best = np.maximum(best, filled)
        if index in (1, 2):
            share += filled
    temporary = folder / f".{case.name}.npz"
    scaled = normalized(image, cohort.is_ct)
    if plan.leveled:
        scaled = at_level(scaled, artery_level(scaled, share))
    np.savez_compressed(
        temporary,
        image=scaled.astype(np.float16),
        labels=labels,
        share=np.round(255 * np.clip(share, 0, 1)).astype(np.uint8),
    )
    temporary.replace(folder / f"{case.name}.npz")


def folds_by_patient(cases: Sequence[LabeledCase], folds: int, seed: int = 7) -> dict[str, dict[str, list[str]]]:
    """Each fold's training and validation cases by name: every patient validates once; `all` trains on all of them."""
    patients = sorted({case.patient for case in cases})
    order = np.random.default_rng(seed).permutation(len(patients))
    count = min(folds, len(patients))
    fold_of = {patients[place]: rank % count for rank, place in enumerate(order)}
    made = {
        str(fold): {
            "train": [case.name for case in cases if fold_of[case.patient] != fold],
            "validation": [case.name for case in cases if fold_of[case.patient] == fold],
        }
        for fold in range(count)
    }
    return {**made, FINAL: {"train": [case.name for case in cases], "validation": []}}
