"""From the surface of a lumen to an angiogram of it, its labels and what was drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from aneuflow.errors import InputError, ResourceError
from aneuflow.imaging.simulated import contrast
from aneuflow.imaging.simulated.grid import Grid, voxel_mean
from aneuflow.imaging.simulated.head import Head, make_head
from aneuflow.imaging.simulated.ranges import draw
from aneuflow.imaging.simulated.settings import SimulationSettings
from aneuflow.numerics.centerline import inside_by_vote
from aneuflow.numerics.surface import fill_openings
from aneuflow.types import (
    LABEL_ANEURYSM,
    LABEL_ARTERY,
    ByteArray,
    Float32Array,
    FloatArray,
    IntArray,
    Progress,
    Surface,
    Volume,
    no_progress,
)

LABEL_BONE, LABEL_VEIN = 3, 4
LABELS = {"background": 0, "artery": LABEL_ARTERY, "aneurysm": LABEL_ANEURYSM, "bone": LABEL_BONE, "vein": LABEL_VEIN}
# Distance of the image's border from what is kept: truncated k-space takes the image to be periodic.
_BORDER = 6
_MOST_FINE_VOXELS = 250e6
_IMAGES = {"CTA": contrast.cta, "MRA": contrast.mra, "3DRA": contrast.rotational}


@dataclass(frozen=True, eq=False)
class TrueLumen:
    """The lumen an image is made of: its surface (openings are closed) and, (n,) bool, which points bound a sac.

    shell (m,): where several shells overlap, the one each triangle belongs to; the lumen is their union.
    """

    surface: Surface
    in_sac: npt.NDArray[np.bool_]
    shell: IntArray | None = None


@dataclass(frozen=True, eq=False)
class SimulatedAngiogram:
    """image; labels (nx, ny, nz) uint8: 0 background, 1 artery, 2 aneurysm, 3 bone, 4 vein; drawn: each parameter by name.

    share (nx, ny, nz) float32: the part of each voxel that is lumen, artery or aneurysm.
    """

    image: Volume
    labels: ByteArray
    share: Float32Array
    drawn: Mapping[str, float]


def simulate_angiogram(
    lumen: TrueLumen,
    settings: SimulationSettings,
    box_mm: tuple[FloatArray, FloatArray] | None = None,
    progress: Progress = no_progress,
) -> SimulatedAngiogram:
    """An angiogram of `lumen` in a random head; its voxels lie along the LPS axes.

    box_mm: lowest and highest corner (3,) of the image, else all of the lumen and its margin. The same settings and seed
    give the same image. Raises InputError where no part of the lumen lies in the box, ResourceError where it is too large.
    """
    rng = np.random.default_rng(settings.seed)
    drawn = draw(settings.modality, settings.fixed, rng)
    grid = _grid(lumen.surface.points, settings, box_mm)
    progress(0.0, "voxels of the lumen")
    inside, sac = voxels_of(lumen, grid)
    if not inside.any():
        raise InputError("The image's box holds no part of the lumen; move it or leave it out.")
    progress(0.3, "head")
    head = make_head(grid, inside, sac, lumen.surface.points, drawn, rng)
    progress(0.6, settings.modality)
    values = _IMAGES[settings.modality](grid, head, drawn, rng)
    share = voxel_mean(grid, head.lumen.astype(np.float32))
    labels = _labels(grid, head, share)
    kept = (slice(_BORDER, -_BORDER),) * 3
    affine = grid.affine
    affine[:3, 3] += _BORDER * grid.spacing_mm
    modality: Literal["CTA", "MRA", "3DRA"] = settings.modality
    image = Volume(np.ascontiguousarray(values[kept]), affine, modality, f"simulated {modality}, seed {settings.seed}")
    progress(1.0, "image made")
    return SimulatedAngiogram(image, np.ascontiguousarray(labels[kept]), np.ascontiguousarray(share[kept]), drawn)


def voxels_of(lumen: TrueLumen, grid: Grid) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which fine voxels' middles lie in the lumen, and which of these belong to a sac (the nearest wall is a sac's)."""
    inside = np.zeros(grid.fine_shape, bool)
    shell = np.zeros(len(lumen.surface.triangles), np.int32) if lumen.shell is None else lumen.shell
    for index in np.unique(shell):
        points, triangles = fill_openings(lumen.surface.points, lumen.surface.triangles[shell == index])
        inside |= inside_by_vote(points, triangles, grid.fine_origin_mm, grid.fine_spacing_mm, np.array(grid.fine_shape))
    sac = np.zeros_like(inside)
    if lumen.in_sac.any():
        wall = lumen.surface.points[lumen.in_sac]
        reach = 0.5 * np.ptp(wall, axis=0).max()
        low = np.floor((wall.min(axis=0) - grid.fine_origin_mm) / grid.fine_spacing_mm).astype(int)
        high = np.ceil((wall.max(axis=0) - grid.fine_origin_mm) / grid.fine_spacing_mm).astype(int) + 1
        box = tuple(slice(int(max(a, 0)), int(max(b, 0))) for a, b in zip(low, high, strict=True))
        places = np.argwhere(inside[box])
        if len(places):
            first = [side.start for side in box]
            middles = (places + first) * grid.fine_spacing_mm + grid.fine_origin_mm
            near = (lumen.surface.points > wall.min(axis=0) - reach).all(axis=1) & (
                lumen.surface.points < wall.max(axis=0) + reach
            ).all(axis=1)
            nearest = cKDTree(lumen.surface.points[near]).query(middles)[1]
            sac[box][tuple(places.T)] = lumen.in_sac[near][nearest]
    return inside, sac


def _grid(points: FloatArray, settings: SimulationSettings, box_mm: tuple[FloatArray, FloatArray] | None) -> Grid:
    low, high = box_mm or (points.min(axis=0) - settings.margin_mm, points.max(axis=0) + settings.margin_mm)
    spacing = np.array([settings.spacing_mm, settings.spacing_mm, settings.slice_mm or settings.spacing_mm])
    shape = np.maximum(np.round((high - low) / spacing).astype(int), 8) + 2 * _BORDER
    fine = float(np.prod(shape.astype(float))) * settings.supersampling**3
    if fine > _MOST_FINE_VOXELS:
        raise ResourceError(
            f"The image would be drawn on {fine / 1e6:.0f} million fine voxels, more than {_MOST_FINE_VOXELS / 1e6:.0f}; "
            "take larger voxels, a smaller margin or less supersampling."
        )
    a, b, c = (int(n) for n in shape)
    return Grid(np.asarray(low) + (0.5 - _BORDER) * spacing, spacing, (a, b, c), settings.supersampling)


def _labels(grid: Grid, head: Head, lumen_share: Float32Array) -> ByteArray:
    """The label of most of each voxel; one that is half filled belongs to what fills its neighbors more."""

    def most(share: Float32Array) -> npt.NDArray[np.bool_]:
        # Cut in two along each axis, many voxels are exactly half filled: counting all of them would move the wall.
        return (share + 1e-3 * (ndimage.uniform_filter(share, 3) - 0.5)) > 0.5

    labels = np.zeros(grid.shape, np.uint8)
    labels[most(voxel_mean(grid, head.veins.astype(np.float32)))] = LABEL_VEIN
    labels[most(voxel_mean(grid, (head.cortex | head.marrow).astype(np.float32)))] = LABEL_BONE
    artery = most(lumen_share)
    labels[artery] = LABEL_ARTERY
    labels[artery & (voxel_mean(grid, head.sac.astype(np.float32)) >= 0.25)] = LABEL_ANEURYSM
    return labels
