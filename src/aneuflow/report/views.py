"""From where a lumen is looked at: the same directions for the still pictures and the interactive view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aneuflow.types import REGION_SAC, FloatArray, LumenModel


@dataclass(frozen=True, eq=False)
class View:
    """A parallel projection: `toward_eye` and `up` are unit vectors (LPS); half of the picture's height spans `radius_mm`."""

    name: str
    toward_eye: FloatArray
    up: FloatArray
    focus_mm: FloatArray
    radius_mm: float


def patient_view(model: LumenModel) -> View:
    """The whole lumen as seen from the patient's front, head up."""
    focus, radius = _sphere_around(model.lumen.surface.points)
    return View("anterior", np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0]), focus, radius)


def close_views(model: LumenModel) -> tuple[View, ...]:
    """Two views from opposite sides and one from above that show the sac in profile, or a bare vessel at its widest."""
    if model.aneurysm is None:
        return _vessel_views(model)
    ostium = model.aneurysm.ostium
    up = _unit(ostium.normal)
    inflow = model.aneurysm.parent_line.points_mm
    along = inflow[-1] - inflow[max(0, len(inflow) - 6)] if len(inflow) > 1 else np.array([1.0, 0.0, 0.0])
    side = np.cross(along, up)
    side = _unit(side) if np.linalg.norm(side) > 1e-6 * np.linalg.norm(along) else _any_normal(up)
    sac = model.lumen.surface.points[model.lumen.region == REGION_SAC]
    near = np.vstack([sac, ostium.neck_line_mm]) if len(sac) else ostium.neck_line_mm
    focus, radius = _sphere_around(near)
    focus, radius = focus - 0.25 * radius * up, 1.75 * radius
    return (
        View("side", side, up, focus, radius),
        View("opposite", -side, up, focus, radius),
        View("above", up, np.cross(up, side), focus, radius),
    )


def _vessel_views(model: LumenModel) -> tuple[View, ...]:
    points = model.lumen.surface.points
    focus, radius = _sphere_around(points)
    axes = np.linalg.svd(points[:: max(1, len(points) // 5000)] - points.mean(axis=0), full_matrices=False)[2]
    up = axes[1] * (np.sign(axes[1, 2]) or 1.0)
    return (
        View("side", axes[2], up, focus, radius),
        View("opposite", -axes[2], up, focus, radius),
        View("above", up, axes[2], focus, radius),
    )


def _sphere_around(points: FloatArray) -> tuple[FloatArray, float]:
    center = 0.5 * (points.min(axis=0) + points.max(axis=0))
    return center, 1.08 * float(np.linalg.norm(points - center, axis=1).max())


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float64)


def _any_normal(vector: FloatArray) -> FloatArray:
    axis = np.eye(3)[int(np.argmin(np.abs(vector)))]
    return _unit(np.cross(vector, axis))
