"""DICOM series written for a test, single-frame or enhanced multi-frame, with whatever faults the test asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    XRay3DAngiographicImageStorage,
    generate_uid,
)

WriteSlice = Callable[..., Path]


def slice_pixels(k: int, shape: tuple[int, int] = (20, 16)) -> np.ndarray:
    """Stored values of slice k: different in every voxel of the volume, so that a swap of any two axes shows."""
    rows, columns = np.indices(shape)
    return (1000 * k + 20 * rows + columns).astype(np.int16)


def slice_writer(folder: Path) -> WriteSlice:
    """Writes one CT slice to a file in `folder`; keyword arguments replace header elements, `pixels` the image."""
    uid = generate_uid()

    def write(name: str, k: int, position: Any, pixels: np.ndarray | None = None, **header: Any) -> Path:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / name
        folder.mkdir(exist_ok=True)
        pixels = slice_pixels(k) if pixels is None else pixels
        dataset = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
        values = {
            "SOPClassUID": CTImageStorage,
            "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
            "SeriesInstanceUID": uid,
            "Modality": "CT",
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "ContrastBolusAgent": "agent",
            "Rows": pixels.shape[0],
            "Columns": pixels.shape[1],
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "BitsAllocated": 16,
            "BitsStored": 16,
            "HighBit": 15,
            "PixelRepresentation": 1,
            "PixelSpacing": [0.5, 0.4],
            "SliceThickness": "0.7",
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "ImagePositionPatient": [float(f"{x:.6f}") for x in position],
            "RescaleSlope": "1",
            "RescaleIntercept": "-1024",
            "InstanceNumber": str(k + 1),
        }
        for key, value in {**values, **header}.items():
            setattr(dataset, key, value)
        dataset.PixelData = pixels.tobytes()
        pydicom.dcmwrite(path, dataset, enforce_file_format=True)
        return path

    return write


ENHANCED = {"CT": EnhancedCTImageStorage, "MR": EnhancedMRImageStorage, "XA": XRay3DAngiographicImageStorage}


def item(**values: Any) -> Dataset:
    """A sequence item."""
    dataset = Dataset()
    for key, value in values.items():
        setattr(dataset, key, value)
    return dataset


def write_enhanced(
    path: Path, modality: str, order: list[int], positions: Any, orientation: Any, rescale: Any = None, **header: Any
) -> Path:
    """One enhanced multi-frame file whose frames are the slices `order` of the stack, each at its own of `positions`.

    rescale: slope and intercept of slice k, per frame; header: elements of the file; `phases` the temporal index of each frame,
    `spacing` that of rows and columns.
    """
    phases, spacing = header.pop("phases", [1] * len(order)), header.pop("spacing", [0.5, 0.4])
    pixels = np.stack([slice_pixels(k) for k in order])
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ENHANCED[modality], generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(path, {}, file_meta=meta, preamble=bytes(128))
    values = {
        "SOPClassUID": ENHANCED[modality], "SOPInstanceUID": meta.MediaStorageSOPInstanceUID, "Modality": modality,
        "SeriesInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid(),
        "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], "NumberOfFrames": len(order), "Rows": pixels.shape[1],
        "Columns": pixels.shape[2], "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16,
        "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 1, "PatientName": "Zhivago^Yuri", "PatientID": "7",
    }  # fmt: skip
    for key, value in {**values, **header}.items():
        setattr(dataset, key, value)
    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=spacing, SliceThickness="0.7")],
        PlaneOrientationSequence=[item(ImageOrientationPatient=[float(f"{x:.9f}") for x in orientation])],
    )
    frames = []
    for k, phase in zip(order, phases, strict=True):
        slope, intercept = rescale(k) if rescale else (1.0, -1024.0)
        frames.append(
            item(
                PlanePositionSequence=[item(ImagePositionPatient=[float(f"{x:.6f}") for x in positions[k]])],
                FrameContentSequence=[item(TemporalPositionIndex=phase)],
                PixelValueTransformationSequence=[
                    item(RescaleSlope=str(slope), RescaleIntercept=str(intercept), RescaleType="US")
                ],
            )
        )
    dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence = [shared], frames
    dataset.PixelData = pixels.tobytes()
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path
