"""A case as DICOM objects beside its folder, for DICOMweb: images and results without identity, and an index of them."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from aneuflow.case import store
from aneuflow.case.folder import CaseFolder
from aneuflow.errors import AneuflowError
from aneuflow.imaging import quiet_dicom
from aneuflow.pipeline.export import export_dicom
from aneuflow.report.dicom import derived_series
from aneuflow.service.child import DICOM, INDEX_FILE

# What a search answers of a study and of a series (PS3.18 10.6.3); the counts are added where it is asked.
STUDY_FIELDS = (
    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "PatientName", "PatientID", "PatientBirthDate",
    "PatientSex", "StudyInstanceUID", "StudyID",
)  # fmt: skip
SERIES_FIELDS = ("Modality", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber")
_BULKY = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")
_MOST_INLINE = 1024


def write_images(case_path: Path, folder: Path) -> None:
    """The case's image as a de-identified series with its index; nothing where it has none, or one that DICOM cannot hold."""
    case = CaseFolder(case_path)
    described = case.manifest().input
    if described["kind"] != "image":
        return
    target = folder / DICOM / "images"
    target.mkdir(parents=True)
    try:
        images = derived_series(store.read_image(case.stage_folder("image")), described["sha256"]).headers
    except AneuflowError:
        images = ()
    for number, image in enumerate(images, start=1):
        image.save_as(target / f"{number:04}.dcm", enforce_file_format=True)
    _write_index(folder / DICOM)


def write_results(case_path: Path, folder: Path) -> None:
    """The objects of `aneuflow export --dicom` in the place of those before, and their index.

    Where they cannot be made (the extra `dicom` is missing, the case ended before its measures) the images alone stay.
    """
    fresh, target = folder / f"{DICOM}.fresh", folder / DICOM
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        export_dicom(case_path, fresh)
    except AneuflowError:
        if target.exists():
            _write_index(target)
        return
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    _write_index(target)


def _write_index(folder: Path) -> None:
    """Each series with what a search answers of it, and its instances with their metadata, bulk data left out."""
    series: dict[str, dict[str, Any]] = {}
    with quiet_dicom():
        for file in sorted(folder.rglob("*.dcm")):
            dataset = pydicom.dcmread(file)
            found = series.setdefault(str(dataset.SeriesInstanceUID), _series(dataset))
            path = f"{DICOM}/{file.relative_to(folder).as_posix()}"
            dataset.walk(_drop_bulk)
            metadata = dataset.to_json_dict(suppress_invalid_tags=True)
            found["instances"].append({"uid": str(dataset.SOPInstanceUID), "path": path, "metadata": metadata})
    content = json.dumps({"series": list(series.values())}).encode()
    (folder / INDEX_FILE).write_bytes(gzip.compress(content, compresslevel=5, mtime=0))


def _series(dataset: Dataset) -> dict[str, Any]:
    return {
        "series_uid": str(dataset.SeriesInstanceUID),
        "study_uid": str(dataset.StudyInstanceUID),
        "patient_id": str(dataset.PatientID),
        "modality": str(dataset.Modality),
        "attributes": {"study": _chosen(dataset, STUDY_FIELDS), "series": _chosen(dataset, SERIES_FIELDS)},
        "instances": [],
    }


def _chosen(dataset: Dataset, names: Iterable[str]) -> dict[str, Any]:
    chosen = Dataset()
    for name in names:
        if name in dataset:
            chosen.add(dataset[name])
    return dict(chosen.to_json_dict())


def _drop_bulk(dataset: Dataset, element: DataElement) -> None:
    if element.VR in _BULKY and len(element.value or b"") > _MOST_INLINE:
        del dataset[element.tag]
