"""Ellipsoid sacs on tubes and forks: their tessellation, and their measures from quadrature over the exact surfaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation
from skimage.measure import marching_cubes

from aneuflow.numerics import surface as sf
from aneuflow.types import Cap, PatchedSurface, Surface

LENGTH = 9.0
Noise = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Shape:
    """An artery along z up to the origin, going on straight (half_angle 0) or parting by it in the yz plane; a sac on it.

    radii: of artery and branches, mm; center (x, y, z), axes (a, b, c) and turn (rotation vector, degrees) of the ellipsoid;
    inside: a direction from its center to its neck.
    """

    name: str
    radii: tuple[float, ...]
    half_angle: float
    center: tuple[float, float, float]
    axes: tuple[float, float, float]
    inside: tuple[float, float, float]
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def directions(self) -> np.ndarray:
        """Unit vectors away from the origin: upstream, then along each branch."""
        angle = np.radians(self.half_angle)
        down = [[0, 0, 1.0]] if not angle else [[0, s * np.sin(angle), np.cos(angle)] for s in (1, -1)]
        return np.array([[0, 0, -1.0], *down])

    def artery(self, places: np.ndarray) -> np.ndarray:
        """Distance outside of the artery and its branches, (n,), negative inside."""
        away = []
        for direction, radius in zip(self.directions, self.radii, strict=True):
            along = np.maximum(places @ direction, 0)
            away.append(np.linalg.norm(places - along[:, None] * direction, axis=1) - radius)
        return np.min(away, axis=0)

    def sac(self, places: np.ndarray) -> np.ndarray:
        """Below zero inside the ellipsoid; about the distance, mm, near it."""
        local = (places - self.center) @ Rotation.from_rotvec(self.turn, degrees=True).as_matrix()
        scaled = np.linalg.norm(local / self.axes, axis=1)
        slope = np.linalg.norm(local / np.square(self.axes), axis=1)
        return scaled * (scaled - 1) / np.maximum(slope, 1e-9)

    def on_sac(self, unit: np.ndarray) -> np.ndarray:
        """The ellipsoid's points for unit vectors (n, 3)."""
        return self.center + (unit * self.axes) @ Rotation.from_rotvec(self.turn, degrees=True).as_matrix().T


def newton(places: np.ndarray, functions: list, steps: int = 6) -> np.ndarray:
    """The places moved by least steps onto the common zeros of the functions."""
    for _ in range(steps):
        value = np.stack([f(places) for f in functions], axis=1)
        slope = np.stack(
            [np.stack([(f(places + h) - f(places - h)) / 2e-5 for h in 1e-5 * np.eye(3)], axis=1) for f in functions],
            axis=1,
        )
        gram = slope @ slope.transpose(0, 2, 1) + 1e-9 * np.eye(len(functions))
        step = np.einsum("nij,ni->nj", slope, np.linalg.solve(gram, value[..., None])[..., 0])
        length = np.linalg.norm(step, axis=1, keepdims=True)
        places = places - step * np.minimum(1, 0.3 / np.maximum(length, 1e-12))
    return places


