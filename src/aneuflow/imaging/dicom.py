"""A DICOM study as one volume: the angiographic series in patient LPS mm, with nothing kept that names the patient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from aneuflow.errors import InputError, ResourceError
from aneuflow.imaging.checks import check_affine, check_shape, check_values
from aneuflow.imaging.codestream import refuse_other_sizes
from aneuflow.imaging.dicom_files import Opener, dicom_openers, is_bare_dicom
from aneuflow.imaging.frames import Frame, SeriesTraits
from aneuflow.imaging.quiet import quiet_dicom
from aneuflow.imaging.series import Series, choose_series, main_stack
from aneuflow.imaging.stack import MIN_SLICES, order_stack, stack_affine
from aneuflow.types import Float32Array, FloatArray, Note, Volume

Pixels = Callable[[Frame], npt.NDArray[np.float32]]
# A study may hold dozens of series; the best of those left aside are enough to see why.
_NAMED_SERIES = 5
_MODALITY: dict[str, Literal["CTA", "MRA", "3DRA"]] = {"CT": "CTA", "MR": "MRA", "XA": "3DRA"}


@dataclass(frozen=True, eq=False)
class Stack:
    """A series as a volume, and the plane that each of its slices along the third axis came from."""

    volume: Volume
    frames: tuple[Frame, ...]


def read_dicom(path: Path, where: str) -> Stack:
    """The angiographic series under `path` (file, folder or zip) as a Volume with its planes; CT in Hounsfield units.

    Voxel values, geometry, modality and a technical description are kept, nothing else of the files. Raises InputError
    where there is no 3-D angiogram or its planes form no regular grid, ResourceError where it would not fit in memory.
    """
    chosen, others, damaged = choose_series(dicom_openers(path, where), where)
    if not chosen.traits.photometric.startswith("MONOCHROME"):
        raise InputError(f"{where} holds color pictures, not grey values; give the angiogram they were made from.")
    stack, stray = main_stack(chosen.frames, where)
    if len(stack) < MIN_SLICES:
        raise InputError(f"{where} has only {len(stack)} slice(s), at least {MIN_SLICES} are needed; give the whole series.")
    check_shape((stack[0].shape[1], stack[0].shape[0], len(stack)), where)
    pixels = _pixel_reader(where)
    frames, doubles = order_stack(stack, lambda a, b: bool(np.array_equal(pixels(a), pixels(b))), where)
    affine = stack_affine(frames, where)
    check_affine(affine, where)
    values = check_values(_stacked(frames, pixels, where), where)
    if chosen.traits.photometric == "MONOCHROME1" and chosen.traits.modality != "CT":
        values = values.max() + values.min() - values
    notes = _notes(chosen, others, affine, {"stray": stray, "doubled": doubles, "damaged": damaged})
    described = _describe(chosen.traits, affine, values.shape)
    return Stack(Volume(values, affine, _MODALITY[chosen.traits.modality], described, notes), tuple(frames))


def _pixel_reader(where: str) -> Pixels:
    @lru_cache(maxsize=2)  # a multi-frame file is decoded once for all its frames
    def decoded(opener: Opener) -> npt.NDArray[np.generic]:
        with quiet_dicom(), opener() as file:
            bare = is_bare_dicom(file)
            dataset = pydicom.dcmread(file, force=bare)
            if bare:
                implicit = dataset.original_encoding[0]
                dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
            refuse_other_sizes(dataset)
            return np.asarray(dataset.pixel_array)

    def pixels(frame: Frame) -> npt.NDArray[np.float32]:
        try:
            array = decoded(frame.opener)
        except MemoryError as error:
            raise ResourceError(f"{where} does not fit in memory; give the angiographic series alone.") from error
        except Exception as error:  # every codec fails in its own way
            raise InputError(
                f"{where} has pixels that are damaged, cut off or of an unknown compression; export it again."
            ) from error
        plane = array[frame.index] if array.ndim == 3 else array
        if plane.shape != frame.shape:
            raise InputError(f"{where} has pixels that do not fit the matrix in its header; export it again.")
        return np.asarray(plane, np.float32) * np.float32(frame.slope) + np.float32(frame.intercept)

    return pixels


def _stacked(frames: Sequence[Frame], pixels: Pixels, where: str) -> Float32Array:
    rows, columns = frames[0].shape
    try:
        values = np.empty((columns, rows, len(frames)), np.float32)
    except MemoryError as error:
        raise ResourceError(f"{where} does not fit in memory; give the angiographic series alone.") from error
    for k, frame in enumerate(frames):
        values[:, :, k] = pixels(frame).T
    return values


def _notes(chosen: Series, others: Sequence[Series], affine: FloatArray, left_out: dict[str, int]) -> tuple[Note, ...]:
    notes = []
    if others:
        values = {"count": len(others) + 1, **_standing(chosen), "next_points": others[0].score}
        notes.append(Note("series_chosen", values, "information"))
    notes.extend(Note("series_not_taken", _standing(series), "information") for series in others[:_NAMED_SERIES])
    burned_in = sum(frame.burned_in for frame in chosen.frames)
    if burned_in:
        notes.append(Note("burned_in_annotation", {"count": burned_in}))
    if any(left_out.values()):
        notes.append(Note("files_left_out", left_out))
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    cosine = abs(normal @ affine[:3, 2]) / (np.linalg.norm(normal) * np.linalg.norm(affine[:3, 2]))
    tilt = float(np.degrees(np.arccos(np.clip(cosine, 0, 1))))
    if tilt > 0.5:
        notes.append(Note("gantry_tilt", {"degrees": tilt}, "information"))
    if chosen.traits.modality == "CT" and not chosen.traits.contrast:
        notes.append(Note("contrast_not_recorded"))
    return tuple(notes)


def _standing(series: Series) -> dict[str, object]:
    """A series as the notes tell of it, in technical terms alone."""
    thickness = series.frames[0].thickness_mm
    facts = {"modality": series.traits.modality, "slices": len(series.frames), "thickness_mm": thickness}
    return {**facts, "points": series.score, "reasons": [[reason, points] for reason, points in series.points.items()]}


def _describe(traits: SeriesTraits, affine: FloatArray, shape: tuple[int, ...]) -> str:
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    parts = [
        f"DICOM series, {traits.modality}, {shape[2]} slices {spacing[2]:.3g} mm apart",
        f"{shape[0]} x {shape[1]} pixels of {spacing[0]:.3g} x {spacing[1]:.3g} mm",
    ]
    if traits.kernel:
        parts.append(f"kernel {traits.kernel}")
    return ", ".join([*parts, "ordered by position"])
