"""Round vessels along a path as lumen models: straight tubes, bends, nozzles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aneuflow.types import Cap, FloatArray, LumenModel, PatchedSurface, Surface

INLET, OUTLET = 1, 2


def frame_along(axis: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Three orthonormal vectors, the last along `axis`."""
    w = np.asarray(axis, dtype=np.float64) / np.linalg.norm(axis)
    u = np.cross(w, [1.0, 0.0, 0.0] if abs(w[0]) < 0.9 else [0.0, 1.0, 0.0])
    u /= np.linalg.norm(u)
    return u, np.cross(w, u), w


def swept(centers: FloatArray, axes: FloatArray, radii_mm: FloatArray, around: int = 120) -> PatchedSurface:
    """Rings of `around` points about `centers` (n, 3), mm, at right angles to `axes` (n, 3), joined and capped at both ends.

    axes (n, 3, 3): rows u, v, w of each ring's frame, w along the flow. Patch 1 where the flow starts, 2 where it ends. Each
    ring encloses the area of its circle.
    """
    angle = 2.0 * np.pi * np.arange(around) / around
    radius = radii_mm / np.sqrt(np.sinc(2.0 / around))
    circle = np.cos(angle)[None, :, None] * axes[:, None, 0] + np.sin(angle)[None, :, None] * axes[:, None, 1]
    rings = centers[:, None] + radius[:, None, None] * circle
    points = np.concatenate([rings.reshape(-1, 3), centers[:1], centers[-1:]])
    steps = len(centers) - 1
    i, j = np.meshgrid(np.arange(steps), np.arange(around), indexing="ij")
    a, b = (i * around + j).ravel(), (i * around + (j + 1) % around).ravel()
    wall = np.concatenate([np.stack([a, b, b + around], 1), np.stack([a, b + around, a + around], 1)])
    k, end = np.arange(around), steps * around
    start = np.stack([(k + 1) % around, k, np.full(around, len(points) - 2)], 1)
    stop = np.stack([end + k, end + (k + 1) % around, np.full(around, len(points) - 1)], 1)
    patch = np.repeat([0, INLET, OUTLET], [len(wall), around, around]).astype(np.int32)
    triangles = np.concatenate([wall, start, stop]).astype(np.int32)
    return PatchedSurface(Surface(points, triangles), patch, np.zeros(len(points), np.uint8))


def tube(radius_mm: float, length_mm: float, axis: FloatArray, around: int = 120) -> PatchedSurface:
    """A round tube from the origin along `axis`."""
    frame = np.stack(frame_along(axis))
    rings = max(2, round(length_mm / (2.0 * np.pi * radius_mm / around) / 2.0))
    height = np.linspace(0.0, length_mm, rings + 1)
    return swept(height[:, None] * frame[2], np.tile(frame, (rings + 1, 1, 1)), np.full(rings + 1, radius_mm), around)


def tube_model(radius_mm: float, length_mm: float, axis: FloatArray, extension_mm: float = 0.0) -> LumenModel:
    """A tube from the origin as lumen without aneurysm, with flow extensions of that length at both ends."""
    w = frame_along(axis)[2]
    lumen, longer = tube(radius_mm, length_mm, axis), tube(radius_mm, length_mm + 2.0 * extension_mm, axis)
    extended = replace(longer, surface=Surface(longer.surface.points - extension_mm * w, longer.surface.triangles))
    ends = [(0.0, length_mm), (-extension_mm, length_mm + extension_mm)]
    caps = [_caps(np.stack([a * w, b * w]), np.stack([w, w]), np.full(2, radius_mm)) for a, b in ends]
    return LumenModel(lumen, caps[0], (), None, extended, caps[1])


def bend_model(radius_mm: float, bend_radius_mm: float, angle: float, straight_mm: float, around: int = 96) -> LumenModel:
    """A tube bent by `angle` (radians) about the z axis, with straight legs of `straight_mm` before and after.

    The center of the bend is the origin; the bend starts at (bend_radius, 0, 0) and runs toward +y.
    """
    step = 2.0 * np.pi * radius_mm / around * 2.0
    legs = max(2, round(straight_mm / step))
    turns = max(4, round(angle * bend_radius_mm / step))
    theta = np.concatenate([np.zeros(legs), np.linspace(0.0, angle, turns + 1), np.full(legs, angle)])
    beyond = np.concatenate([np.linspace(-straight_mm, 0.0, legs, endpoint=False), np.zeros(turns + 1)])
    beyond = np.concatenate([beyond, np.linspace(straight_mm, 0.0, legs, endpoint=False)[::-1]])
    outward = np.stack([np.cos(theta), np.sin(theta), np.zeros_like(theta)], axis=1)
    along = np.stack([-np.sin(theta), np.cos(theta), np.zeros_like(theta)], axis=1)
    up = np.tile([0.0, 0.0, 1.0], (len(theta), 1))
    centers = bend_radius_mm * outward + beyond[:, None] * along
    axes = np.stack([up, outward, along], axis=1)
    return _model(centers, axes, np.full(len(theta), radius_mm), around)


def profile_model(heights_mm: FloatArray, radii_mm: FloatArray, around: int = 120) -> LumenModel:
    """A vessel about the z axis whose radius runs through the points (heights, radii), linear between them, flow along +z.

    A jump of the radius is given as two points at the same height.
    """
    frame = np.stack(frame_along(np.array([0.0, 0.0, 1.0])))
    centers = heights_mm[:, None] * frame[2]
    return _model(centers, np.tile(frame, (len(heights_mm), 1, 1)), radii_mm, around)


def _model(centers: FloatArray, axes: FloatArray, radii_mm: FloatArray, around: int) -> LumenModel:
    surface = swept(centers, axes, radii_mm, around)
    caps = _caps(centers[[0, -1]], axes[[0, -1], 2], radii_mm[[0, -1]])
    return LumenModel(surface, caps, (), None, surface, caps)


def _caps(centers: FloatArray, along: FloatArray, radii_mm: FloatArray) -> tuple[Cap, Cap]:
    areas = np.pi * radii_mm**2
    inlet = Cap(INLET, "inlet", centers[0], -along[0], float(areas[0]), float(radii_mm[0]))
    return inlet, Cap(OUTLET, "outlet", centers[1], along[1], float(areas[1]), float(radii_mm[1]))
