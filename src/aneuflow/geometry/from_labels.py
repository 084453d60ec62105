"""From a label map to the lumen's surface in patient space, finer than its voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage import measure

from aneuflow.errors import InputError
from aneuflow.geometry.region import Region, cropped
from aneuflow.geometry.tree import Tip, trimmed_tree
from aneuflow.numerics import surface as sf
from aneuflow.numerics.centerline import inside_by_vote
from aneuflow.numerics.surface import BoolArray
from aneuflow.types import LABEL_ANEURYSM, LABEL_BACKGROUND, FloatArray, LabelMap, Note, Surface

_FEWEST_VOXELS = 50
_MOST_SAMPLES = 40e6
_MARGIN = 4  # voxels kept around a vessel


@dataclass(frozen=True, eq=False)
class LabeledSurface:
    """The closed surface (mm, LPS) of a label map, for each point whether it bounds the labeled aneurysm, the tubes' ends.

    What is known of the ends is as in `geometry.tree.Trimmed`.
    """

    surface: Surface
    in_aneurysm: BoolArray
    ends: tuple[tuple[Tip, ...], ...]
    doubtful: tuple[Tip, ...]
    notes: tuple[Note, ...]


def lumen_surface(
    labels: LabelMap, smoothing_steps: int, least_diameter_mm: float = 0.0, region: Region | None = None
) -> LabeledSurface:
    """The surface of the largest connected vessel of a label map, its thin branches trimmed (`trimmed_tree`).

    The map is blurred by less than a voxel (the soft map where there is one), resampled to at most 0.25 mm, contoured at
    one half, and smoothed keeping its volume; then the surface is shifted along its normals to hold the voxels' volume.
    Of a tree only the `region` is kept, where there is one.
    Raises InputError where the map is empty or almost so, or its aneurysm lies apart from that vessel.
    """
    if region is not None:
        labels = cropped(labels, region)
    mask = labels.labels != LABEL_BACKGROUND
    if mask.ndim != 3 or int(mask.sum()) < _FEWEST_VOXELS:
        raise InputError(
            f"The label map marks {int(mask.sum())} voxels as vessel, fewer than {_FEWEST_VOXELS}; check that label 1 (artery) "
            "or 2 (aneurysm) is set."
        )
    mask, notes = _largest_part(mask)
    aneurysm = labels.labels == LABEL_ANEURYSM
    if aneurysm.any() and not (aneurysm & mask).any():
        raise InputError(
            f"The aneurysm (label 2, {int(aneurysm.sum())} voxels) touches the largest vessel nowhere; "
            "fill the gap between them, or leave out what does not belong to the case."
        )
    box = _box(mask)
    affine = labels.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [side.start for side in box]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    # A tube of fewer than two voxels across has no section to speak of.
    least = max(least_diameter_mm, 2 * float(np.prod(spacing) ** (1 / 3))) if least_diameter_mm else 0.0
    tree = trimmed_tree(mask[box], affine, least, region.beyond if region else None)
    kept = tree.mask
    if tree.trimmed:
        notes = (*notes, Note("thin_branches_trimmed", {"count": tree.trimmed, "diameter_mm": least}, "assumption"))
    soft = None
    if labels.soft is not None:
        soft = labels.soft[box] * (ndimage.binary_dilation(kept, iterations=2) & (kept | ~mask[box]))
        soft[kept & ~mask[box]] = 1
    surface, loss = _smoothed(_contour(kept, soft, affine), kept, affine, smoothing_steps)
    notes = (*notes, Note("surface_from_labels", {"loss_percent": loss, "spacing_mm": float(spacing.max())}, "information"))
    ends = tuple(end for end in tree.ends if not _near_label(labels, end[0].points_mm[:1])[0])
    doubtful = tuple(tip for tip in tree.doubtful if not _near_label(labels, tip.points_mm[:1])[0])
    return LabeledSurface(surface, _near_label(labels, surface.points), ends, doubtful, notes)


def voxelized(surface: Surface) -> LabelMap:
    """The inside of a closed surface as a label map: one clean vessel of what touches itself or is badly joined.

    Voxels are a sixth of the caliber (four times volume over area), 0.15 to 0.3 mm, larger only for want of memory.
    """
    points, triangles = sf.fill_openings(surface.points, surface.triangles)
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    caliber = 4 * abs(sf.signed_volume(points, triangles)) / max(sf.area(points, triangles), 1e-12)
    step = max(float(np.clip(caliber / 6, 0.15, 0.3)), float(np.cbrt(np.prod(extent + 1) / _MOST_SAMPLES)))
    origin = low - 2.5 * step
    shape = np.ceil((extent + 5 * step) / step).astype(int) + 1
    # Where triangles are missing or doubled a scan line leaks along its axis.
    inside = inside_by_vote(points, triangles, origin, step, shape)
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = origin
    note = Note("surface_resampled", {"spacing_mm": step})
    return LabelMap(inside.astype(np.uint8), affine, "inside of a surface", notes=(note,))


def parts(labels: LabelMap, least_mm: float) -> list[LabelMap]:
    """Label maps of the connected vessels that are so long in x, y or z, the largest first, each cut to its box."""
    connected, _ = ndimage.label(labels.labels != LABEL_BACKGROUND, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(connected.ravel())
    spacing = np.linalg.norm(labels.affine[:3, :3], axis=0)
    found = []
    boxes: Any = ndimage.find_objects(connected)
    for number, sides in enumerate(boxes, start=1):
        if (spacing * [side.stop - side.start for side in sides]).max() < least_mm:
            continue
        box = tuple(slice(max(side.start - _MARGIN, 0), side.stop + _MARGIN) for side in sides)
        kept, others = connected[box] == number, (connected[box] != number) & (connected[box] > 0)
        affine = labels.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ [float(side.start) for side in box]
        soft = None if labels.soft is None else np.where(others, 0, labels.soft[box])
        cut = LabelMap(np.where(kept, labels.labels[box], LABEL_BACKGROUND), affine, labels.method, soft, labels.notes)
        found.append((int(sizes[number]), cut))
    return [cut for _, cut in sorted(found, key=lambda each: -each[0])]


def _largest_part(mask: BoolArray) -> tuple[BoolArray, tuple[Note, ...]]:
    parts, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    if count < 2:
        return mask, ()
    sizes = np.bincount(parts.ravel())[1:]
    kept = int(np.argmax(sizes)) + 1
    dropped = 100 * (1 - sizes[kept - 1] / sizes.sum())
    return np.asarray(parts == kept), (Note("label_parts_dropped", {"count": count - 1, "volume_percent": float(dropped)}),)


def _box(mask: BoolArray, margin: int = _MARGIN) -> tuple[slice, ...]:
    occupied = np.argwhere(mask)
    low = np.maximum(occupied.min(axis=0) - margin, 0)
    high = np.minimum(occupied.max(axis=0) + margin + 1, mask.shape)
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _contour(mask: BoolArray, soft: Any, affine: FloatArray) -> Surface:
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    # Closed where the vessel meets the image's border; the blur before takes the vessel to go on beyond.
    field = np.pad(_smooth_field(mask, soft, spacing), 1)
    fine, scale = _resampled(field, _zoom(field.shape, spacing))
    if min(fine.shape) < 2 or not fine.min() < 0.5 < fine.max():
        raise InputError("The label map's vessel is thinner than its voxels, so it has no surface; give a finer label map.")
    contour: Any = measure.marching_cubes
    vertices, faces, _, _ = contour(fine, 0.5)
    points = (vertices * scale - 1) @ affine[:3, :3].T + affine[:3, 3]
    return _outward(Surface(np.asarray(points, dtype=float), faces.astype(np.int32)))


def _smooth_field(mask: BoolArray, soft: Any, spacing: FloatArray) -> FloatArray:
    """The blurred occupancy; the blur is as wide in mm along each axis, and less than a voxel of the finest axis."""
    sigma = 0.7 * float(spacing.min()) / spacing
    values = mask.astype(np.float32) if soft is None else np.asarray(soft, dtype=np.float32)
    sigma = sigma if soft is None else 0.5 * sigma
    return np.asarray(ndimage.gaussian_filter(values, sigma, mode="nearest"))


def _zoom(shape: tuple[int, ...], spacing: FloatArray) -> FloatArray:
    wanted = np.maximum(1.0, np.minimum(spacing / 0.25, 4.0))
    excess = float(np.prod(np.array(shape) * wanted)) / _MOST_SAMPLES
    return wanted if excess <= 1 else np.maximum(1.0, wanted / excess ** (1 / 3))


def _resampled(field: FloatArray, zoom: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The field on a finer grid that keeps its corners, and the coarse voxels for one fine step along each axis."""
    if (zoom <= 1.01).all():
        return field, np.ones(3)
    fine = ndimage.zoom(field, zoom, order=1, grid_mode=False)
    return fine, (np.array(field.shape) - 1) / np.maximum(np.array(fine.shape) - 1, 1)


