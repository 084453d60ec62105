"""DICOM segmentation of artery and sac on the source images (PS3.3 A.51)."""

from __future__ import annotations

from typing import Any

import numpy as np

from aneuflow import __version__
from aneuflow.report.dicom.codes import (
    ABNORMAL_STRUCTURE,
    ANEURYSM,
    ARTERY,
    BODY_STRUCTURE,
    INTRACRANIAL,
    MANUFACTURER,
    SURFACE_MODEL,
    concept,
    highdicom,
)
from aneuflow.report.dicom.study import SourceImages, finish, new_uid, own_series
from aneuflow.report.plots import ARTERY_COLOR, SAC_COLOR
from aneuflow.types import LABEL_ANEURYSM, LABEL_ARTERY, ByteArray

SERIES_NUMBER = 9001
SEGMENTS = {
    LABEL_ARTERY: ("Parent artery and branches", BODY_STRUCTURE, ARTERY, ARTERY_COLOR),
    LABEL_ANEURYSM: ("Aneurysm sac", ABNORMAL_STRUCTURE, ANEURYSM, SAC_COLOR),
}


def segmentation(source: SourceImages, labels: ByteArray) -> Any:
    """A binary Segmentation (highdicom dataset) with one segment for each label there is: 1 artery, 2 sac.

    labels (nx, ny, nz) uint8 on the grid of `source`. Frames without a voxel are left out, as viewers expect.
    """
    hd = highdicom()
    present = [label for label in SEGMENTS if (labels == label).any()]
    numbers = np.zeros(max(SEGMENTS) + 1, np.uint8)
    numbers[present] = np.arange(1, len(present) + 1)
    result = hd.seg.Segmentation(
        source_images=list(source.headers),
        pixel_array=source.in_file_order(numbers[labels]),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_description(number, label) for number, label in enumerate(present, start=1)],
        device_serial_number="none",
        content_label="LUMEN",
        content_description="Lumen that was measured; research use only",
        **own_series(SERIES_NUMBER, "lumen and sac"),
    )
    finish(result, source.headers[0])
    return result


def _description(number: int, label: int) -> Any:
    hd = highdicom()
    name, category, kind, color = SEGMENTS[label]
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=concept(category),
        segmented_property_type=concept(kind),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=MANUFACTURER, family=concept(SURFACE_MODEL), version=__version__, source=MANUFACTURER
        ),
        tracking_uid=new_uid(),
        tracking_id=name,
        anatomic_regions=[concept(INTRACRANIAL)],
        display_color=hd.color.CIELabColor.from_string(color),
    )
