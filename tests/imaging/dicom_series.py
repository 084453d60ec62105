"""DICOM series written for a test: a tube in water, with whatever faults the test asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

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