def _outward(surface: Surface) -> Surface:
    if sf.signed_volume(*sf.fill_openings(surface.points, surface.triangles)) >= 0:
        return surface
    return Surface(surface.points, np.ascontiguousarray(surface.triangles[:, ::-1]))


def _smoothed(surface: Surface, mask: BoolArray, affine: FloatArray, steps: int) -> tuple[Surface, float]:
    truth = float(mask.sum()) * abs(float(np.linalg.det(affine[:3, :3])))
    points, triangles, _ = sf.compact(surface.points, surface.triangles)
    points = sf.taubin_smooth(points, triangles, steps)
    points = sf.shift_to_volume(points, triangles, truth)
    held = sf.signed_volume(*sf.fill_openings(points, triangles))
    return Surface(points, triangles), 100 * (1 - held / truth)


def _near_label(labels: LabelMap, places: FloatArray) -> BoolArray:
    """Whether the nearest vessel voxel of each place (n, 3) mm is labeled as aneurysm."""
    if not (labels.labels == LABEL_ANEURYSM).any():
        return np.zeros(len(places), dtype=bool)
    cells = np.argwhere(labels.labels != LABEL_BACKGROUND)
    nearest = cKDTree(cells @ labels.affine[:3, :3].T + labels.affine[:3, 3]).query(places)[1]
    return np.asarray(labels.labels[tuple(cells[nearest].T)] == LABEL_ANEURYSM)
