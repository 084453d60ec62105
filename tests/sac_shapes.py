"""Lumens with known sacs, made as zero surfaces of distance functions, and lumens that look as if they had one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from skimage.measure import marching_cubes

from aneuflow.types import Cap, PatchedSurface, Surface

STEP_MM = 0.2
Lumen = tuple[PatchedSurface, tuple[Cap, ...]]
End = tuple[tuple[float, float, float], tuple[float, float, float], float, str]


def lumen(distance: Callable[[np.ndarray], np.ndarray], low, high, ends: list[End], step: float = STEP_MM) -> Lumen:
    """The surface distance = 0 in a box, cut flat at the ends (middle, normal out of the lumen, radius, role)."""
    axes = [np.arange(a, b + step, step) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    places = grid.reshape(-1, 3)
    value = distance(places)
    for middle, normal, radius, _ in ends:
        near = np.linalg.norm(places - middle, axis=1) < 2 * radius + 1
        value = np.where(near, np.maximum(value, (places - middle) @ np.array(normal)), value)
    points, triangles, _, _ = marching_cubes(value.reshape(grid.shape[:3]), 0.0, spacing=(step,) * 3)
    points = points.astype(float) + np.array(low)
    a, b, c = (points[triangles[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    if np.einsum("ij,ij->", a, np.cross(b, c)) < 0:
        triangles, normals = triangles[:, ::-1], -normals
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    middles, patch, caps = points[triangles].mean(axis=1), np.zeros(len(triangles), dtype=np.int32), []
    for number, (middle, normal, radius, role) in enumerate(ends, start=1):
        direction = np.array(normal)
        flat = (np.abs((middles - middle) @ direction) < 0.6 * step) & (normals @ direction > 0.9)
        patch[flat & (np.linalg.norm(middles - middle, axis=1) < 1.6 * radius)] = number
        caps.append(Cap(number, role, np.array(middle), direction, np.pi * radius**2, radius))
    surface = Surface(points, triangles.astype(np.int32))
    return PatchedSurface(surface, patch, np.zeros(len(points), dtype=np.uint8)), tuple(caps)


def line_distance(places: np.ndarray, line: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Distance from a tube around a polygon line (k, 3) with the radius (k,) at its points."""
    nearest = np.full(len(places), np.inf)
    for start, end, first, last in zip(line[:-1], line[1:], radius[:-1], radius[1:], strict=True):
        step = end - start
        part = np.clip((places - start) @ step / (step @ step), 0, 1)
        away = np.linalg.norm(places - start - part[:, None] * step, axis=1)
        nearest = np.minimum(nearest, away - first - part * (last - first))
    return nearest


def straight(
    radius: float = 1.5,
    outlet_radius: float | None = None,
    narrowing: float = 0.0,
    squeeze: float = 1.0,
    sac: tuple[float, float] | None = None,
    step: float = STEP_MM,
) -> Lumen:
    """A tube of 16 mm along z; sac: height of a sphere's middle over the axis (along y) and its radius, mm."""
    z = np.linspace(-10, 10, 61)
    radii = np.interp(z, [-8, 8], [radius, outlet_radius or radius]) * (1 - narrowing * np.exp(-((z / 1.5) ** 2)))
    line = np.stack([0 * z, 0 * z, z], axis=1)

    def distance(places: np.ndarray) -> np.ndarray:
        tube = line_distance(places * [1 / squeeze, 1, 1], line, radii)
        return tube if sac is None else np.minimum(tube, np.linalg.norm(places - [0, sac[0], 0], axis=1) - sac[1])

    side = max(4.0 * squeeze, sac[1] + 1 if sac else 0)
    high = [side, max(4.0, sac[0] + sac[1] + 1 if sac else 0), 9]
    root = squeeze**0.5
    ends = [
        ((0, 0, -8), (0, 0, -1), float(radii[6]) * root, "inlet"),
        ((0, 0, 8), (0, 0, 1), float(radii[-7]) * root, "outlet"),
    ]
    return lumen(distance, [-side, -4, -9], high, ends, step)


