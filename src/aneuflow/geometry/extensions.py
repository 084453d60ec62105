"""Straight flow extensions at the caps, so that in- and outflow conditions stand away from the vessel."""

from __future__ import annotations

import numpy as np

from aneuflow.numerics import surface as sf
from aneuflow.types import REGION_EXTENSION, WALL_PATCH, Cap, FloatArray, IntArray, Note, PatchedSurface, Surface

# An extension nearer to other wall than this many of its radii is cut short before it.
_CLEARANCE_RADII = 1.25
# Edge of a flat lid's inner triangles, in radii: a rim of slender triangles may be so fine that a lid as fine fills the memory.
_FINEST_LID = 1 / 30


def extend(
    lumen: PatchedSurface, caps: tuple[Cap, ...], inlet_diameters: float, outlet_diameters: float
) -> tuple[PatchedSurface, tuple[Cap, ...], tuple[Note, ...]]:
    """The lumen with a tube added at each cap along its normal, the tubes' caps, and a note where tubes were cut short.

    A tube begins with the cap's true cross section and blends within one diameter into the circle of equal area. Its
    points have region 2. Where it would run into the vessel or another tube it ends before.
    """
    points, region = [lumen.surface.points], [lumen.region]
    walls = [lumen.surface.triangles[lumen.patch == WALL_PATCH]]
    discs, ids, ends, shortened = [], [], [], 0
    count = len(lumen.surface.points)
    obstacles = lumen.surface.points
    for cap in caps:
        rim = sf.boundary_loops(lumen.surface.triangles[lumen.patch == cap.id])[0]
        ring = lumen.surface.points[rim]
        wanted = 2 * cap.radius_mm * (inlet_diameters if cap.role == "inlet" else outlet_diameters)
        length = _free_length(cap, obstacles, wanted)
        shortened += length < 0.99 * wanted
        layers = _layers(cap, ring, length)
        wall, last = _strips(rim, len(layers), count)
        walls.append(wall)
        tube = layers.reshape(-1, 3)
        end_ring = layers[-1] if len(layers) else ring
        inner, disc = sf.fill_disc(end_ring, max(_edge(ring), _FINEST_LID * cap.radius_mm))
        first_inner = count + len(tube)
        discs.append(np.concatenate([last, np.arange(first_inner, first_inner + len(inner))])[disc])
        ids.append(np.full(len(disc), cap.id))
        points += [tube, inner]
        region.append(np.full(len(tube) + len(inner), REGION_EXTENSION, dtype=np.uint8))
        count = first_inner + len(inner)
        obstacles = np.concatenate([obstacles, tube])
        ends.append(_moved(cap, end_ring))
    triangles = np.concatenate([*walls, *discs])
    patch = np.concatenate([np.full(sum(map(len, walls)), WALL_PATCH), *ids]).astype(np.int32)
    places, triangles, kept = sf.compact(np.concatenate(points), triangles)
    notes = (Note("extensions_shortened", {"count": shortened, "ends": len(caps)}),) if shortened else ()
    return PatchedSurface(Surface(places, triangles), patch, np.concatenate(region)[kept]), tuple(ends), notes


def _edge(ring: FloatArray) -> float:
    return float(np.median(np.linalg.norm(ring - np.roll(ring, -1, axis=0), axis=1)))


def _free_length(cap: Cap, obstacles: FloatArray, wanted: float) -> float:
    offset = obstacles - cap.center_mm
    along = offset @ cap.normal
    aside = np.linalg.norm(offset - along[:, None] * cap.normal, axis=1)
    reach = wanted + cap.radius_mm
    in_way = (along > 0.3 * cap.radius_mm) & (along < reach) & (aside < _CLEARANCE_RADII * cap.radius_mm)
    if not in_way.any():
        return wanted
    return max(0.0, min(wanted, float(along[in_way].min()) - 0.5 * cap.radius_mm))


def _layers(cap: Cap, ring: FloatArray, length: float) -> FloatArray:
    """Rings (layers, k, 3) of the tube after its first one, a quarter of the radius apart."""

    count = round(length / (0.25 * cap.radius_mm))
    if count < 2:
        return np.zeros((0, len(ring), 3))
    circle = _circle_like(cap, ring)
    along = np.linspace(0, length, count + 1)[1:]
    share = np.clip(along / min(2 * cap.radius_mm, length), 0, 1)
    share = share**2 * (3 - 2 * share)
    flat = ring - cap.center_mm
    shape = (1 - share)[:, None, None] * flat + share[:, None, None] * circle
    return np.asarray(cap.center_mm + shape + along[:, None, None] * cap.normal)


def _circle_like(cap: Cap, ring: FloatArray) -> FloatArray:
    """Points (k, 3) about the origin on the circle of the cap's area, spaced as the ring's and turned to lie next to them."""
    step = np.linalg.norm(np.roll(ring, -1, axis=0) - ring, axis=1)
    angle = 2 * np.pi * np.concatenate([[0.0], np.cumsum(step)[:-1]]) / step.sum()
    axis = sf.polygon_area_vector(ring)
    axis = axis / np.linalg.norm(axis)
    offset = ring - cap.center_mm
    first = offset[0] - (offset[0] @ axis) * axis
    first = first / np.linalg.norm(first)
    second = np.cross(axis, first)
    turn = np.angle(np.sum((offset @ first + 1j * (offset @ second)) * np.exp(-1j * angle)))
    angle = angle + turn
    following = np.roll(angle, -1)
    polygon = 0.5 * float(np.abs(np.sin(following - angle)).sum())
    radius = np.sqrt(cap.area_mm2 / polygon)
    return np.asarray(radius * (np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second))


def _strips(rim: np.ndarray, layers: int, first: int) -> tuple[IntArray, np.ndarray]:
    """Triangles between the rim and the rings numbered from `first` on, and the points of the last ring."""
    k = len(rim)
    rings = np.concatenate([rim[None], first + np.arange(layers * k).reshape(layers, k)])
    low, high = rings[:-1], rings[1:]
    low_next, high_next = np.roll(low, -1, axis=1), np.roll(high, -1, axis=1)
    quads = np.stack([low, low_next, high_next, low, high_next, high], axis=-1)
    return quads.reshape(-1, 3).astype(np.int32), rings[-1]


def _moved(cap: Cap, ring: FloatArray) -> Cap:
    area = float(np.linalg.norm(sf.polygon_area_vector(ring)))
    return Cap(cap.id, cap.role, sf.polygon_centroid(ring), cap.normal, area, float(np.sqrt(area / np.pi)))
