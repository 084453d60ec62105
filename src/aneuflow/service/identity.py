"""Whose images they are, for the sealed table alone; asked in the process that reads an upload."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from aneuflow.errors import InputError
from aneuflow.imaging import quiet_dicom
from aneuflow.imaging.dicom_files import dicom_openers

KEPT = ("PatientID", "PatientName", "PatientBirthDate", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID")
_TRIED = 20


def identity_of(path: Path) -> dict[str, str]:
    """What the first DICOM file under `path` says of patient and study; empty where none is DICOM."""
    if path.suffix.lower() not in ("", ".dcm", ".ima", ".zip"):
        return {}
    with quiet_dicom():
        try:
            openers = dicom_openers(path, "The upload")
        except InputError:
            return {}
        for opener in openers[:_TRIED]:
            try:
                with opener() as file:
                    header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(KEPT))
            except (InvalidDicomError, OSError, EOFError, ValueError):
                continue
            return {name: str(header.get(name, "")) for name in KEPT}
    return {}
