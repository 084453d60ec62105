"""The lumen model on an image's voxels."""

from __future__ import annotations

import numpy as np

from aneuflow.errors import MethodError
from aneuflow.numerics.centerline import inside_grid
from aneuflow.numerics.surface import compact, fill_openings
from aneuflow.types import (
    LABEL_ANEURYSM,
    LABEL_ARTERY,
    REGION_SAC,
    WALL_PATCH,
    ByteArray,
    FloatArray,
    IntArray,
    LumenModel,
)


def lumen_labels(model: LumenModel, affine: FloatArray, shape: tuple[int, int, int]) -> ByteArray:
    """The lumen that was measured, on voxels: uint8 of `shape`, 1 artery, 2 sac beyond the neck, 0 where no middle is inside.

    affine (4, 4) maps voxel indices to LPS mm and may be oblique or sheared. Raises MethodError where less than half of the
    lumen lies within the grid.
    """
    surface = model.lumen.surface
    inside = _inside(surface.points, surface.triangles, affine, shape)
    _check_covered(surface.points, affine, shape)
    labels = np.where(inside, LABEL_ARTERY, 0).astype(np.uint8)
    wall = (model.lumen.region[surface.triangles] == REGION_SAC).all(axis=1) & (model.lumen.patch == WALL_PATCH)
    if model.aneurysm is not None and wall.any():
        points, triangles, _ = compact(surface.points, surface.triangles[wall])
        labels[inside & _inside(*fill_openings(points, triangles), affine, shape)] = LABEL_ANEURYSM
    return labels


def _inside(points: FloatArray, triangles: IntArray, affine: FloatArray, shape: tuple[int, int, int]) -> ByteArray:
    """In voxel coordinates any grid is straight; only the surface's box is looked at."""
    places = np.linalg.solve(affine[:3, :3], (points - affine[:3, 3]).T).T
    low = np.clip(np.floor(places.min(axis=0)).astype(int), 0, shape)
    high = np.clip(np.ceil(places.max(axis=0)).astype(int) + 1, low, shape)
    result = np.zeros(shape, dtype=bool)
    if (high > low).all():
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        result[box] = inside_grid(places, triangles, low.astype(float), 1.0, high - low)
    return result


def _check_covered(points: FloatArray, affine: FloatArray, shape: tuple[int, int, int]) -> None:
    places = np.linalg.solve(affine[:3, :3], (points - affine[:3, 3]).T).T
    share = float(((places > -0.5) & (places < np.array(shape) - 0.5)).all(axis=1).mean())
    if share < 0.5:
        raise MethodError(
            f"Only {100 * share:.0f} % of the lumen lies within the source images; they show another place or patient; "
            "give the series this lumen was taken from."
        )
