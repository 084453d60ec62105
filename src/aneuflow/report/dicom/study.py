"""What results attach to: the original images with their identity, or a de-identified series made from the case's volume."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pydicom.valuerep import DSfloat

from aneuflow import __version__
from aneuflow.errors import InputError, MethodError
from aneuflow.report.dicom.codes import MANUFACTURER
from aneuflow.types import Float32Array, FloatArray, Volume

_RIGHT_ANGLE = 1e-4
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "FrameOfReferenceUID")
_MAY_BE_EMPTY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
    "ReferringPhysicianName",
)  # fmt: skip
_DEIDENTIFIED = (
    "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class SourceImages:
    """The images a result refers to, as one grid.

    headers: one dataset a slice, or one of a multi-frame file; planes: for each slice along the third axis the index of its
    header, or of its frame; affine (4, 4) to LPS mm; shape (nx, ny, nz).
    """

    headers: tuple[Dataset, ...]
    planes: tuple[int, ...]
    affine: FloatArray
    shape: tuple[int, int, int]

    @property
    def multi_frame(self) -> bool:
        return "PerFrameFunctionalGroupsSequence" in self.headers[0]

    def in_file_order(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """values (nx, ny, nz) as frames (n, rows, columns) in the order of headers or of the file's own frames."""
        count = int(self.headers[0].NumberOfFrames) if self.multi_frame else len(self.headers)
        frames = np.zeros((count, values.shape[1], values.shape[0]), values.dtype)
        frames[list(self.planes)] = values.transpose(2, 1, 0)
        return frames


def original_images(headers: Sequence[Dataset], planes: Sequence[int], volume: Volume) -> SourceImages:
    """The user's own series as source: results bear its patient, study and UIDs.

    Raises InputError where the series lacks the UIDs that results would refer to it by.
    """
    lacking = sorted({name for name in _UIDS for header in headers if not header.get(name)})
    if lacking:
        raise InputError(f"The source images have no {', '.join(lacking)}, so nothing can refer to them; export them again.")
    for header in headers:
        for name in _MAY_BE_EMPTY:
            if name not in header:
                setattr(header, name, "")
    return SourceImages(tuple(headers), tuple(planes), volume.affine, _shape(volume.values))


def study_header(seed: str) -> Dataset:
    """Patient and study of a case without identity: pseudonym and study UID follow from `seed`, the input's SHA-256."""
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    header.PatientID, header.PatientName = f"ANF-{seed[:12]}", f"ANF-{seed[:12]}^"
    header.PatientBirthDate = header.PatientSex = ""
    header.StudyInstanceUID = _uid(seed, "study")
    header.StudyDate = header.StudyTime = header.StudyID = header.AccessionNumber = header.ReferringPhysicianName = ""
    mark_deidentified(header)
    return header


def finish(result: Dataset, study: Dataset) -> None:
    """What every result takes over from its study beyond the library's own: Unicode names, and whether identity is removed."""
    result.SpecificCharacterSet = "ISO_IR 192"
    for name in _DEIDENTIFIED:
        if study.get(name):
            setattr(result, name, study[name].value)
    removed = result.get("PatientIdentityRemoved") == "YES"
    if removed and not (result.get("DeidentificationMethod") or result.get("DeidentificationMethodCodeSequence")):
        # The standard wants a method; de-identified series met in practice leave it empty.
        result.DeidentificationMethod = "Not stated by the source images"


def own_series(number: int, description: str) -> dict[str, Any]:
    """What every result says of itself, as arguments of highdicom: the one object of a new series, and who made it."""
    return {
        "series_instance_uid": new_uid(),
        "series_number": number,
        "sop_instance_uid": new_uid(),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MANUFACTURER,
        "software_versions": __version__,
        "series_description": f"aneuflow {description}, research use only",
    }


def new_uid() -> UID:
    """A UID no other object has."""
    return generate_uid(prefix=None)


def mark_deidentified(dataset: Dataset) -> None:
    """State the profile by which the object holds no identity (DICOM PS3.15 Annex E)."""
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "113100", "DCM"
    code.CodeMeaning = "Basic Application Confidentiality Profile"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Made anew from voxels and geometry alone"
    dataset.DeidentificationMethodCodeSequence = [code]
    dataset.LongitudinalTemporalInformationModified = "REMOVED"


