"""Analytic shapes for the tests, with the facts that are exact about them. Lengths in mm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation
from skimage import measure

from aneuflow.types import FloatArray, LabelMap, Surface

Field = Callable[[FloatArray], FloatArray]


def tube(radius: float = 1.5, length: float = 12.0, edge: float = 0.25) -> Surface:
    """A straight tube along z from 0 to `length`, open at both ends; its points lie exactly on the cylinder."""
    around = max(12, round(2 * np.pi * radius / edge))
    along = max(2, round(length / edge))
    angle = 2 * np.pi * np.arange(around) / around
    z = np.linspace(0, length, along + 1)
    points = np.stack(
        [np.tile(radius * np.cos(angle), along + 1), np.tile(radius * np.sin(angle), along + 1), np.repeat(z, around)], axis=1
    )
    return Surface(points, _grid_triangles(along, around))


def bend(radius: float = 1.5, bend_radius: float = 6.0, angle_deg: float = 120.0, edge: float = 0.25) -> Surface:
    """A piece of a torus about z, open at both ends: a bent tube without aneurysm."""
    around = max(12, round(2 * np.pi * radius / edge))
    along = max(4, round(np.radians(angle_deg) * bend_radius / edge))
    theta = np.linspace(0, np.radians(angle_deg), along + 1)[:, None]
    phi = -2 * np.pi * np.arange(around) / around
    ring = bend_radius + radius * np.cos(phi)
    points = np.stack(
        [ring * np.cos(theta), ring * np.sin(theta), np.broadcast_to(radius * np.sin(phi), (along + 1, around))], axis=-1
    )
    return Surface(points.reshape(-1, 3), _grid_triangles(along, around))


def _grid_triangles(along: int, around: int) -> np.ndarray:
    i, j = np.meshgrid(np.arange(along), np.arange(around), indexing="ij")
    following = (j + 1) % around
    a, b, c, d = i * around + j, i * around + following, (i + 1) * around + following, (i + 1) * around + j
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]).astype(np.int32)


def sphere(radius: float = 3.0, subdivisions: int = 4) -> Surface:
    """A closed sphere about the origin, points exactly on it."""
    ball = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return Surface(np.asarray(ball.vertices, dtype=float), np.asarray(ball.faces, dtype=np.int32))


def closed(surface: Surface) -> Surface:
    """The surface with each opening closed by a fan: a flat cap where the opening is planar."""
    from aneuflow.numerics.surface import fill_openings

    return Surface(*fill_openings(surface.points, surface.triangles))


def moved(
    surface: Surface, rotation_deg: tuple[float, float, float], shift: tuple[float, float, float], scale: float = 1.0
) -> Surface:
    """The surface scaled, turned (Euler angles xyz) and shifted."""
    turn = Rotation.from_euler("xyz", rotation_deg, degrees=True).as_matrix()
    return Surface(scale * surface.points @ turn.T + np.array(shift), surface.triangles)


@dataclass(frozen=True)
class SidewallAneurysm:
    """A sphere on a straight tube along z: its center lies `offset` from the tube's axis along x, at half the length."""

    radius: float = 1.5
    length: float = 16.0
    sac_radius: float = 2.5
    offset: float = 3.4

    @property
    def dome(self) -> FloatArray:
        """The sac's point farthest from the tube's axis."""
        return np.array([self.offset + self.sac_radius, 0.0, self.length / 2])

    def field(self, places: FloatArray) -> FloatArray:
        """Negative inside, near the surface the distance to it."""
        pipe = np.hypot(places[..., 0], places[..., 1]) - self.radius
        ball = np.linalg.norm(places - [self.offset, 0, self.length / 2], axis=-1) - self.sac_radius
        return np.asarray(np.minimum(pipe, ball))

    def surface(self, step: float = 0.2) -> Surface:
        """Open at both ends of the tube."""
        reach = max(self.radius, self.sac_radius) + 0.6
        return contour(self.field, (-reach, -reach, 0), (self.offset + self.sac_radius + 0.6, reach, self.length), step)


