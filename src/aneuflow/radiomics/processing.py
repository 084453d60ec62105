"""From an image with labels to the levels of a region, in the steps of the IBSI reference manual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import affine_transform, distance_transform_edt

from aneuflow.errors import MethodError
from aneuflow.radiomics.settings import RadiomicsSettings
from aneuflow.types import LABEL_ANEURYSM, ByteArray, FloatArray, IntArray, Volume

BoolArray = npt.NDArray[np.bool_]

MOST_LEVELS = 1024
# From a voxel's middle to the border of its mask, in voxels: a mean over directions. Along the grid it is a half.
TO_BORDER = 0.3


@dataclass(frozen=True, eq=False)
class Sample:
    """The image around the sac on cubic voxels: values (nx, ny, nz) float64, nan outside the image; sac and lumen (the sac
    too) as masks; the affine (4, 4) to LPS mm."""

    values: FloatArray
    sac: BoolArray
    lumen: BoolArray
    affine: FloatArray
    spacing_mm: float


def sample(volume: Volume, labels: ByteArray, settings: RadiomicsSettings, turn: FloatArray | None = None) -> Sample:
    """The image (trilinear) and the masks (trilinear, from a half on) around the sac, on cubic voxels.

    labels: 0 background, 1 artery, 2 sac, on the volume's voxels. The new grid is straight and centered on the old one; turn
    (3, 3): a rotation of it about the sac's middle. Raises MethodError where the labels have no sac.
    """
    found = np.argwhere(labels == LABEL_ANEURYSM)
    if not len(found):
        raise MethodError("No voxel of the image lies in the sac; check that image and model belong together.")
    places = found @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    grid = _centered_grid(volume, settings.spacing_mm)
    if turn is not None:
        middle = places.mean(axis=0)
        grid[:3, :3] = turn @ grid[:3, :3]
        grid[:3, 3] = middle + turn @ (grid[:3, 3] - middle)
    indices = np.linalg.solve(grid[:3, :3], (places - grid[:3, 3]).T)
    # Room for the outer half of the wall zone, and for a voxel's own size in the grid of the image.
    margin = np.ceil((settings.wall_width_mm / 2 + _longest_edge(volume)) / settings.spacing_mm) + 1
    first, last = np.floor(indices.min(axis=1) - margin), np.ceil(indices.max(axis=1) + margin)
    grid[:3, 3] += grid[:3, :3] @ first
    nx, ny, nz = (last - first).astype(int) + 1
    to_old = np.linalg.inv(volume.affine) @ grid

    def resampled(values: npt.NDArray[Any], beyond: Literal["nearest", "grid-constant"]) -> FloatArray:
        size, step, start = (int(nx), int(ny), int(nz)), to_old[:3, :3], to_old[:3, 3]
        return np.asarray(affine_transform(values.astype(np.float64), step, start, output_shape=size, order=1, mode=beyond))

    # Rounded, else a half that came out as 0.4999... would be left out.
    parts = (labels == LABEL_ANEURYSM, labels > 0, np.ones_like(labels))
    sac, lumen, seen = (np.round(resampled(part, "grid-constant"), 6) >= 0.5 for part in parts)
    values = np.where(seen, resampled(volume.values, "nearest"), np.nan)
    return Sample(values, sac, lumen, grid, settings.spacing_mm)


def _longest_edge(volume: Volume) -> float:
    return float(np.linalg.norm(volume.affine[:3, :3], axis=0).max())


def _centered_grid(volume: Volume, spacing_mm: float) -> FloatArray:
    """The affine of cubic voxels with the volume's center and axes ("align grid centers"); sheared axes are straightened."""
    edges = np.linalg.norm(volume.affine[:3, :3], axis=0)
    u, _, vt = np.linalg.svd(volume.affine[:3, :3] / edges)
    shape = np.array(volume.values.shape)
    center = volume.affine[:3, :3] @ ((shape - 1) / 2) + volume.affine[:3, 3]
    # Rounded, as an affine of single precision would else cost a voxel more and move the grid by half of one.
    count = np.ceil(np.round(shape * edges / spacing_mm, 3))
    grid = np.eye(4)
    grid[:3, :3] = u @ vt * spacing_mm
    grid[:3, 3] = center - grid[:3, :3] @ ((count - 1) / 2)
    return grid


def zones(found: Sample, width_mm: float) -> dict[str, BoolArray]:
    """The regions that features are computed of: the sac, and the zone about its wall.

    wall: voxels of sac and surroundings within half the width of the border between them. Where the sac meets the artery is
    no wall, and the artery's lumen is no part of the zone.
    """
    outside = ~found.lumen & np.isfinite(found.values)
    reach = width_mm / 2 + TO_BORDER * found.spacing_mm
    to_outside, to_sac = (distance_transform_edt(~mask, found.spacing_mm) for mask in (outside, found.sac))
    near = (found.sac & (to_outside <= reach)) | (outside & (to_sac <= reach))
    return {"sac": found.sac, "wall": near}


def chosen(values: FloatArray, region: BoolArray, settings: RadiomicsSettings) -> BoolArray:
    """The voxels of a region whose intensity lies in the range, and among those no outliers (re-segmentation)."""
    low = -np.inf if settings.low is None else settings.low
    high = np.inf if settings.high is None else settings.high
    kept = region & (values >= low) & (values <= high)
    if settings.outliers_sd is not None and kept.any():
        mean, reach = values[kept].mean(), settings.outliers_sd * values[kept].std()
        kept = kept & (np.abs(values - mean) <= reach)
    return np.asarray(kept)


def discretized(values: FloatArray, region: BoolArray, settings: RadiomicsSettings) -> tuple[IntArray, int]:
    """Levels (nx, ny, nz) from 1 on, 0 outside the region, and how many levels there are.

    Raises MethodError where all intensities are alike, or a bin width makes over 1024 levels of them.
    """
    inside = values[region]
    least, largest = float(inside.min()), float(inside.max())
    if largest - least <= 1e-9 * max(abs(least), abs(largest)):
        raise MethodError(f"All {len(inside)} voxels of the region have the intensity {least:g}; check the image.")
    if settings.bin_width is None:
        count = settings.bins
        found = np.minimum(np.floor(count * (inside - least) / (largest - least)) + 1, count)
    else:
        start = least if settings.low is None else settings.low
        if (largest - start) / settings.bin_width >= MOST_LEVELS:
            raise MethodError(
                f"A bin width of {settings.bin_width:g} makes over {MOST_LEVELS} levels of the intensities {start:g} to "
                f"{largest:g}; take a wider one."
            )
        found = np.floor((inside - start) / settings.bin_width) + 1
        count = int(found.max())
    levels = np.zeros(values.shape, dtype=np.int32)
    levels[region] = found
    return levels, count
