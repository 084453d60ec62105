"""What every image must be before it goes on: three-dimensional, finite, with a real extent and something in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aneuflow.errors import InputError, ResourceError
from aneuflow.types import Float32Array, FloatArray

MAX_VOXELS = 2_000_000_000
MIN_VOXELS_PER_SIDE = 4
# As stored, and as float32.
_BYTES_PER_VOXEL = 8
# Outside these a header is wrong: micro-CT lies below, a millimeter field read as meters above.
SPACING_RANGE_MM = (0.02, 20.0)


def check_shape(shape: Sequence[int], where: str) -> None:
    """Raises InputError unless `shape` is that of a 3-D image of sensible size; call it before the voxels are read."""
    sides = [int(n) for n in shape]
    text = " x ".join(map(str, sides))
    if len(sides) > 3 and any(n > 1 for n in sides[3:]):
        raise InputError(
            f"{where} has {len(sides)} dimensions ({text}); give one 3-D volume, not a time series or several channels."
        )
    if len(sides) < 3:
        raise InputError(f"{where} has {len(sides)} dimensions ({text}); a 3-D volume is needed.")
    if min(sides[:3]) < MIN_VOXELS_PER_SIDE:
        raise InputError(
            f"{where} is {text} voxels, at least {MIN_VOXELS_PER_SIDE} are needed along every axis; "
            "give the whole volume, not one slice of it."
        )
    if np.prod(sides[:3], dtype=float) > MAX_VOXELS:
        raise InputError(f"{where} claims {text} voxels, over the limit of {MAX_VOXELS:.0e}; crop it or mend its header.")
    check_memory(_BYTES_PER_VOXEL * np.prod(sides[:3], dtype=float), where)


def check_memory(size: float, where: str) -> None:
    """Raises ResourceError where `size` bytes are more than the machine has free; silent where it does not tell."""
    free = _free_bytes()
    if free is not None and size > free:
        raise ResourceError(
            f"{where} needs {size / 2**30:.1f} GiB of memory, {free / 2**30:.1f} GiB are free; crop it to the head's arteries "
            "or give the angiographic series alone."
        )


def _free_bytes() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    kibibytes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return 1024.0 * int(kibibytes[0]) if kibibytes else None


def check_affine(affine: FloatArray, where: str) -> None:
    """Raises InputError unless `affine` (4, 4) gives every voxel a position: spacing in range, three independent axes."""
    if not np.isfinite(affine).all():
        raise InputError(f"{where} holds positions that are not numbers in its header; export it again from its source.")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    low, high = SPACING_RANGE_MM
    if (spacing < low).any() or (spacing > high).any():
        text = " x ".join(f"{s:.4g}" for s in spacing)
        raise InputError(f"{where} has a voxel spacing of {text} mm, outside {low} to {high:g} mm; correct its header.")
    # The volume of the unit cell of the axes' directions; a gantry tilt of 30 degrees leaves 0.87.
    if abs(np.linalg.det(affine[:3, :3] / spacing)) < 0.2:
        raise InputError(f"{where} has axes that are not independent of each other; its orientation in the header is damaged.")


def check_values(values: npt.NDArray[np.generic], where: str) -> Float32Array:
    """The voxels as contiguous float32. Raises InputError where one is not finite, or all are equal."""
    if not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
        raise InputError(f"{where} stores voxels of type {values.dtype}, not grey values; convert it to a grey-value image.")
    with np.errstate(over="ignore", invalid="ignore"):
        result: Float32Array = np.ascontiguousarray(values, dtype=np.float32)
    bad = int(result.size - np.count_nonzero(np.isfinite(result)))
    if bad:
        what = "all" if bad == result.size else f"{bad} of {result.size}"
        raise InputError(f"{where} has voxels that are not finite numbers ({what}); replace them by the background value.")
    if result.min() == result.max():
        raise InputError(f"{where} has the same value {result.flat[0]:g} in every voxel; there is nothing to see in it.")
    return result
