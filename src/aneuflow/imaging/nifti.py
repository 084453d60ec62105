"""NIfTI-1 and NIfTI-2 volumes, brought from RAS to LPS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.imageglobals import LoggingOutputSuppressor
from nibabel.openers import Opener

from aneuflow.errors import InputError, ResourceError
from aneuflow.imaging.checks import check_affine, check_shape
from aneuflow.types import FloatArray, Note

_MM_PER_UNIT = {"mm": 1.0, "meter": 1000.0, "micron": 1e-3, "unknown": 1.0}


def read_nifti(path: Path, where: str) -> tuple[npt.NDArray[np.generic], FloatArray, tuple[Note, ...]]:
    """Voxels (nx, ny, nz) as stored and scaled, affine (4, 4) to LPS mm, and notes on a header that leaves something open.

    Raises InputError for a damaged file, colors, a wrong number of dimensions, a zero spacing.
    """
    try:
        with LoggingOutputSuppressor():
            image: Any = nib.load(path)
        # nibabel sets a spacing of zero to one; the file's own word counts.
        with Opener(str(path)) as file:
            zooms = np.abs(type(image).header_class.from_fileobj(file, check=False)["pixdim"][1:4].astype(np.float64))
        header, shape = image.header, image.shape
        stored = header.get_data_dtype()
        units = header.get_xyzt_units()[0]
        oriented = bool(header["sform_code"] or header["qform_code"])
        affine = np.asarray(image.affine, dtype=np.float64)
    except Exception as error:  # nibabel raises a dozen kinds for a damaged header
        raise InputError(f"{where} is not a readable NIfTI file: its header is damaged or cut off; export it again.") from error
    if stored.fields or np.issubdtype(stored, np.complexfloating):
        raise InputError(f"{where} stores colors or complex numbers, not grey values; give the angiogram it was made from.")
    check_shape(shape, where)
    if not (zooms > 0).all():
        raise InputError(f"{where} has a voxel spacing of zero in its header; set the true spacing.")
    affine[:3] *= _MM_PER_UNIT.get(units, 1.0)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    check_affine(affine, where)
    try:
        values = np.asanyarray(image.dataobj).reshape(shape[:3])
    except MemoryError as error:
        raise ResourceError(f"{where} does not fit in memory; crop it to the head's arteries.") from error
    except Exception as error:
        raise InputError(f"{where} is cut off or damaged, its voxels cannot be read; export it again.") from error
    notes = () if oriented else (Note("orientation_unknown", {}, "assumption"),)
    return values, affine, notes
