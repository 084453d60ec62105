"""MetaImage (MHA, MHD) and NRRD volumes through SimpleITK, whose frame is LPS already."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from aneuflow.errors import InputError, ResourceError
from aneuflow.imaging.checks import check_affine, check_shape
from aneuflow.types import FloatArray

_HEADER_BYTES = 100_000
_SPACING_KEYS = {"elementspacing", "elementsize", "spacings"}
_NO_SPACING = ("0", "0.0", "-0", "0.", "nan", "-nan", "inf")
_DATA_KEYS = {"elementdatafile", "data file", "datafile"}


def read_itk(path: Path, where: str) -> tuple[npt.NDArray[np.generic], FloatArray]:
    """Voxels (nx, ny, nz) as stored and affine (4, 4) to LPS mm. Raises InputError as `read_nifti` does."""
    _check_header(path, where)
    reader: Any = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        shape, components = reader.GetSize(), reader.GetNumberOfComponents()
    except Exception as error:  # SimpleITK wraps every failure in RuntimeError; a damaged text header also breaks its decoding
        raise InputError(f"{where} is not a readable MetaImage or NRRD file; export it again.") from error
    if components != 1:
        raise InputError(f"{where} stores {components} values in each voxel (colors or vectors); give one grey-value volume.")
    check_shape(shape, where)
    try:
        image = reader.Execute()
    except MemoryError as error:
        raise ResourceError(f"{where} does not fit in memory; crop it to the head's arteries.") from error
    except Exception as error:
        raise InputError(f"{where} is cut off or damaged, its voxels cannot be read; export it again.") from error
    if image.GetDimension() == 4:
        image = image[:, :, :, 0]
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    check_affine(affine, where)
    return np.transpose(sitk.GetArrayFromImage(image)), affine


def _check_header(path: Path, where: str) -> None:
    """What ITK does in silence: it turns a spacing of zero into one, and reads voxels from any file that the header names."""
    with path.open("rb") as file:
        text = file.read(_HEADER_BYTES).decode("latin-1")
    listed = False
    for line in text.splitlines():
        if listed:
            _check_beside(line, where)
            continue
        if not line.strip() and text.startswith("NRRD"):
            return
        key, _, value = (part.strip() for part in line.replace(":=", "=").replace(":", "=", 1).partition("="))
        if key.lower() in _SPACING_KEYS and any(number in value.split() for number in _NO_SPACING):
            raise InputError(f"{where} has a voxel spacing of {value} in its header; set the true spacing.")
        if key.lower() in _DATA_KEYS:
            listed = value.upper().startswith("LIST")
            if not listed:
                _check_beside(value, where)
                if key.lower() == "elementdatafile":
                    return
    if len(text) == _HEADER_BYTES and not listed:
        raise InputError(f"{where} is not a readable MetaImage or NRRD file: its header has no end; export it again.")


def _check_beside(name: str, where: str) -> None:
    """Raises InputError where a header's data file lies elsewhere: a header from elsewhere must not read what is no image."""
    if Path(name).is_absolute() or Path(os.path.normpath(name)).parent != Path():
        raise InputError(f"{where} has its voxels in {name}, outside its own folder; put both files into one folder.")
