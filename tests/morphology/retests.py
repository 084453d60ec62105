"""The same lumen as another examination or program would hand it in: turned, of other triangles, of voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from scipy.spatial.transform import Rotation

from aneuflow.numerics import surface as sf
from aneuflow.numerics.centerline import inside_grid
from aneuflow.types import LabelMap, Surface
from tests.conftest import shared_data

# Segments of the twelve and more first patients by name, one each, that have two or three openings.
SEGMENTS = (
    "AN1", "AN11", "AN129", "AN134", "AN136", "AN138", "AN140", "AN157", "AN164", "AN168-1", "AN2", "AN202", "AN42-1", "AN190",
)  # fmt: skip


def segment(name: str) -> Surface:
    """An expert-labeled segment of IntrA, mm."""
    with np.load(shared_data(f"intra/annotated/{name}.npz")) as stored:
        return Surface(stored["points"].astype(float), stored["triangles"].astype(np.int32))


def turn(seed: int) -> np.ndarray:
    return Rotation.random(random_state=seed).as_matrix()


def turned(surface: Surface, seed: int) -> Surface:
    """Turned and moved at random."""
    return Surface(surface.points @ turn(seed).T + np.random.default_rng(seed).uniform(-50, 50, 3), surface.triangles)


def retessellated(surface: Surface, seed: int) -> Surface:
    """Turned, refined by Loop's scheme, then thinned to about the former number of other triangles."""
    make: Any = pv.PolyData
    moved = turned(surface, seed)
    mesh = make.from_regular_faces(moved.points, moved.triangles)
    thin = mesh.subdivide(1, "loop").decimate(0.7, volume_preservation=True)
    return Surface(np.asarray(thin.points, dtype=float), thin.regular_faces.astype(np.int32))


def voxels(surface: Surface, spacing: float, seed: int) -> LabelMap:
    """The lumen as a label map of cubic voxels on a grid turned at random."""
    rotation = turn(seed)
    points, triangles = sf.fill_openings(surface.points, surface.triangles)
    local = points @ rotation
    low = local.min(axis=0) - (2 + np.random.default_rng(seed).uniform(0, 1, 3)) * spacing
    shape = np.ceil((np.ptp(local, axis=0) + 5 * spacing) / spacing).astype(int)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = spacing * rotation, rotation @ low
    return LabelMap(inside_grid(local, triangles, low, spacing, shape).astype(np.uint8), affine, "test")


def grown(name: str, amount: float, radius: float | None = None) -> Surface:
    """A segment whose labeled sac has grown outward by `amount` mm, all of it or within `radius` mm of its farthest point.

    The growth fades over half a millimeter toward the neck, or over half the radius.
    """
    with np.load(shared_data(f"intra/annotated/{name}.npz")) as stored:
        points, triangles, labels = stored["points"].astype(float), stored["triangles"].astype(np.int32), stored["labels"]
    normals = sf.vertex_normals(points, triangles)
    neck, sac = points[labels == 2], labels == 1
    from_neck = np.linalg.norm(points[:, None] - neck[None], axis=2).min(axis=1)
    share = np.clip(from_neck / 0.5, 0, 1) * sac
    if radius is not None:
        top = points[sac][from_neck[sac].argmax()]
        share *= np.clip(2 - 2 * np.linalg.norm(points - top, axis=1) / radius, 0, 1)
    return Surface(points + amount * share[:, None] * normals, triangles)
