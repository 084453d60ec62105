"""From a label map to the lumen's surface in patient space, finer than its voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage
from skimage import measure

from aneuflow.errors import InputError
from aneuflow.numerics import surface as sf
from aneuflow.numerics.surface import BoolArray
from aneuflow.types import LABEL_ANEURYSM, LABEL_BACKGROUND, FloatArray, LabelMap, Note, Surface

_FEWEST_VOXELS = 50
_MOST_SAMPLES = 40e6


def lumen_surface(labels: LabelMap, smoothing_steps: int) -> tuple[Surface, BoolArray, tuple[Note, ...]]:
    """The lumen's surface (mm, LPS; open where the vessel meets the image's border), for each point whether it bounds the
    labeled aneurysm, and notes.

    The map is blurred by less than a voxel (the soft map where there is one), resampled to at most 0.25 mm, contoured at
    one half, and smoothed keeping its volume; then the surface is shifted along its normals to hold the voxels' volume.
    Raises InputError where the map is empty or almost so.
    """
    mask = labels.labels != LABEL_BACKGROUND
    if mask.ndim != 3 or int(mask.sum()) < _FEWEST_VOXELS:
        raise InputError(
            f"The label map marks {int(mask.sum())} voxels as vessel, fewer than {_FEWEST_VOXELS}; check that label 1 (artery) "
            "or 2 (aneurysm) is set."
        )
    mask, notes = _largest_part(mask)
    box = _box(mask)
    spacing = np.linalg.norm(labels.affine[:3, :3], axis=0)
    soft = labels.soft[box] * ndimage.binary_dilation(mask[box], iterations=2) if labels.soft is not None else None
    field = _smooth_field(mask[box], soft, spacing)
    zoom = _zoom(field.shape, spacing)
    fine, scale = _resampled(field, zoom)
    if min(fine.shape) < 2 or not fine.min() < 0.5 < fine.max():
        raise InputError("The label map's vessel is thinner than its voxels, so it has no surface; give a finer label map.")
    contour: Any = measure.marching_cubes
    vertices, faces, _, _ = contour(fine, 0.5)
    voxels = vertices * scale + [s.start for s in box]
    points = voxels @ labels.affine[:3, :3].T + labels.affine[:3, 3]
    surface = _outward(Surface(np.asarray(points, dtype=float), faces.astype(np.int32)))
    surface, loss = _smoothed(surface, mask, labels.affine, smoothing_steps)
    notes = (*notes, Note("surface_from_labels", {"loss_percent": loss, "spacing_mm": float(spacing.max())}, "information"))
    aneurysm = _near_label(labels, np.linalg.solve(labels.affine[:3, :3], (surface.points - labels.affine[:3, 3]).T).T)
    return surface, aneurysm, notes


def _largest_part(mask: BoolArray) -> tuple[BoolArray, tuple[Note, ...]]:
    parts, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    if count < 2:
        return mask, ()
    sizes = np.bincount(parts.ravel())[1:]
    kept = int(np.argmax(sizes)) + 1
    dropped = 100 * (1 - sizes[kept - 1] / sizes.sum())
    return np.asarray(parts == kept), (Note("label_parts_dropped", {"count": count - 1, "volume_percent": float(dropped)}),)


def _box(mask: BoolArray, margin: int = 4) -> tuple[slice, ...]:
    occupied = np.argwhere(mask)
    low = np.maximum(occupied.min(axis=0) - margin, 0)
    high = np.minimum(occupied.max(axis=0) + margin + 1, mask.shape)
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


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


def _near_label(labels: LabelMap, voxels: FloatArray) -> BoolArray:
    """Whether the nearest vessel voxel of each place is labeled as aneurysm."""
    if not (labels.labels == LABEL_ANEURYSM).any():
        return np.zeros(len(voxels), dtype=bool)
    nearest = ndimage.distance_transform_edt(labels.labels == LABEL_BACKGROUND, return_distances=False, return_indices=True)
    index = np.clip(np.round(voxels), 0, np.array(labels.labels.shape) - 1).astype(int).T
    return np.asarray(labels.labels[tuple(nearest[:, index[0], index[1], index[2]])] == LABEL_ANEURYSM)
