"""One DICOM file as the image planes it holds, single-frame or enhanced multi-frame, and nothing that names a person."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom

from aneuflow.imaging.dicom_files import Opener, is_bare_dicom, refuse_inflated
from aneuflow.imaging.quiet import quiet_dicom
from aneuflow.types import FloatArray

# Only these are ever parsed: names, dates, comments and accession numbers do not enter the program.
_TAGS = [
    "SOPClassUID", "SeriesInstanceUID", "Modality", "ImageType", "SeriesDescription", "ProtocolName", "Rows", "Columns",
    "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "SliceThickness", "RescaleSlope", "RescaleIntercept", "EchoTime", "TemporalPositionIdentifier",
    "ContrastBolusAgent", "ContrastBolusAgentSequence", "ConvolutionKernel", "AngioFlag", "TimeOfFlightContrast",
    "BurnedInAnnotation", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
_SCREEN_PICTURES = frozenset({"SCREEN SAVE", "SCREENSAVE", "CAPTURE"})
# Enhanced series of a head hold some thousand frames; a header that claims more is damaged or hostile.
_MAX_FRAMES = 20_000
_KEY_WORDS = frozenset(
    {"CTA", "MRA", "ANGIO", "ANGIOGRAPHY", "ANGIOGRAM", "TOF", "3DRA", "ROTATION", "ROTATIONAL", "ARTERIAL", "ARTERY"}
    | {"CAROTID", "CIRCLE", "WILLIS", "COW", "DSA", "XPERCT", "DYNACT", "VENOUS", "VEIN", "VEINS", "MRV", "CTV"}
    | {"MIP", "MPR", "VRT", "LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW", "PERFUSION", "BONE"}
)
_KERNEL = re.compile(r"[A-Z]{1,2}[a-z]?\d{2}[a-z]?|STANDARD|SOFT|DETAIL|BONE|BONEPLUS|LUNG|EDGE|FC\d{2}")


@dataclass(frozen=True)
class SeriesTraits:
    """What tells an angiographic series from others; free text is kept only as known key words.

    angiographic: the scanner itself says so (magnitude MR with its angiography flag, time of flight).
    """

    modality: str
    image_type: tuple[str, ...]
    key_words: frozenset[str]
    contrast: bool
    angiographic: bool
    kernel: str | None
    photometric: str


@dataclass(frozen=True, eq=False)
class Frame:
    """One image plane. position, row and column (3,) mm and unit vectors in LPS, None where the file gives no geometry.

    spacing: distance between rows and between columns, mm. `echo` separates the images a series takes at one place.
    """

    opener: Opener
    index: int
    shape: tuple[int, int]
    position: FloatArray | None
    row: FloatArray | None
    column: FloatArray | None
    spacing: tuple[float, float] | None
    thickness_mm: float
    slope: float
    intercept: float
    echo: str
    burned_in: bool

    @property
    def placed(self) -> bool:
        """Whether the file says where in the patient the plane lies."""
        return self.position is not None and self.row is not None and self.spacing is not None


def read_frames(opener: Opener) -> tuple[str, SeriesTraits, list[Frame]] | None:
    """The series the file belongs to (an opaque key), its traits and its frames; None where the file is no DICOM image.

    Raises ValueError where it is a DICOM file that cannot be understood.
    """
    with quiet_dicom():
        try:
            with opener() as file:
                refuse_inflated(file)
                bare = is_bare_dicom(file)
                header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS, force=bare)
        except pydicom.errors.InvalidDicomError:
            return None
        except Exception as error:  # a damaged file can break the parser anywhere
            raise ValueError("unreadable header") from error
        try:
            if not header.get("Rows"):
                return None
            count = int(header.get("NumberOfFrames") or 1)
            if not 0 < count <= _MAX_FRAMES:
                raise ValueError(f"{count} frames")
            frames = [_frame(header, opener, index) for index in range(count)]
            return str(header.get("SeriesInstanceUID")), _traits(header), frames
        except Exception as error:
            raise ValueError("header with values of the wrong kind") from error


def _traits(header: pydicom.Dataset) -> SeriesTraits:
    text = f"{header.get('SeriesDescription', '')} {header.get('ProtocolName', '')}".upper()
    kernel = header.get("ConvolutionKernel", "")
    kernel = str(kernel if isinstance(kernel, str) else kernel[0] if kernel else "")
    return SeriesTraits(
        modality=str(header.get("Modality", "")),
        image_type=tuple(str(value).upper() for value in header.get("ImageType") or ()),
        key_words=_KEY_WORDS.intersection(re.findall(r"[A-Z0-9]+", text)),
        contrast=bool(header.get("ContrastBolusAgent") or header.get("ContrastBolusAgentSequence")),
        angiographic=header.get("AngioFlag") == "Y" or header.get("TimeOfFlightContrast") == "YES",
        kernel=kernel if _KERNEL.fullmatch(kernel) else None,
        photometric=str(header.get("PhotometricInterpretation", "")),
    )


def _frame(header: pydicom.Dataset, opener: Opener, index: int) -> Frame:
    def value(sequence: str, name: str) -> Any:
        """The attribute from the frame's own group, else the shared group, else the file (as single-frame files have it)."""
        for groups, item in (("PerFrameFunctionalGroupsSequence", index), ("SharedFunctionalGroupsSequence", 0)):
            group = header.get(groups)
            macro = group[item].get(sequence) if group else None
            if macro and macro[0].get(name) is not None:
                return macro[0].get(name)
        return header.get(name)

    position = _vector(value("PlanePositionSequence", "ImagePositionPatient"), 3)
    orientation = _vector(value("PlaneOrientationSequence", "ImageOrientationPatient"), 6)
    spacing = _vector(value("PixelMeasuresSequence", "PixelSpacing"), 2)
    slope, intercept = (value("PixelValueTransformationSequence", f"Rescale{part}") for part in ("Slope", "Intercept"))
    echo = value("MREchoSequence", "EffectiveEchoTime") or header.get("EchoTime")
    phase = value("TemporalPositionSequence", "TemporalPositionIdentifier") or value(
        "FrameContentSequence", "TemporalPositionIndex"
    )
    return Frame(
        opener=opener,
        index=index,
        shape=(int(header.Rows), int(header.Columns)),
        position=position,
        row=None if orientation is None else orientation[:3],
        column=None if orientation is None else orientation[3:],
        spacing=None if spacing is None else (float(spacing[0]), float(spacing[1])),
        thickness_mm=float(value("PixelMeasuresSequence", "SliceThickness") or 0.0),
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        echo=f"{echo}/{phase}",
        burned_in=str(header.get("BurnedInAnnotation", "")).upper() == "YES"
        or bool(_SCREEN_PICTURES.intersection(str(word).upper() for word in header.get("ImageType") or ())),
    )


def _vector(value: Any, length: int) -> FloatArray | None:
    if value is None or len(value) != length:
        return None
    vector = np.asarray([float(number) for number in value])
    return vector if np.isfinite(vector).all() else None