def contoured(shape: Shape, edge: float, turn: np.ndarray, noise: Noise | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Marching cubes of the lumen (plus noise, mm) on a grid of `edge` mm turned against it: points in its frame, triangles."""
    ends = LENGTH * shape.directions
    high = np.maximum(np.maximum(ends.max(axis=0), 0) + max(shape.radii) + 0.6, _bound(shape, 1))
    low = np.minimum(np.minimum(ends.min(axis=0), 0) - max(shape.radii) - 0.6, _bound(shape, -1))
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T @ turn.T
    axes = [np.arange(a - edge, b + 2 * edge, edge) for a, b in zip(corners.min(axis=0), corners.max(axis=0), strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    places = grid.reshape(-1, 3) @ turn
    flat = np.max([places @ d - LENGTH for d in shape.directions], axis=0)
    lumen = np.minimum(shape.artery(places), shape.sac(places))
    value = np.maximum(lumen if noise is None else lumen + noise(places), flat)
    points, triangles, _, _ = marching_cubes(value.reshape(grid.shape[:3]), 0.0, spacing=(edge,) * 3)
    points = (points.astype(float) + [axis[0] for axis in axes]) @ turn
    if sf.signed_volume(points, triangles) < 0:
        triangles = triangles[:, ::-1]
    return points, triangles.astype(np.int32)


def noisy(shape: Shape, edge: float, sd: float, seed: int) -> tuple[PatchedSurface, tuple[Cap, ...]]:
    """The lumen as an uncertain segmentation gives it: half of the variance everywhere alike, half over 1.5 mm, turned."""
    random = np.random.default_rng(seed)
    waves, phase = random.normal(size=(3, 200)) / 1.5, random.uniform(0, 2 * np.pi, 200)
    common = random.normal()

    def noise(places: np.ndarray) -> np.ndarray:
        return sd * np.sqrt(0.5) * (common + np.sqrt(2 / 200) * np.cos(places @ waves + phase).sum(axis=1))

    points, triangles = contoured(shape, edge, Rotation.random(random_state=seed).as_matrix(), noise)
    label = sf.face_components(triangles)
    points, triangles, _ = sf.compact(points, triangles[label == np.bincount(label).argmax()])
    patch, caps = _ends(shape, points, triangles, edge, np.eye(3))
    return PatchedSurface(Surface(points, triangles), patch, np.zeros(len(points), dtype=np.uint8)), caps


def tessellated(shape: Shape, edge: float, turned: bool = False) -> tuple[PatchedSurface, tuple[Cap, ...], np.ndarray]:
    """The lumen with edges of about `edge` mm, points on the exact surfaces, edges along the crease; caps; region (n,)."""
    # The grid is turned against the shape, so that no face of it is along an axis.
    rotation = Rotation.from_euler("xyz", [25, -35, 50], degrees=True).as_matrix() if turned else np.eye(3)
    points, triangles = contoured(shape, edge, rotation)
    split = sf.split_by_field(points, triangles, shape.sac(points) - shape.artery(points), snap=0.35)
    points = split.points.copy()
    rim = np.intersect1d(split.triangles[split.below], split.triangles[~split.below])
    flat = np.max([points @ d - LENGTH for d in shape.directions], axis=0)
    body = np.setdiff1d(np.flatnonzero(flat < -0.6 * edge), rim)
    of_sac = shape.sac(points[body]) < shape.artery(points[body])
    points[body[of_sac]] = newton(points[body[of_sac]], [shape.sac])
    points[body[~of_sac]] = newton(points[body[~of_sac]], [shape.artery])
    points[rim] = newton(points[rim], [shape.sac, shape.artery])
    # Points of the crease that changed places fold it; midway between their neighbors they are in order again.
    for loop in sf.boundary_loops(split.triangles[split.below]) * 8:
        around = [np.roll(points[loop], step, axis=0) for step in (1, -1)]
        points[loop] = newton(0.5 * points[loop] + 0.25 * sum(around), [shape.sac, shape.artery])
    region = np.zeros(len(points), dtype=np.uint8)
    region[np.unique(split.triangles[split.below])] = 1
    patch, caps = _ends(shape, points, split.triangles, edge, rotation)
    surface = Surface(points @ rotation.T, split.triangles)
    return PatchedSurface(surface, patch, region), caps, region


def _ends(
    shape: Shape, points: np.ndarray, triangles: np.ndarray, edge: float, rotation: np.ndarray
) -> tuple[np.ndarray, tuple[Cap, ...]]:
    middles, normals = points[triangles].mean(axis=1), sf.face_normals(points, triangles)
    patch, caps = np.zeros(len(triangles), dtype=np.int32), []
    for k, (direction, radius) in enumerate(zip(shape.directions, shape.radii, strict=True), start=1):
        patch[(middles @ direction > LENGTH - 0.6 * edge) & (normals @ direction > 0.8)] = k
        role = "inlet" if k == 1 else "outlet"
        caps.append(Cap(k, role, rotation @ (LENGTH * direction), rotation @ direction, np.pi * radius**2, radius))
    return patch, tuple(caps)


def _bound(shape: Shape, side: int) -> np.ndarray:
    return np.array(shape.center) + side * (max(shape.axes) + 0.6)


def truth(shape: Shape) -> dict[str, float]:
    """The exact shape's measures, by Gauss quadrature over the sac's wall and a dense neck line; no code of the package."""
    turn = Rotation.from_rotvec(shape.turn, degrees=True).as_matrix()
    pole = -np.array(shape.inside) @ turn / np.array(shape.axes)
    pole /= np.linalg.norm(pole)
    first = np.cross(pole, np.eye(3)[np.argmin(np.abs(pole))])
    first /= np.linalg.norm(first)
    second = np.cross(pole, first)
    phi = np.linspace(0, 2 * np.pi, 721)[:-1]
    ring = np.cos(phi)[:, None] * first + np.sin(phi)[:, None] * second

    def unit(theta: np.ndarray) -> np.ndarray:
        return np.cos(theta)[:, None] * pole + np.sin(theta)[:, None] * ring

    # From the dome down to the first crossing with the artery.
    steps = np.linspace(0.05, np.pi, 600)
    outside = np.stack([shape.artery(shape.on_sac(unit(np.full(720, t)))) for t in steps])
    hit = (outside < 0).argmax(axis=0)
    low, high = steps[hit - 1], steps[hit]
    for _ in range(40):
        middle = 0.5 * (low + high)
        inside = shape.artery(shape.on_sac(unit(middle))) < 0
        low, high = np.where(inside, low, middle), np.where(inside, middle, high)
    neck = shape.on_sac(unit(high))
    node, weight = np.polynomial.legendre.leggauss(160)
    theta = 0.5 * high[:, None] * (node + 1)
    direction = np.cos(theta)[..., None] * pole + np.sin(theta)[..., None] * ring[:, None]
    wall = shape.on_sac(direction.reshape(-1, 3))
    # Area vector of the map from the unit sphere to the ellipsoid: cofactor matrix of diag(a, b, c).
    vector = (direction.reshape(-1, 3) * (np.prod(shape.axes) / np.array(shape.axes))) @ turn.T
    share = (0.5 * high[:, None] * weight * np.sin(theta) * (2 * np.pi / 720)).ravel()
    area = float((np.linalg.norm(vector, axis=1) * share).sum())
    following = np.roll(neck, -1, axis=0)
    piece = np.linalg.norm(following - neck, axis=1)
    middle = piece @ (neck + following) / (2 * piece.sum())
    fan = 0.5 * np.cross(neck - middle, following - middle)
    # The fan bounds the sac from below: its area vector points out of the sac, whichever way the neck was walked.
    into = fan.sum(axis=0)
    outward = -1 if into @ (np.array(shape.center) - middle) > 0 else 1
    fan_middles = (neck + following + middle) / 3
    volume = float((np.einsum("ij,ij->i", wall, vector) * share).sum() + outward * (fan * fan_middles).sum()) / 3
    normal = -outward * into / np.linalg.norm(into)
    center = (fan @ normal) @ fan_middles / (fan @ normal).sum()
    result = {"sac_volume": volume, "sac_area": area, "neck_area": float(np.linalg.norm(fan, axis=1).sum())}
    every = np.concatenate([wall, neck])
    level = (every - center) @ normal
    distance = np.linalg.norm(every - center, axis=1)
    top = every[np.where(level >= 0, distance, 0).argmax()]
    axis = (top - center) / np.linalg.norm(top - center)
    hull = ConvexHull(every[:: 1 if len(every) < 2e5 else 2])
    result |= {
        "height": float(level.max()),
        "maximum_height": float(np.linalg.norm(top - center)),
        "maximum_diameter": float(pdist(hull.points[hull.vertices][:: max(1, len(hull.vertices) // 3000)]).max()),
    }
    result |= _neck_lengths(neck, center, normal) | {"width": _width(every, center, axis)}
    hull_area = hull.area - float(np.linalg.norm(into))
    hemisphere = np.cbrt(18 * np.pi)
    result |= {
        "neck_equivalent_diameter": 2 * np.sqrt(result["neck_area"] / np.pi),
        "parent_diameter": 2 * shape.radii[0],
        "volume_to_ostium_ratio": volume / result["neck_area"],
        "aspect_ratio": result["height"] / result["neck_diameter"],
        "size_ratio": result["maximum_height"] / (2 * shape.radii[0]),
        "bottleneck_factor": result["width"] / result["neck_diameter"],
        "nonsphericity_index": 1 - hemisphere * volume ** (2 / 3) / area,
        "ellipticity_index": 1 - hemisphere * hull.volume ** (2 / 3) / hull_area,
        "undulation_index": max(0.0, 1 - volume / hull.volume),
        "convexity_ratio": min(1.0, volume / hull.volume),
        "bleb_count": 0.0,
        "inlet_diameter": 2 * shape.radii[0],
    }
    return result | _angles(shape, axis, normal)


def _angles(shape: Shape, axis: np.ndarray, normal: np.ndarray) -> dict[str, float]:
    def between(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.degrees(np.arccos(np.clip(a @ b, -1, 1))))

    inflow, *outflow = shape.directions
    angles = {
        "aneurysm_angle": 90 - between(axis, normal),
        "vessel_angle": abs(90 - between(inflow, normal)),
        "inflow_angle": between(inflow, axis),
        "outflow_angle": between(outflow[0], axis),
        "branch_angle_1": between(-inflow, outflow[0]),
        "parent_curvature": 0.0,
    }
    if len(outflow) > 1:
        angles |= {"branch_angle_2": between(-inflow, outflow[1]), "bifurcation_angle": between(outflow[0], outflow[1])}
    return angles


def _neck_lengths(neck: np.ndarray, center: np.ndarray, normal: np.ndarray) -> dict[str, float]:
    first = np.linalg.svd(normal[None])[2][1]
    second = np.cross(normal, first)
    x, y = (neck - center) @ first, (neck - center) @ second
    # The outermost place of the neck line within each half degree of direction, the line refined forty times.
    part = np.linspace(0, 1, 40, endpoint=False)[:, None]
    x, y = (((1 - part) * z + part * np.roll(z, -1)).ravel() for z in (x, y))
    radius = np.zeros(720)
    np.maximum.at(radius, np.floor(np.degrees(np.arctan2(y, x)) * 2).astype(int) % 720, np.hypot(x, y))
    across = radius[:360] + radius[360:]
    return {"neck_diameter": float(across.mean()), "neck_maximum_diameter": float(across.max())}


def _width(every: np.ndarray, center: np.ndarray, axis: np.ndarray) -> float:
    """The largest extent square to the axis within a thin slab."""
    level = (every - center) @ axis
    order = np.argsort(level)
    level, places = level[order], every[order]
    first = np.linalg.svd(axis[None])[2][1]
    turn = np.arange(360) * np.pi / 360
    across = np.cos(turn)[:, None] * first + np.sin(turn)[:, None] * np.cross(axis, first)
    best = 0.0
    for height in np.arange(level[0], level[-1], 0.05):
        near = places[np.searchsorted(level, height) : np.searchsorted(level, height + 0.05)]
        if len(near) > 2:
            best = max(best, float(np.ptp(near @ across.T, axis=0).max()))
    return best


def scaled(shape: Shape, factor: float) -> Shape:
    """The shape with all lengths times `factor`, but for the length of its arteries."""
    radii, center, axes = (tuple(factor * x for x in part) for part in (shape.radii, shape.center, shape.axes))
    return replace(shape, radii=radii, center=center, axes=axes)
