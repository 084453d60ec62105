"""Which DICOM series a case has: rows for searches, kept with its files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from sqlalchemy import delete
from sqlalchemy.orm import Session

from aneuflow.service.child import DICOM, INDEX_FILE
from aneuflow.service.judgement import is_shown_before
from aneuflow.service.models import DicomSeries

INDEX = f"{DICOM}/{INDEX_FILE}"
_NAMES = ("series_uid", "study_uid", "patient_id", "modality", "attributes")


def keep_series(session: Session, case_id: str, folder: Path) -> None:
    """The rows of the case's series as the index in its folder of DICOM objects has them, none where there is no index."""
    session.execute(delete(DicomSeries).where(DicomSeries.case_id == case_id))
    file = folder / INDEX_FILE
    index = json.loads(gzip.decompress(file.read_bytes()))["series"] if file.exists() else []
    for series in index:
        paths = [instance["path"] for instance in series["instances"]]
        chosen = {name: series[name] for name in _NAMES}
        is_plain = all(map(is_shown_before, paths))
        session.add(DicomSeries(case_id=case_id, instances=len(paths), is_plain=is_plain, **chosen))


def is_listed(path: str) -> bool:
    """Whether a file stands in a case's list: slices and the index are found by DICOMweb, where they have names."""
    return not path.startswith(f"{DICOM}/images/") and path != INDEX
