"""Lengths, areas and volume of a sac; points are (n, 3) float64 in mm, in any frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from aneuflow.errors import MethodError
from aneuflow.morphology.summit import summit_direction
from aneuflow.numerics import surface as sf
from aneuflow.types import FloatArray, IntArray

Segment = tuple[FloatArray, FloatArray]
_SECTIONS = 48
_DIRECTIONS = 180


@dataclass(frozen=True, eq=False)
class Sac:
    """The wall of a sac and its neck.

    points (n, 3) mm; triangles (m, 3) of the wall alone, normals outward; neck (k, 3) the ordered rim; center (3,) and
    normal (3,) of the neck plane, normal into the sac. The sac is closed by the fan from the middle of the rim.
    """

    points: FloatArray
    triangles: IntArray
    neck: FloatArray
    center: FloatArray
    normal: FloatArray


def sac_of(points: FloatArray, triangles: IntArray) -> Sac:
    """The sac made of the wall triangles given; its neck is the opening of the largest area.

    Raises MethodError where the triangles leave no opening.
    """
    points, triangles, _ = sf.compact(points, triangles)
    loops = sf.boundary_loops(triangles)
    if not loops:
        raise MethodError("The sac has no neck line, so its shape cannot be measured; give a neck plane.")
    ring = points[max(loops, key=lambda loop: float(np.linalg.norm(sf.polygon_area_vector(points[loop]))))]
    # The rim of a surface with outward normals turns so that its area vector points into what the surface encloses.
    vector = sf.polygon_area_vector(ring)
    normal = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return Sac(points, triangles, ring, sf.polygon_centroid(ring), normal)


def closed_sac(sac: Sac) -> tuple[FloatArray, IntArray]:
    """The sac closed over every opening by the fan from the middle of its rim: points (p, 3) mm and triangles (q, 3)."""
    points, triangles = [sac.points], [np.asarray(sac.triangles, dtype=np.int32)]
    for number, loop in enumerate(sf.boundary_loops(sac.triangles)):
        points.append(sf.curve_middle(sac.points[loop])[None])
        middle = np.full(len(loop), len(sac.points) + number)
        triangles.append(np.stack([np.roll(loop, -1), loop, middle], axis=1).astype(np.int32))
    return np.concatenate(points), np.concatenate(triangles)


def volume(sac: Sac) -> float:
    """Volume between wall and ostium surface, mm3."""
    return abs(sf.signed_volume(*closed_sac(sac)))


def wall_area(sac: Sac) -> float:
    """Area of the wall without the ostium, mm2."""
    return sf.area(sac.points, sac.triangles)


def neck_area(sac: Sac) -> float:
    """Area of the ostium surface, the fan over the neck line, mm2."""
    spokes = sac.neck - sf.curve_middle(sac.neck)
    return float(0.5 * np.linalg.norm(np.cross(spokes, np.roll(spokes, -1, axis=0)), axis=1).sum())


def hull_volume_area(sac: Sac) -> tuple[float, float]:
    """Volume (mm3) of the sac's convex hull and its area (mm2) without the neck plane's share."""
    hull_volume, hull_area = sf.hull_volume_area(sac.points)
    return hull_volume, hull_area - float(np.linalg.norm(sf.polygon_area_vector(sac.neck)))


def height(sac: Sac) -> tuple[float, Segment]:
    """Largest distance of the wall from the neck plane, mm, and the perpendicular that shows it."""
    distance = (sac.points - sac.center) @ sac.normal
    top = int(distance.argmax())
    return float(distance[top]), (sac.points[top] - distance[top] * sac.normal, sac.points[top])


def maximum_height(sac: Sac) -> tuple[float, Segment]:
    """Longest distance from the neck's centroid to the dome, mm, and the line that shows it, toward its summit."""
    above = sac.points[(sac.points - sac.center) @ sac.normal >= 0]
    offset = (above if len(above) else sac.points) - sac.center
    longest = float(np.linalg.norm(offset, axis=1).max())
    spacing = float(np.sqrt(wall_area(sac) / len(sac.points)))
    return longest, (sac.center, sac.center + longest * summit_direction(offset, spacing))


def maximum_diameter(sac: Sac) -> tuple[float, Segment]:
    """Longest chord between two points of the wall, mm."""
    return longest_chord(sac.points)