def derived_series(volume: Volume, seed: str) -> SourceImages:
    """The case's volume as single-frame CT (CTA, 3DRA) or MR images with pixels, for results to refer to.

    UIDs follow from `seed`, so the same input gives the same series. Grids with rows and columns at right angles are kept as
    they are, tilted ones included. Raises MethodError for a grid that has no two axes at right angles.
    """
    values, affine = _with_planes(volume)
    stored, slope, intercept = _stored(values)
    common = _series_header(volume, seed, affine, stored, slope, intercept)
    burned_in = any(note.code == "burned_in_annotation" for note in volume.notes)
    common.BurnedInAnnotation = "YES" if burned_in else "NO"
    images = []
    for k in range(stored.shape[2]):
        image = deepcopy(common)
        image.SOPInstanceUID = _uid(seed, f"image {k}")
        image.InstanceNumber = k + 1
        image.ImagePositionPatient = _numbers((affine @ [0, 0, k, 1])[:3])
        image.PixelData = np.ascontiguousarray(stored[:, :, k].T).tobytes()
        image.file_meta = file_meta(image)
        images.append(image)
    return SourceImages(tuple(images), tuple(range(len(images))), affine, _shape(values))


def _series_header(
    volume: Volume, seed: str, affine: FloatArray, stored: npt.NDArray[Any], slope: float, intercept: float
) -> Dataset:
    header = study_header(seed)
    is_mr = volume.modality == "MRA"
    header.SOPClassUID = MRImageStorage if is_mr else CTImageStorage
    header.Modality = "MR" if is_mr else "CT"
    header.SeriesInstanceUID, header.FrameOfReferenceUID = _uid(seed, "series"), _uid(seed, "frame of reference")
    header.SeriesNumber, header.SeriesDescription = 1, f"{volume.modality} as assessed, de-identified"
    header.Manufacturer, header.SoftwareVersions = MANUFACTURER, __version__
    header.ImageType = ["DERIVED", "SECONDARY", "OTHER" if is_mr else "AXIAL"]
    header.DerivationDescription = "Volume of an aneuflow case"
    header.BodyPartExamined = "HEAD"
    header.PatientPosition = header.PositionReferenceIndicator = header.AcquisitionNumber = ""
    if is_mr:
        header.ScanningSequence, header.SequenceVariant, header.MRAcquisitionType = "RM", "NONE", "3D"
        header.ScanOptions = header.EchoTime = header.RepetitionTime = header.EchoTrainLength = ""
    else:
        header.KVP = ""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    header.ImageOrientationPatient = _numbers((affine[:3, :2] / spacing[:2]).T.ravel())
    header.PixelSpacing, header.SliceThickness = _numbers(spacing[[1, 0]]), _numbers(spacing[2:])[0]
    header.Columns, header.Rows = stored.shape[:2]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated = header.BitsStored = 16
    header.HighBit, header.PixelRepresentation = 15, int(stored.dtype == np.int16)
    # The MR object has no such scale of its own, though readers know it; it is left out where it would do nothing.
    if not is_mr or (slope, intercept) != (1.0, 0.0):
        header.RescaleSlope, header.RescaleIntercept = _numbers([slope])[0], _numbers([intercept])[0]
        header.RescaleType = "US"
    return header


def _with_planes(volume: Volume) -> tuple[Float32Array, FloatArray]:
    """The volume with its axes turned so that the first two are at right angles, as rows and columns of DICOM must be."""
    axes = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    for order in ((0, 1, 2), (0, 2, 1), (1, 2, 0)):
        if abs(float(axes[:, order[0]] @ axes[:, order[1]])) < _RIGHT_ANGLE:
            return volume.values.transpose(order), volume.affine[:, [*order, 3]]
    raise MethodError("No two axes of the image are at right angles, so DICOM cannot hold it; resample it to a straight grid.")


def _stored(values: Float32Array) -> tuple[npt.NDArray[Any], float, float]:
    """Values as 16-bit integers with slope and intercept: exact for whole numbers, else within a 65535th of their range."""
    low, high = float(values.min()), float(values.max())
    if low >= -32768 and high <= 32767 and bool((values == np.round(values)).all()):
        return values.astype(np.int16), 1.0, 0.0
    slope, intercept = float(_numbers([(high - low) / 65534])[0]), float(_numbers([low])[0])
    return np.clip(np.round((values.astype(np.float64) - intercept) / slope), 0, 65535).astype(np.uint16), slope, intercept


def _uid(seed: str, what: str) -> UID:
    """A UID of the 2.25 kind (PS3.5 B.2) that only the same seed gives again."""
    return UID(f"2.25.{int.from_bytes(hashlib.sha256(f'{seed} {what}'.encode()).digest()[:16], 'big')}")


def _numbers(values: Any) -> list[DSfloat]:
    return [DSfloat(float(value) + 0.0, auto_format=True) for value in values]


def _shape(values: Float32Array) -> tuple[int, int, int]:
    nx, ny, nz = values.shape
    return nx, ny, nz


def reference(image: Dataset) -> Dataset:
    """An item of a sequence that refers to the image."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    return item


def file_meta(image: Dataset) -> FileMetaDataset:
    """The head of the file that holds the dataset (PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return meta
