"""A stack of image planes as one grid: order, doubled and missing planes, tilt, affine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from aneuflow.errors import InputError
from aneuflow.imaging.frames import Frame
from aneuflow.types import FloatArray

# Positions are often written to a tenth of a millimeter, slices lie 0.3 to 1 mm apart.
_SAME_PLACE = 0.2
_SPACING_TOLERANCE = 0.12
# Of the distance between slices: what rounding to a tenth of a millimeter makes of 0.3 mm, and a little more.
_OFF_LINE = 0.25
MIN_SLICES = 4


def order_stack(frames: Sequence[Frame], equal: Callable[[Frame, Frame], bool], where: str) -> tuple[list[Frame], int]:
    """The planes sorted along their normal, and how many exact doubles were left out.

    `equal` tells whether two planes hold the same pixels. Raises InputError for several different images at one place
    (a time series), for missing planes, for unequal distances and for fewer than 4 planes.
    """
    positions = np.array([frame.position for frame in frames])
    normal = np.cross(np.asarray(frames[0].row), np.asarray(frames[0].column))
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    gaps = np.diff(along[order])
    step = float(np.median(gaps[gaps > 1e-3])) if (gaps > 1e-3).any() else 0.0
    kept = [frames[order[0]]]
    for index, gap in zip(order[1:], gaps, strict=True):
        if step and gap > _SAME_PLACE * step:
            kept.append(frames[index])
        elif not equal(kept[-1], frames[index]):
            places = 1 + int(np.count_nonzero(gaps > _SAME_PLACE * step)) if step else 1
            raise InputError(
                f"{where} holds {len(frames)} different images at {places} slice positions, a time series or several echoes "
                "(4-D); give the arterial phase alone."
            )
    if len(kept) < MIN_SLICES:
        raise InputError(
            f"{where} has slices at only {len(kept)} position(s), at least {MIN_SLICES} are needed; give the whole series."
        )
    _check_distances(np.array([frame.position for frame in kept]) @ normal, where)
    return kept, len(frames) - len(kept)


def stack_affine(frames: Sequence[Frame], where: str) -> FloatArray:
    """Affine (4, 4) from (column, row, plane) indices to LPS mm; a tilted gantry appears as a shear.

    Raises InputError where the planes do not lie along one straight line. Source: DICOM PS3.3 C.7.6.2.1.1.
    """
    first = frames[0]
    assert first.row is not None and first.column is not None and first.spacing is not None
    positions = np.array([frame.position for frame in frames])
    step = (positions[-1] - positions[0]) / (len(frames) - 1)
    off_line = np.linalg.norm(positions - positions[0] - np.arange(len(frames))[:, None] * step, axis=1).max()
    if off_line > _OFF_LINE * np.linalg.norm(step):
        raise InputError(f"{where} has slices that lie up to {off_line:.2g} mm off a straight stack; give one series alone.")
    affine = np.eye(4)
    affine[:3, 0] = first.row * first.spacing[1]
    affine[:3, 1] = first.column * first.spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = positions[0]
    return affine


def _check_distances(along: FloatArray, where: str) -> None:
    gaps = np.diff(along)
    step = float(np.median(gaps))
    wide = np.flatnonzero(gaps > (1 + _SPACING_TOLERANCE) * step)
    multiples = gaps / step
    if wide.size and (np.abs(multiples - np.round(multiples)) < _SPACING_TOLERANCE).all() and (gaps > 0.5 * step).all():
        missing = int(np.round(multiples[wide] - 1).sum())
        raise InputError(
            f"{where} lacks {missing} of its slices (first gap after slice {wide[0] + 1}, {gaps[wide[0]]:.2f} mm instead of "
            f"{step:.2f} mm); export the series again with all its slices."
        )
    if np.abs(gaps - step).max() > _SPACING_TOLERANCE * step:
        raise InputError(
            f"{where} has slices at unequal distances, from {gaps.min():.2f} to {gaps.max():.2f} mm; "
            "give a series of equal spacing, or reconstruct it so."
        )