def beside_plate(radius: float = 1.5) -> Lumen:
    """A tube along z that a flat vessel of 2 x 12 x 8 mm touches edge on, as a venous sinus may."""
    half = np.array([1.0, 6.0, 4.0])

    def distance(places: np.ndarray) -> np.ndarray:
        plate = (np.linalg.norm((places - [0, 6.5, 0]) / half, axis=1) - 1) * half.min()
        return np.minimum(line_distance(places, np.array([[0, 0, -10.0], [0, 0, 10]]), np.full(2, radius)), plate)

    ends: list[End] = [((0, 0, -8), (0, 0, -1), radius, "inlet"), ((0, 0, 8), (0, 0, 1), radius, "outlet")]
    return lumen(distance, [-3, -3, -9], [3, 13.5, 9], ends)


def bend(radius: float = 1.5, bend_radius: float = 4.0) -> Lumen:
    """A U of a tube: half a circle in the xy plane with straight legs of 5 mm."""
    angle = np.linspace(0, np.pi, 61)
    arc = bend_radius * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    line = np.concatenate([[[bend_radius, -6, 0]], arc, [[-bend_radius, -6, 0]]])
    reach = bend_radius + radius + 0.5
    ends = [((bend_radius, -5, 0), (0, -1, 0), radius, "inlet"), ((-bend_radius, -5, 0), (0, -1, 0), radius, "outlet")]
    radii = np.full(len(line), radius)
    return lumen(
        lambda places: line_distance(places, line, radii), [-reach, -6.5, -radius - 0.5], [reach, reach, radius + 0.5], ends
    )


def fork(
    radii: tuple[float, float, float] = (1.5, 1.2, 1.1), half_angle_deg: float = 50.0, sac: tuple[float, float] | None = None
) -> Lumen:
    """An artery along z that parts in the yz plane; sac: height of a sphere's middle over the fork and its radius, mm."""
    angle = np.radians(half_angle_deg)
    first, second = np.array([0, np.sin(angle), np.cos(angle)]), np.array([0, -np.sin(angle), np.cos(angle)])
    origin = np.zeros(3)

    def distance(places: np.ndarray) -> np.ndarray:
        parts = [
            line_distance(places, np.array([start, end]), np.array([radius, radius]))
            for start, end, radius in zip([[0, 0, -9], origin, origin], [origin, 9 * first, 9 * second], radii, strict=True)
        ]
        tree = _blended(_blended(parts[0], parts[1], 0.4), parts[2], 0.4)
        return tree if sac is None else _blended(tree, np.linalg.norm(places - [0, 0, sac[0]], axis=1) - sac[1], 0.3)

    ends = [
        ((0, 0, -8), (0, 0, -1), radii[0], "inlet"),
        (tuple(8 * first), tuple(first), radii[1], "outlet"),
        (tuple(8 * second), tuple(second), radii[2], "outlet"),
    ]
    return lumen(distance, [-4, -10, -9], [4, 10, 10], ends)


def _blended(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    part = np.clip(0.5 + 0.5 * (b - a) / width, 0, 1)
    return b * (1 - part) + a * part - width * part * (1 - part)


def spherical_cap(
    radius: float = 3.0, neck_radius: float = 2.0, rings: int = 50, spokes: int = 100
) -> tuple[np.ndarray, np.ndarray]:
    """The larger part of a sphere over a plane neck at z = 0, open there: points (n, 3) and triangles (m, 3), normals out."""
    middle = np.sqrt(radius**2 - neck_radius**2)
    polar = np.linspace(0, np.pi - np.arcsin(neck_radius / radius), rings + 1)[1:]
    turn = np.arange(spokes) * 2 * np.pi / spokes
    around = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    points = [[0.0, 0.0, middle + radius]]
    for angle in polar:
        points += [[*(radius * np.sin(angle) * xy), middle + radius * np.cos(angle)] for xy in around]
    triangles = [[0, 1 + k, 1 + (k + 1) % spokes] for k in range(spokes)]
    for ring in range(rings - 1):
        for k in range(spokes):
            a, b = 1 + ring * spokes + k, 1 + ring * spokes + (k + 1) % spokes
            triangles += [[a, a + spokes, b], [b, a + spokes, b + spokes]]
    return np.array(points), np.array(triangles, dtype=np.int32)
