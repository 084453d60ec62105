"""The region of interest in an artery tree: the vessels around one neck, and by which of their ends blood enters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from aneuflow.geometry.parent_vessel import LumenGrid, Tube
from aneuflow.numerics.centerline import tangents
from aneuflow.numerics.surface import BoolArray
from aneuflow.types import LABEL_BACKGROUND, Cap, FloatArray, LabelMap

# Vessels go on so far beyond where they will be cut, that each cut finds a tube on both sides.
_BEYOND_MM = 4.0
_BORDER_VOXELS = 4


@dataclass(frozen=True, eq=False)
class Region:
    """What lies within reach_mm of a neck along the lumen.

    lumen: the middles of the tree's voxels (`spacing_mm` wide); along_mm (n,): their distance from the neck.
    """

    lumen: cKDTree
    along_mm: FloatArray
    spacing_mm: float
    reach_mm: float

    def beyond(self, places: FloatArray, further_mm: float = 0.0) -> BoolArray:
        """Whether the places (n, 3) mm lie outside the region, or in no vessel of the tree, (n,)."""
        apart, nearest = self.lumen.query(places)
        return np.asarray((apart > 3 * self.spacing_mm) | (self.along_mm[nearest] > self.reach_mm + further_mm))


def region_around(grid: LumenGrid, seeds: Any, reach_mm: float) -> Region:
    """The region within reach of the voxels `seeds` (k,) of a tree's grid."""
    along = csgraph.dijkstra(grid.neighbors, indices=seeds, min_only=True)
    return Region(cKDTree(grid.points_mm), np.asarray(along), grid.spacing_mm, reach_mm)


def cropped(labels: LabelMap, region: Region) -> LabelMap:
    """The label map of the region and a little of the vessels beyond it; what touches them from outside is left out."""
    vessel = labels.labels != LABEL_BACKGROUND
    cells = np.argwhere(vessel)
    places = cells @ labels.affine[:3, :3].T + labels.affine[:3, 3]
    held = cells[~region.beyond(places, _BEYOND_MM)]
    low = np.maximum(held.min(axis=0) - _BORDER_VOXELS, 0)
    high = np.minimum(held.max(axis=0) + _BORDER_VOXELS + 1, vessel.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    kept = np.zeros(tuple(high - low), dtype=bool)
    kept[tuple((held - low).T)] = True
    parts, _ = ndimage.label(kept, np.ones((3, 3, 3)))
    kept = parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1
    affine = labels.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ low
    soft = None if labels.soft is None else np.where(kept | ~vessel[box], labels.soft[box], 0).astype(np.float32)
    return LabelMap(np.where(kept, labels.labels[box], LABEL_BACKGROUND), affine, labels.method, soft, labels.notes)


def inlets_by_flow(caps: tuple[Cap, ...], tubes: tuple[Tube, ...]) -> tuple[int, ...]:
    """The caps by which blood enters a region: where the tree's tubes, which follow the flow, lead into it."""
    points = np.concatenate([tube.points_mm for tube in tubes])
    flow = np.concatenate([tangents(tube.points_mm) for tube in tubes])
    radius = np.concatenate([tube.expected_mm for tube in tubes])
    apart, nearest = cKDTree(points).query([cap.center_mm for cap in caps])
    inward = np.array([flow[k] @ cap.normal < 0 for k, cap in zip(nearest, caps, strict=True)])
    entering = inward & (apart < 1.5 * radius[nearest])
    return tuple(cap.id for cap, enters in zip(caps, entering, strict=True) if enters)
