"""Images in: angiograms and label maps from the formats of the field, in patient LPS mm, without the patient's identity."""

from aneuflow.imaging.nrrd import write_label_nrrd
from aneuflow.imaging.original import Original, read_original
from aneuflow.imaging.quiet import quiet_dicom
from aneuflow.imaging.read import read_image, read_label_map

__all__ = ["Original", "quiet_dicom", "read_image", "read_label_map", "read_original", "write_label_nrrd"]
