"""In which direction from the middle of its neck a dome is farthest."""

from __future__ import annotations

import numpy as np

from aneuflow.types import FloatArray

# Width of the fit: a share of the distance, about seven degrees, and at least so many spacings of the points.
_WIDTH, _LEAST_SPACINGS = 0.12, 1.2
# A dome about the middle of its neck is curved less than this share of one over the distance only where it has no summit.
_LEAST_CURVATURE = 0.1
_LEAST_COSINE = 0.2
_STEPS = 8


def summit_direction(offset: FloatArray, spacing_mm: float) -> FloatArray:
    """Unit vector (3,) to the summit of the dome's points, given as their offsets (n, 3) mm from the middle of the neck.

    The farthest point alone would jump from vertex to vertex where the dome is round, and the middle of the points about as
    far lies beside the summit of a dome that falls off unevenly. So the distance is fitted, as a cubic polynomial of the
    direction, to the points about the summit, weighted by a Gaussian around it, and followed uphill until the slope is nil or,
    as on a low dome, the wall ends.
    """
    distance = np.linalg.norm(offset, axis=1)
    longest = float(distance.max())
    # Seen from the neck's middle a folded dome has nearer wall in the same direction.
    far = distance > 0.5 * longest
    offset, distance = offset[far], distance[far]
    width = max(_WIDTH, _LEAST_SPACINGS * spacing_mm / longest)
    outward = offset / distance[:, None]
    summit = outward[distance.argmax()]
    for _ in range(_STEPS):
        first = np.cross(summit, np.eye(3)[np.abs(summit).argmin()])
        first /= np.linalg.norm(first)
        second = np.cross(summit, first)
        near = outward @ summit > max(np.cos(3 * width), _LEAST_COSINE)
        along = outward[near] / (outward[near] @ summit)[:, None]
        x, y = along @ first, along @ second
        weight = np.exp(-(x**2 + y**2) / (4 * width**2))
        terms = np.stack([x**0, x, y, x**2, x * y, y**2, x**3, x**2 * y, x * y**2, y**3], axis=1)
        fit = np.linalg.lstsq(weight[:, None] * terms, weight * distance[near], rcond=None)[0]
        bend, axes = np.linalg.eigh([[2 * fit[3], fit[4]], [fit[4], 2 * fit[5]]])
        step = axes @ ((axes.T @ fit[1:3]) / np.maximum(-bend, _LEAST_CURVATURE * longest))
        step *= min(1.0, width / max(float(np.linalg.norm(step)), 1e-12))
        summit = summit + step[0] * first + step[1] * second
        summit /= np.linalg.norm(summit)
        nearest = outward[(outward @ summit).argmax()]
        if np.linalg.norm(summit - nearest) > spacing_mm / longest:
            summit = nearest
    return np.asarray(summit)
