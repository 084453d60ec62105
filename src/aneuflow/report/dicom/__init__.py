"""Results as DICOM objects that refer to the images they come from: segmentation, surfaces, structured report, PDF."""

from aneuflow.report.dicom.labels import lumen_labels
from aneuflow.report.dicom.pdf import encapsulated_pdf
from aneuflow.report.dicom.seg import segmentation
from aneuflow.report.dicom.sr import measurement_report
from aneuflow.report.dicom.study import SourceImages, derived_series, original_images, study_header
from aneuflow.report.dicom.surfaces import surface_segmentation

__all__ = [
    "SourceImages",
    "derived_series",
    "encapsulated_pdf",
    "lumen_labels",
    "measurement_report",
    "original_images",
    "segmentation",
    "study_header",
    "surface_segmentation",
]
