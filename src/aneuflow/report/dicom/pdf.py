"""The report's PDF inside a DICOM object (PS3.3 A.45)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from aneuflow import __version__
from aneuflow.report.dicom.codes import MANUFACTURER, MEASUREMENT_REPORT
from aneuflow.report.dicom.study import file_meta, finish, new_uid, reference

SERIES_NUMBER = 9003
_TAKEN = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip


def encapsulated_pdf(study: Dataset, images: Sequence[Dataset], pdf: bytes, created: datetime) -> Dataset:
    """The PDF as an object of the study, naming the images it was made from."""
    result = Dataset()
    for name in _TAKEN:
        setattr(result, name, study.get(name, ""))
    result.SOPClassUID, result.SOPInstanceUID = EncapsulatedPDFStorage, new_uid()
    result.Modality, result.SeriesInstanceUID = "DOC", new_uid()
    result.SeriesNumber, result.InstanceNumber = SERIES_NUMBER, 1
    result.SeriesDescription = "aneuflow report, research use only"
    result.Manufacturer = result.ManufacturerModelName = MANUFACTURER
    result.SoftwareVersions, result.ConversionType = __version__, "WSD"
    result.ContentDate = result.InstanceCreationDate = created.strftime("%Y%m%d")
    result.ContentTime = result.InstanceCreationTime = created.strftime("%H%M%S")
    result.AcquisitionDateTime = ""
    result.BurnedInAnnotation = "NO"
    result.DocumentTitle = "Aneurysm report, research use only"
    result.ConceptNameCodeSequence = [_code(MEASUREMENT_REPORT)]
    if images:
        result.SourceInstanceSequence = [reference(image) for image in images]
    result.MIMETypeOfEncapsulatedDocument = "application/pdf"
    result.EncapsulatedDocumentLength = len(pdf)
    result.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    finish(result, study)
    result.file_meta = file_meta(result)
    return result


def _code(code: tuple[str, str, str]) -> Dataset:
    item = Dataset()
    item.CodingSchemeDesignator, item.CodeValue, item.CodeMeaning = code
    return item
