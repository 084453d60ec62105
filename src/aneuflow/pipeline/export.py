"""A case's results in the formats others open: DICOM objects for an archive, label maps for image viewers."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from aneuflow.case import store
from aneuflow.case.files import read_json, write_nifti
from aneuflow.case.folder import CaseFolder, Manifest
from aneuflow.case.prediction_store import FOLDER as PREDICTION
from aneuflow.case.prediction_store import STAGE as PREDICT
from aneuflow.case.risk_store import read_risk
from aneuflow.errors import AneuflowError, InputError
from aneuflow.imaging import quiet_dicom, read_original, write_label_nrrd
from aneuflow.pipeline.run import IMPORT, current_stages
from aneuflow.pipeline.stages import GRADE
from aneuflow.report.dicom import (
    SourceImages,
    derived_series,
    encapsulated_pdf,
    lumen_labels,
    measurement_report,
    original_images,
    segmentation,
    study_header,
    surface_segmentation,
)
from aneuflow.report.text import note_text
from aneuflow.types import FloatArray, Measure, Note, Volume

NOTED = {
    "model": "model/model.json",
    "measure": "morphology/morphology.json",
    "boundary": "boundary/boundary.json",
    "simulate": "flow/hemodynamics.json",
    PREDICT: f"{PREDICTION}/hemodynamics.json",
}
_SAME_PLACE_MM = 1e-3


@dataclass(frozen=True)
class Exported:
    """What was written, and what could not be and why."""

    files: tuple[Path, ...]
    notes: tuple[Note, ...] = ()


def export_dicom(case_path: Path, target: Path, source: Path | None = None) -> Exported:
    """Write the results of a case as DICOM files into the new or empty folder `target`.

    With `source`, the original series, they bear its patient, study and references and so join it in an archive; without,
    they refer to a de-identified series written beside them, or to no image where the case has none. Raises InputError where
    the source is not the image that was assessed, ResourceError where the extra `dicom` is missing.
    """
    case = CaseFolder(case_path)
    manifest = case.manifest()
    if target.resolve().is_relative_to(case_path.resolve()):
        raise InputError(f"Folder {target} lies within the case, which holds no DICOM; choose one outside it.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is not an empty folder; choose a new one.")
    with case.locked(), quiet_dicom():
        current = _measured(case)
        images, study = _images(case, manifest, source)
        objects, notes = _results(case, current, images, study)
        own_series = images.headers if images is not None and source is None else ()
        return Exported(_write(target, objects, own_series), notes)


def export_labels(case_path: Path, target: Path) -> Exported:
    """Write the lumen model of a case as a label map (0, 1 artery, 2 sac) on its image's voxels: .nii, .nii.gz or .nrrd."""
    case = CaseFolder(case_path)
    manifest = case.manifest()
    is_nrrd = target.name.lower().endswith(".nrrd")
    if not is_nrrd and not target.name.lower().endswith((".nii", ".nii.gz")):
        raise InputError(f"{target.name} is no name of a label map; end it with .nii.gz or .nrrd.")
    with case.locked():
        _measured(case)
        grid = _grid(case, manifest)
        if grid is None:
            raise InputError(f"Case {case_path.name} began with a surface and has no voxels to write labels on.")
        affine, shape = grid
        labels = lumen_labels(store.read_model(case.stage_folder("model")), affine, shape)
        target.parent.mkdir(parents=True, exist_ok=True)
        (write_label_nrrd if is_nrrd else write_nifti)(target, labels, affine)
    return Exported((target,))


def _measured(case: CaseFolder) -> frozenset[str]:
    """The stages whose results are current; model and measures must be. Older ones belong to another model."""
    current = current_stages(case)
    if IMPORT not in current:
        raise InputError(
            f"The imported input of case {case.path.name} is damaged; run `aneuflow assess` on the original again."
        )
    for stage in ("model", "measure"):
        if stage not in current:
            raise InputError(
                f"Case {case.path.name} has no finished stage {stage} that is whole and current; "
                f"run `aneuflow measure {case.path}` first."
            )
    return current


def _images(case: CaseFolder, manifest: Manifest, source: Path | None) -> tuple[SourceImages | None, Dataset]:
    """The images that results refer to, and the patient and study they belong to."""
    volume = _volume(case, manifest)
    if source is not None:
        original = read_original(source)
        if volume is not None:
            _check_same(volume, original.volume)
        images = original_images(original.headers, original.planes, original.volume)
        return images, images.headers[0]
    seed = manifest.input["sha256"]
    if volume is None:
        return None, study_header(seed)
    images = derived_series(volume, seed)
    return images, images.headers[0]


