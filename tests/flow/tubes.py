"""Closed, patched surfaces of simple vessels for the solver's tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aneuflow.types import Cap, LumenModel, PatchedSurface, Surface

INLET, OUTLET = 1, 2


def frame_along(axis: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three orthonormal vectors, the last along `axis`."""
    w = np.asarray(axis, dtype=float) / np.linalg.norm(axis)
    u = np.cross(w, [1.0, 0, 0] if abs(w[0]) < 0.9 else [0, 1.0, 0])
    u /= np.linalg.norm(u)
    return u, np.cross(w, u), w


def tube(radius_mm: float, length_mm: float, axis: np.ndarray, around: int = 120) -> PatchedSurface:
    """A round tube from the origin along `axis`: patch 1 where it starts, 2 where it ends."""
    u, v, w = frame_along(axis)
    rings = max(2, round(length_mm / (2 * np.pi * radius_mm / around) / 2))
    angle = 2 * np.pi * np.arange(around) / around
    radius = radius_mm / np.sqrt(np.sinc(2 / around))  # the polygon has the circle's area
    circle = radius * (np.cos(angle)[:, None] * u + np.sin(angle)[:, None] * v)
    height = np.linspace(0, length_mm, rings + 1)
    points = np.concatenate([(circle[None] + height[:, None, None] * w).reshape(-1, 3), [0 * w, length_mm * w]])
    i, j = np.meshgrid(np.arange(rings), np.arange(around), indexing="ij")
    a, b = (i * around + j).ravel(), (i * around + (j + 1) % around).ravel()
    wall = np.concatenate([np.stack([a, b, b + around], 1), np.stack([a, b + around, a + around], 1)])
    k, end = np.arange(around), rings * around
    start = np.stack([(k + 1) % around, k, np.full(around, len(points) - 2)], 1)
    stop = np.stack([end + k, end + (k + 1) % around, np.full(around, len(points) - 1)], 1)
    triangles = np.concatenate([wall, start, stop]).astype(np.int32)
    patch = np.repeat([0, INLET, OUTLET], [len(wall), around, around]).astype(np.int32)
    return PatchedSurface(Surface(points, triangles), patch, np.zeros(len(points), np.uint8))


def tube_model(radius_mm: float, length_mm: float, axis: np.ndarray, extension_mm: float = 0.0) -> LumenModel:
    """A tube from the origin as lumen model without aneurysm, with flow extensions of that length at both ends."""
    w = frame_along(axis)[2]
    lumen, extended = tube(radius_mm, length_mm, axis), tube(radius_mm, length_mm + 2 * extension_mm, axis)
    moved = Surface(extended.surface.points - extension_mm * w, extended.surface.triangles)
    caps, extended_caps = _ends(radius_mm, 0.0, length_mm, w), _ends(radius_mm, -extension_mm, length_mm + extension_mm, w)
    return LumenModel(lumen, caps, (), None, replace(extended, surface=moved), extended_caps)


def _ends(radius_mm: float, start_mm: float, stop_mm: float, w: np.ndarray) -> tuple[Cap, Cap]:
    area = np.pi * radius_mm**2
    inlet = Cap(INLET, "inlet", start_mm * w, -w, area, radius_mm)
    return inlet, Cap(OUTLET, "outlet", stop_mm * w, w, area, radius_mm)
