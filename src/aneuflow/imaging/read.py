"""The two doors for images: an angiogram becomes a Volume, a mask becomes a LabelMap."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aneuflow.errors import InputError
from aneuflow.imaging.checks import check_values
from aneuflow.imaging.dicom import read_dicom
from aneuflow.imaging.itk import read_itk
from aneuflow.imaging.nifti import read_nifti
from aneuflow.imaging.quality import quality_notes
from aneuflow.types import LABEL_ANEURYSM, LABEL_ARTERY, ByteArray, FloatArray, LabelMap, Note, Volume

MODALITIES = ("CTA", "MRA", "3DRA")
_NIFTI = (".nii", ".nii.gz")
_ITK = (".mha", ".mhd", ".nrrd", ".nhdr")
# Air in a CT stands near -1000 HU; magnitude MR and subtracted angiograms have no values this low.
_CT_AIR_HU = -300.0


def read_image(path: Path, modality: str = "auto") -> Volume:
    """The angiogram at `path` in patient LPS mm, without anything that names the patient.

    `path` is a NIfTI, MHA, MHD or NRRD file, one DICOM file, a folder or a zip file of DICOM files. `modality` is "CTA",
    "MRA", "3DRA", or "auto": from the DICOM header, else guessed from the values and said so in a note. Oblique and
    sheared grids keep their shape in the affine. Raises InputError for whatever is not one sound 3-D angiogram.
    """
    if modality != "auto" and modality not in MODALITIES:
        raise InputError(f"Modality {modality} is not known; use one of auto, {', '.join(MODALITIES)}.")
    path, where = _existing(path)
    if _is_dicom(path):
        volume = read_dicom(path, where).volume
    else:
        raw, affine, notes, kind = _read_grid(path, where)
        volume = Volume(check_values(raw, where), affine, "unknown", _describe(kind, affine, raw.shape), notes)
    return _finish(volume, modality)


def read_label_map(path: Path, artery: Sequence[int] = (1,), aneurysm: Sequence[int] = (2,)) -> LabelMap:
    """The mask at `path` (NIfTI, MHA, MHD or NRRD) with 1 where its value is in `artery`, 2 where in `aneurysm`, else 0.

    A mask without a voxel of `aneurysm` is a lumen only and says so in a note. Raises InputError for values that are not
    whole numbers or are in neither list, and for a mask without any artery.
    """
    path, where = _existing(path)
    if _is_dicom(path):
        raise InputError(f"{where} is not a label map file; give a NIfTI, MHA or NRRD mask.")
    raw, affine, notes, kind = _read_grid(path, where)
    values = check_values(raw, where)
    labels = _to_labels(values, tuple(artery), tuple(aneurysm), where)
    if LABEL_ANEURYSM not in labels:
        notes = (*notes, Note("lumen_only_mask", {}, "information"))
    return LabelMap(labels, affine, f"given mask, {_describe(kind, affine, raw.shape)}", None, notes)


def read_label_values(path: Path) -> tuple[npt.NDArray[np.float32], FloatArray]:
    """The values of the mask at `path` (NIfTI, MHA, MHD or NRRD) as they are, and its affine (4, 4) to LPS mm."""
    path, where = _existing(path)
    raw, affine, _, _ = _read_grid(path, where)
    return check_values(raw, where), affine


def _to_labels(values: npt.NDArray[np.float32], artery: tuple[int, ...], aneurysm: tuple[int, ...], where: str) -> ByteArray:
    found = np.unique(values)
    if not (found == np.round(found)).all():
        share = float(np.mean(values != np.round(values)))
        raise InputError(f"{where} is not a label map: {100 * share:.1f} % of its values are not whole numbers; give a mask.")
    unknown = [int(value) for value in found if value != 0 and value not in (*artery, *aneurysm)]
    if unknown:
        text = ", ".join(map(str, unknown[:15])) + (", ..." if len(unknown) > 15 else "")
        raise InputError(
            f"{where} holds the label values {text} beside 0, {', '.join(map(str, (*artery, *aneurysm)))}; "
            "set arteries to 1 and the aneurysm to 2, or say which of these values are artery and which aneurysm."
        )
    labels = np.zeros(values.shape, np.uint8)
    labels[np.isin(values, artery)] = LABEL_ARTERY
    labels[np.isin(values, aneurysm)] = LABEL_ANEURYSM
    if LABEL_ARTERY not in labels:
        raise InputError(f"{where} has no voxel of the label {', '.join(map(str, artery))}; label the parent artery as well.")
    return labels


def _existing(path: Path) -> tuple[Path, str]:
    path = Path(path)
    where = f"Image {path.name}"
    if not path.exists():
        raise InputError(f"{where} does not exist; check the path.")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{where} is an empty file; copy or export it again.")
    return path, where


def _is_dicom(path: Path) -> bool:
    return path.is_dir() or not path.name.lower().endswith(_NIFTI + _ITK)


def _read_grid(path: Path, where: str) -> tuple[npt.NDArray[np.generic], FloatArray, tuple[Note, ...], str]:
    if path.name.lower().endswith(_NIFTI):
        values, affine, notes = read_nifti(path, where)
        return values, affine, notes, "NIfTI"
    raw, affine = read_itk(path, where)
    return raw, affine, (), "NRRD" if path.suffix.lower() in {".nrrd", ".nhdr"} else "MetaImage"


def _describe(kind: str, affine: FloatArray, shape: tuple[int, ...]) -> str:
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    return f"{kind}, {' x '.join(map(str, shape[:3]))} voxels of {' x '.join(f'{s:.3g}' for s in spacing)} mm"


def _finish(volume: Volume, modality: str) -> Volume:
    """The volume with its modality settled and the notes on its quality."""
    notes = list(volume.notes)
    kind = volume.modality if modality == "auto" else modality
    if kind == "unknown":
        kind = "CTA" if float(volume.values.min()) < _CT_AIR_HU else "MRA"
        notes.append(Note("modality_assumed", {"modality": kind}, "assumption"))
    notes.extend(quality_notes(volume.values, volume.affine))
    return Volume(volume.values, volume.affine, kind, volume.source, tuple(notes))  # type: ignore[arg-type]