def _results(
    case: CaseFolder, current: frozenset[str], images: SourceImages | None, study: Dataset
) -> tuple[dict[str, Any], tuple[Note, ...]]:
    objects: dict[str, Any] = {}
    notes = []
    headers = images.headers if images is not None else ()
    try:
        if images is not None:
            model = store.read_model(case.stage_folder("model"))
            objects["segmentation.dcm"] = segmentation(images, lumen_labels(model, images.affine, images.shape))
            risk = read_risk(case.stage_folder("risk")) if GRADE.name in current else None
            if risk is not None and risk.defined:
                objects["regions.dcm"] = surface_segmentation(images, objects["segmentation.dcm"], risk)
        else:
            notes.append(Note("dicom_without_images"))
        measures, comments = _measures(case, current), _comments(case, current)
        objects["measurements.dcm"] = measurement_report(study, headers, objects.get("segmentation.dcm"), measures, comments)
        if not current & {"simulate", PREDICT}:
            notes.append(Note("dicom_without_flow"))
        pdf = case.stage_folder("report") / "report.pdf"
        if "report" in current and pdf.exists():
            objects["report.dcm"] = encapsulated_pdf(study, headers, pdf.read_bytes(), datetime.now())
        else:
            notes.append(Note("dicom_without_pdf"))
    except AneuflowError:
        raise
    except Exception as error:  # the message may hold a patient's name
        raise InputError(
            f"The headers of the source images lack or garble what results must repeat ({type(error).__name__}); "
            "export them from the archive again, or export without --source."
        ) from None
    return objects, tuple(notes)


def _measures(case: CaseFolder, current: frozenset[str]) -> list[Measure]:
    measures = [*store.read_morphology(case.stage_folder("morphology")).measures]
    if "simulate" in current:
        measures += store.read_flow_measures(case.stage_folder("flow"))
    elif PREDICT in current:
        measures += store.read_flow_measures(case.stage_folder(PREDICTION))
    return measures


def _comments(case: CaseFolder, current: frozenset[str]) -> list[str]:
    """The assumptions and warnings behind the numbers, in English as the report's codes are."""
    found: dict[str, None] = {}
    if "simulate" not in current and PREDICT in current:
        found[note_text("en", Note("flow_predicted", {}))] = None
    for stage, name in NOTED.items():
        if stage in current and not (stage == PREDICT and "simulate" in current):
            notes = store.notes_from_json(read_json(case.path / name)["notes"])
            found.update({note_text("en", note): None for note in notes if note.kind != "information"})
    return list(found)


def _volume(case: CaseFolder, manifest: Manifest) -> Volume | None:
    return store.read_image(case.stage_folder("image")) if manifest.input["kind"] == "image" else None


def _grid(case: CaseFolder, manifest: Manifest) -> tuple[FloatArray, tuple[int, int, int]] | None:
    if manifest.input["kind"] == "surface":
        return None
    if manifest.input["kind"] == "image":
        volume = store.read_image(case.stage_folder("image"))
        affine, (nx, ny, nz) = volume.affine, volume.values.shape
    else:
        labels = store.read_labels(case.stage_folder("segmentation"))
        affine, (nx, ny, nz) = labels.affine, labels.labels.shape
    return affine, (nx, ny, nz)


def _check_same(assessed: Volume, given: Volume) -> None:
    same = assessed.values.shape == given.values.shape and np.allclose(assessed.affine, given.affine, atol=_SAME_PLACE_MM)
    if not same or not np.allclose(assessed.values, given.values, rtol=1e-5, atol=1e-3):
        raise InputError("The source images are not those the case was assessed from; give the same series, whole.")


def _write(target: Path, objects: dict[str, Any], series: tuple[Dataset, ...]) -> tuple[Path, ...]:
    """All files or none: they are written beside the target, which they become at the end."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".writing-{target.name}")
    shutil.rmtree(fresh, ignore_errors=True)
    named = {**objects, **{f"images/{number:04}.dcm": image for number, image in enumerate(series, start=1)}}
    try:
        for name, dataset in named.items():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            dataset.save_as(fresh / name, enforce_file_format=True)
        if target.exists():
            target.rmdir()
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return tuple(target / name for name in named)
