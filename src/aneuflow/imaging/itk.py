"""MetaImage (MHA, MHD) and NRRD volumes through SimpleITK, whose frame is LPS already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from aneuflow.errors import InputError, ResourceError
from aneuflow.imaging.checks import check_affine, check_shape
from aneuflow.types import FloatArray

_HEADER_BYTES = 100_000


def read_itk(path: Path, where: str) -> tuple[npt.NDArray[np.generic], FloatArray]:
    """Voxels (nx, ny, nz) as stored and affine (4, 4) to LPS mm. Raises InputError as `read_nifti` does."""
    _check_header_spacing(path, where)
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


def _check_header_spacing(path: Path, where: str) -> None:
    """ITK silently turns a spacing of zero into one: look at the header's own words first."""
    with path.open("rb") as file:
        text = file.read(_HEADER_BYTES).decode("latin-1")
    for line in text.splitlines():
        key, _, value = line.replace(":=", "=").replace(":", "=", 1).partition("=")
        if key.strip().lower() not in {"elementspacing", "elementsize", "spacings"}:
            continue
        if any(number in value.split() for number in ("0", "0.0", "-0", "0.", "nan", "-nan", "inf")):
            raise InputError(f"{where} has a voxel spacing of {value.strip()} in its header; set the true spacing.")
