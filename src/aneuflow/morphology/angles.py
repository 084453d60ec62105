"""Angles between the sac, its neck plane and the branches at its neck."""

from __future__ import annotations

import math

import numpy as np

from aneuflow.numerics.centerline import arc_length
from aneuflow.types import Centerline, FloatArray


def direction_from_neck(line: Centerline, at_end: bool) -> FloatArray:
    """Unit vector (3,) along a branch away from the neck, over the first local diameter of its length.

    at_end: the neck is at the line's last point (inflow artery), else at its first (outflow branch).
    """
    points = line.points_mm[::-1] if at_end else line.points_mm
    radius = line.radius_mm[::-1] if at_end else line.radius_mm
    length = arc_length(points)
    count = max(2, int(np.searchsorted(length, 2 * radius[0])) + 1)
    # The slope of the straight line fitted to them does not hang on the first point, which is drawn into the neck.
    slope = (length[:count] - length[:count].mean()) @ points[:count]
    return np.asarray(slope / max(float(np.linalg.norm(slope)), 1e-12))


def angle_deg(first: FloatArray, second: FloatArray) -> float:
    """Angle between two vectors (3,), degrees in [0, 180]."""
    cosine = float(first @ second) / max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-12)
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))


def angle_to_plane_deg(vector: FloatArray, normal: FloatArray) -> float:
    """Angle between a vector (3,) and the plane of the normal (3,), degrees in [0, 90]."""
    return abs(90.0 - angle_deg(vector, normal))