@dataclass(frozen=True)
class Bifurcation:
    """A parent tube along z up to the origin and two daughters at +-`half_angle_deg` from z in the xz plane.

    Each tube is `length` long; with a sac_radius a sphere sits on the apex, its center 1.2 of its radii above it.
    """

    parent_radius: float = 1.5
    daughter_radii: tuple[float, float] = (1.2, 1.0)
    half_angle_deg: float = 45.0
    length: float = 9.0
    sac_radius: float = 0.0

    def directions(self) -> FloatArray:
        """Unit vectors (3, 3) from the origin along the parent (upstream) and the two daughters."""
        sine, cosine = np.sin(np.radians(self.half_angle_deg)), np.cos(np.radians(self.half_angle_deg))
        return np.array([[0, 0, -1.0], [sine, 0, cosine], [-sine, 0, cosine]])

    def field(self, places: FloatArray) -> FloatArray:
        """Negative inside."""
        radii = (self.parent_radius, *self.daughter_radii)
        parts = [_ray(places, direction) - radius for direction, radius in zip(self.directions(), radii, strict=True)]
        if self.sac_radius:
            parts.append(np.linalg.norm(places - [0, 0, 1.2 * self.sac_radius], axis=-1) - self.sac_radius)
        return np.asarray(np.minimum.reduce(parts))

    def surface(self, step: float = 0.2) -> Surface:
        """Open at the three ends, the daughters cut obliquely by the plane z = const."""
        top = self.length * np.cos(np.radians(self.half_angle_deg))
        wide = top * np.tan(np.radians(self.half_angle_deg)) + 2.2 * max(self.daughter_radii)
        deep = max(self.parent_radius, self.sac_radius) + 0.6
        return contour(self.field, (-wide, -deep, -self.length), (wide, deep, top), step)


def _ray(places: FloatArray, direction: FloatArray) -> FloatArray:
    along = np.maximum(places @ direction, 0)
    return np.asarray(np.linalg.norm(places - along[..., None] * direction, axis=-1))


def contour(field: Field, low: tuple[float, ...], high: tuple[float, ...], step: float) -> Surface:
    """The zero surface of the field in the box; where it leaves the box it is open. Points are drawn onto the zero surface."""
    axes = [np.linspace(a, b, max(3, round((b - a) / step) + 1)) for a, b in zip(low, high, strict=True)]
    spacing = np.array([axis[1] - axis[0] for axis in axes])
    values = field(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))
    points, triangles, _, _ = measure.marching_cubes(values, 0.0, spacing=tuple(spacing), gradient_direction="descent")
    points = points.astype(float) + low
    inner = ((points > np.array(low) + 1e-6) & (points < np.array(high) - 1e-6)).all(axis=1)
    for _ in range(3):
        gradient = np.stack([(field(points + h) - field(points - h)) / 2e-4 for h in 1e-4 * np.eye(3)], axis=1)
        move = field(points)[:, None] * gradient / np.maximum((gradient**2).sum(axis=1, keepdims=True), 1e-12)
        points = points - np.where(inner[:, None], np.clip(move, -0.3 * step, 0.3 * step), 0)
    return Surface(points, triangles.astype(np.int32))


def label_map(field: Field, low: tuple[float, ...], high: tuple[float, ...], affine: FloatArray) -> LabelMap:
    """The voxels of the box (LPS mm) whose middles have a negative field; of the affine only the 3x3 part is taken."""
    corners = np.array(np.meshgrid(*zip(low, high, strict=True), indexing="ij")).reshape(3, -1)
    index = np.linalg.solve(affine[:3, :3], corners)
    first = np.floor(index.min(axis=1))
    shape = (np.ceil(index.max(axis=1)) - first).astype(int) + 1
    whole = np.array(affine, dtype=float)
    whole[:3, 3] = affine[:3, :3] @ first
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    places = grid @ whole[:3, :3].T + whole[:3, 3]
    inside = (field(places) < 0) & ((places >= low) & (places <= high)).all(axis=-1)
    return LabelMap(inside.astype(np.uint8), whole, "analytic")
