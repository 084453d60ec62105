"""Vessels with an aneurysm from a few numbers: a bent artery with a sac on its side, a fork with a sac between its branches."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from skimage.measure import marching_cubes

from aneuflow.types import FloatArray, Surface

_STEP_MM = 0.3
_LENGTH_RADII = 7.0  # from the middle of the neck to each end
_MARGIN_MM = 1.0
_BLEND = 0.35  # of the artery's radius: how round the corners are where parts meet
_MURRAY = 3.0
_CARINA = 1.7  # radii of the artery from where the axes of a fork meet to the wall between its branches, about


def ideal_vessel(kind: str, generator: np.random.Generator) -> Surface:
    """An open vessel of the kind "sidewall" or "fork", in mm, with sizes drawn from those of cerebral arteries.

    Artery: radius 1.1 to 2.2 mm. Sac: an ellipsoid of 1 to 2.2 artery radii across. All shapes are zero surfaces of distances.
    """
    radius = generator.uniform(1.1, 2.2)
    return _sidewall(radius, generator) if kind == "sidewall" else _fork(radius, generator)


def _sidewall(radius: float, generator: np.random.Generator) -> Surface:
    """The artery runs along x on a parabola; the sac sits anywhere around it."""
    length = _LENGTH_RADII * radius
    along = np.linspace(-1.3 * length, 1.3 * length, 31)
    line = np.stack([along, -0.5 * generator.uniform(0.0, 0.12) / radius * along**2, 0.0 * along], axis=1)
    around = generator.uniform(0.0, 2.0 * np.pi)
    up = np.array([0.0, np.cos(around), np.sin(around)])
    axes = _half_axes(radius, generator)
    middle = (radius + generator.uniform(0.3, 0.75) * axes[1]) * up
    low = np.minimum(line.min(axis=0) - radius, middle - axes.max()) - _MARGIN_MM
    high = np.maximum(line.max(axis=0) + radius, middle + axes.max()) + _MARGIN_MM
    low[0], high[0] = -length, length

    def distance(places: FloatArray) -> FloatArray:
        return _joined(_tube(places, line, radius), _ellipsoid(places, middle, axes, up), _BLEND * radius)

    return _zero_surface(distance, low, high)


def _fork(radius: float, generator: np.random.Generator) -> Surface:
    """The artery comes up along z and parts in the xz plane, by Murray's law; the sac goes on about where it came from."""
    share = generator.uniform(0.3, 0.7)
    radii = radius * np.array([share, 1.0 - share]) ** (1.0 / _MURRAY)
    angles = np.radians(generator.uniform(30.0, 55.0, size=2)) * [1.0, -1.0]
    length = _LENGTH_RADII * radius
    lean = np.radians(generator.uniform(-25.0, 25.0))
    up = np.array([np.sin(lean), 0.0, np.cos(lean)])
    axes = _half_axes(radius, generator)
    middle = (_CARINA * radius + generator.uniform(0.3, 0.75) * axes[1]) * up
    part = np.array([[0.0], [1.0]])
    lines = [2.5 * length * part * [np.sin(angle), 0.0, np.cos(angle)] for angle in angles]
    trunk = part * [0.0, 0.0, -1.3 * length]
    top = max(0.75 * length, float(middle[2] + axes.max()) + _MARGIN_MM)
    side = top * np.tan(np.abs(angles).max()) + 2.0 * radius + axes.max()
    deep = max(radius, float(axes.max())) + abs(float(middle[1])) + _MARGIN_MM

    def distance(places: FloatArray) -> FloatArray:
        whole = _tube(places, trunk, radius)
        for line, own in zip(lines, radii, strict=True):
            whole = _joined(whole, _tube(places, line, float(own)), _BLEND * radius)
        return _joined(whole, _ellipsoid(places, middle, axes, up), _BLEND * radius)

    return _zero_surface(distance, np.array([-side, -deep, -length]), np.array([side, deep, top]))


def _half_axes(radius: float, generator: np.random.Generator) -> FloatArray:
    """Of the sac's ellipsoid, across and along its axis, (2,), mm."""
    across = radius * generator.uniform(1.0, 2.2)
    return np.array([across, across * generator.uniform(0.8, 1.5)])


def _tube(places: FloatArray, line: FloatArray, radius: float) -> FloatArray:
    """Distance from a tube about a polygon line (k, 3); negative inside."""
    nearest = np.full(len(places), np.inf)
    for start, end in pairwise(line):
        step = end - start
        part = np.clip((places - start) @ step / (step @ step), 0.0, 1.0)
        nearest = np.minimum(nearest, np.linalg.norm(places - start - part[:, None] * step, axis=1))
    return nearest - radius


def _ellipsoid(places: FloatArray, middle: FloatArray, axes: FloatArray, up: FloatArray) -> FloatArray:
    """About the distance from an ellipsoid of revolution about `up`; negative inside."""
    offset = places - middle
    height = offset @ up
    across = np.linalg.norm(offset - height[:, None] * up, axis=1)
    return np.asarray((np.hypot(across / axes[0], height / axes[1]) - 1.0) * axes.min())


def _joined(one: FloatArray, other: FloatArray, width: float) -> FloatArray:
    """The nearer of two distances, the corner between them rounded over `width`."""
    part = np.clip(0.5 + 0.5 * (other - one) / width, 0.0, 1.0)
    return np.asarray(other * (1.0 - part) + one * part - width * part * (1.0 - part))


def _zero_surface(distance: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray) -> Surface:
    """The surface distance = 0 in a box, open where it leaves the box; triangles counter-clockwise seen from outside."""
    shape = np.ceil((high - low) / _STEP_MM).astype(int) + 1
    grid = low + _STEP_MM * np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, 3)
    values = distance(grid).reshape(shape)
    points, triangles, _, _ = marching_cubes(values, 0.0, spacing=(_STEP_MM,) * 3)
    return Surface(points.astype(np.float64) + low, triangles.astype(np.int32))
