"""Images in: angiograms and label maps from the formats of the field, in patient LPS mm, without the patient's identity."""

from aneuflow.imaging.read import read_image, read_label_map

__all__ = ["read_image", "read_label_map"]