def width(sac: Sac) -> tuple[float, Segment]:
    """Longest chord within one of 48 sections perpendicular to the line of maximum height, mm."""
    top = maximum_height(sac)[1][1]
    axis = (top - sac.center) / max(float(np.linalg.norm(top - sac.center)), 1e-12)
    points, triangles = closed_sac(sac)
    level = (points - sac.center) @ axis
    pairs = sf.edges(triangles)[0]
    low, high = np.sort(level[pairs], axis=1).T
    turn = np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS
    first = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    first /= np.linalg.norm(first)
    across = np.cos(turn)[:, None] * first + np.sin(turn)[:, None] * np.cross(axis, first)
    best: tuple[float, Segment] = (0.0, (sac.center, sac.center))
    for height_mm in np.linspace(level.min(), level.max(), _SECTIONS + 2)[1:-1]:
        start, end = pairs[(low < height_mm) & (high >= height_mm)].T
        part = (height_mm - level[start]) / (level[end] - level[start])
        places = points[start] + part[:, None] * (points[end] - points[start])
        # The longest chord is the largest extent in any direction.
        reach = places @ across.T
        extent = np.ptp(reach, axis=0) if len(places) else np.zeros(1)
        if extent.max() > best[0]:
            along = reach[:, int(extent.argmax())]
            ends = places[int(along.argmin())], places[int(along.argmax())]
            best = float(np.linalg.norm(ends[1] - ends[0])), ends
    return best


def neck_diameter(sac: Sac) -> tuple[float, Segment]:
    """Mean of the neck's diameters through its centroid, mm, and the diameter that comes closest to the mean."""
    across, segment = _neck_diameters(sac)
    mean = float(across.mean())
    return mean, segment(int(np.abs(across - mean).argmin()))


def neck_maximum_diameter(sac: Sac) -> tuple[float, Segment]:
    """Largest of the neck's diameters through its centroid, mm, and the line that shows it."""
    across, segment = _neck_diameters(sac)
    return float(across.max()), segment(int(across.argmax()))


def equivalent_diameter(area_mm2: float) -> float:
    """Diameter of the circle of equal area, mm."""
    return 2 * float(np.sqrt(area_mm2 / np.pi))


def _neck_diameters(sac: Sac) -> tuple[FloatArray, Callable[[int], Segment]]:
    """The neck's diameters through its centroid in directions a degree apart, (180,) mm, and the line of each by number."""
    first = np.cross(sac.normal, np.eye(3)[np.argmin(np.abs(sac.normal))])
    first /= np.linalg.norm(first)
    second = np.cross(sac.normal, first)
    x, y = (sac.neck - sac.center) @ first, (sac.neck - sac.center) @ second
    angle = np.arange(2 * _DIRECTIONS) * np.pi / _DIRECTIONS
    reach = _reach(x, y, angle)

    def segment(number: int) -> Segment:
        direction = np.cos(angle[number]) * first + np.sin(angle[number]) * second
        return sac.center - reach[number + _DIRECTIONS] * direction, sac.center + reach[number] * direction

    return reach[:_DIRECTIONS] + reach[_DIRECTIONS:], segment


def _reach(x: FloatArray, y: FloatArray, angle: FloatArray) -> FloatArray:
    """How far the closed polygon (k,) reaches from the origin in each direction, to its outermost crossing."""
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    along, aside = x * cosine + y * sine, y * cosine - x * sine
    next_along, next_aside = np.roll(along, -1, axis=1), np.roll(aside, -1, axis=1)
    crossing = aside * next_aside <= 0
    part = np.where(crossing, aside / np.where(aside == next_aside, 1.0, aside - next_aside), 0.0)
    place = np.where(crossing, along + part * (next_along - along), 0.0)
    return np.asarray(np.maximum(place.max(axis=1), 0.0))


def longest_chord(points: FloatArray) -> tuple[float, Segment]:
    """The longest distance between two of the points (n, 3), mm, and the two points."""
    if len(points) > 100:
        try:
            points = points[ConvexHull(points).vertices]
        except QhullError:
            # Points in one plane have no hull in space; they are thinned until all pairs can be compared.
            points = points[:: max(1, len(points) // 1000)]
    square = (points**2).sum(axis=1)
    distance = square[:, None] + square - 2 * points @ points.T
    a, b = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(np.linalg.norm(points[a] - points[b])), (points[a], points[b])
