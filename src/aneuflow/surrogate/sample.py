"""A solved case as a fixed number of points on wall and in lumen, without dimensions: what the surrogate learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from aneuflow.numerics import surface as sf
from aneuflow.numerics.centerline import arc_length
from aneuflow.numerics.distance import distance_to_surface
from aneuflow.types import (
    REGION_SAC,
    BoundaryConditions,
    Centerline,
    Float32Array,
    FloatArray,
    FlowSolution,
    LumenModel,
    Surface,
    VolumeField,
)

Arrays = dict[str, npt.NDArray[np.generic]]

WALL_POINTS, LUMEN_POINTS = 1536, 1024
# Of the points: on or in the sac, within two parent diameters of the ostium, farther off. What is not there leaves its part
# to the others.
_PARTS = (0.5, 0.35, 0.15)
_NEAR_DIAMETERS = 2.0


@dataclass(frozen=True)
class Scales:
    """What one unit is worth: the parent's diameter, the mean speed in a tube of that diameter, and what follows of both.

    shear: that of Poiseuille's flow, 8 mu U / D, Pa; pressure: rho U^2, Pa.
    """

    length_mm: float
    speed: float
    shear: float
    pressure: float
    reynolds: float

    @classmethod
    def of(cls, diameter_mm: float, boundary: BoundaryConditions) -> Scales:
        """For the whole inflow in a tube of the parent's diameter."""
        flow_m3_s = 1e-6 * sum(inlet.mean_flow_ml_s for inlet in boundary.inlets)
        diameter, blood = 1e-3 * diameter_mm, boundary.blood
        viscosity = blood.parameters["viscosity"]
        speed = 4.0 * flow_m3_s / (np.pi * diameter**2)
        pressure = blood.density * speed**2
        return cls(
            diameter_mm, speed, 8.0 * viscosity * speed / diameter, pressure, blood.density * speed * diameter / viscosity
        )


@dataclass(frozen=True, eq=False)
class Place:
    """Where a vessel's points are counted from.

    origin_mm (3,): the ostium's center, without a sac the middle of the longest centerline; up (3,): into the sac, zero
    without one; points_mm (k, 3), along_mm (k,), radius_mm (k,): the artery's centerlines with the distance from there,
    negative upstream.
    """

    origin_mm: FloatArray
    up: FloatArray
    points_mm: FloatArray
    along_mm: FloatArray
    radius_mm: FloatArray

    @classmethod
    def of(cls, model: LumenModel) -> Place:
        sac = model.aneurysm
        if sac is not None:
            lines: tuple[Centerline, ...] = (sac.parent_line, *sac.daughter_lines)
            lengths = [arc_length(line.points_mm) for line in lines]
            along = [lengths[0] - lengths[0][-1], *lengths[1:]]
            up = sac.ostium.normal / np.linalg.norm(sac.ostium.normal)
            origin = np.asarray(sac.ostium.center_mm, dtype=np.float64)
        else:
            lines = model.centerlines
            lengths = [arc_length(line.points_mm) for line in lines]
            longest = max(range(len(lines)), key=lambda k: float(lengths[k][-1]))
            half = 0.5 * float(lengths[longest][-1])
            along = [length - half for length in lengths]
            up, origin = np.zeros(3), lines[longest].points_mm[int(np.argmin(np.abs(along[longest])))]
        points, radius = (np.concatenate([getattr(line, name) for line in lines]) for name in ("points_mm", "radius_mm"))
        return cls(origin, up, points, np.concatenate(along), radius)


def sampled(
    model: LumenModel, place: Place, scales: Scales, fine: FlowSolution, coarse: FlowSolution, generator: np.random.Generator
) -> Arrays:
    """The arrays of `CHANNELS` (aneuflow.surrogate.compact) for one case, float16 but for the region, uint8.

    fine and coarse: the flow on the same wall from two lattices.
    """
    wall = _wall_arrays(place, scales, fine, coarse, generator)
    lumen = _lumen_arrays(model, place, scales, fine, coarse, generator)
    return {**wall, **lumen}


def _wall_arrays(
    place: Place, scales: Scales, fine: FlowSolution, coarse: FlowSolution, generator: np.random.Generator
) -> Arrays:
    surface, sac = fine.wall, fine.region == REGION_SAC
    normals = sf.vertex_normals(surface.points, surface.triangles)
    in_sac = sac[surface.triangles].sum(axis=1) >= 2
    middles = surface.points[surface.triangles].mean(axis=1)
    near = np.linalg.norm(middles - place.origin_mm, axis=1) <= _NEAR_DIAMETERS * scales.length_mm
    areas = sf.face_areas(surface.points, surface.triangles)
    face, weight, area = _on_triangles(areas, _strata(in_sac, near), WALL_POINTS, generator)

    def at(values: npt.NDArray[np.floating]) -> FloatArray:
        return np.asarray(np.einsum("kc,kc...->k...", weight, values[surface.triangles[face]].astype(np.float64)))

    points, normal = at(surface.points), at(normals)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    nearest = cKDTree(place.points_mm).query(points)[1]
    spacing = float(coarse.numerics["resolution_mm"])
    fields = {
        "wall_point": (points - place.origin_mm) / scales.length_mm,
        "wall_normal": normal,
        "wall_area": area / scales.length_mm**2,
        "wall_radius": place.radius_mm[nearest] / scales.length_mm,
        "wall_along": place.along_mm[nearest] / scales.length_mm,
        "wall_shear": at(fine.wall_fields["WSS_mean"]) / scales.shear,
        "wall_pressure": at(fine.wall_fields["pressure"]) / scales.pressure,
        "coarse_wall_shear": at(coarse.wall_fields["WSS_mean"]) / scales.shear,
        "coarse_wall_pressure": at(coarse.wall_fields["pressure"]) / scales.pressure,
        "coarse_wall_velocity": velocity_at(coarse.volume, points - spacing * normal) / scales.speed,
        "coarse_wall_tawss": at(coarse.wall_fields["TAWSS"]) / scales.shear,
        "coarse_wall_osi": at(coarse.wall_fields["OSI"]),
        "wall_tawss": at(fine.wall_fields["TAWSS"]) / scales.shear,
        "wall_osi": at(fine.wall_fields["OSI"]),
        "wall_peak_shear": at(fine.wall_fields["WSS_peak"]) / scales.shear,
    }
    return {**_halved(fields), "wall_region": in_sac[face].astype(np.uint8)}


def _lumen_arrays(
    model: LumenModel,
    place: Place,
    scales: Scales,
    fine: FlowSolution,
    coarse: FlowSolution,
    generator: np.random.Generator,
) -> Arrays:
    inside = np.flatnonzero((fine.volume.velocity != 0.0).any(axis=1))
    nodes = fine.volume.points_mm[inside]
    behind = (nodes - place.origin_mm) @ place.up > 0.0
    in_sac = behind & (fine.region[cKDTree(fine.wall.points).query(nodes)[1]] == REGION_SAC)
    near = np.linalg.norm(nodes - place.origin_mm, axis=1) <= _NEAR_DIAMETERS * scales.length_mm
    counts = _shares(_strata(in_sac, near), LUMEN_POINTS)
    picked = [generator.choice(members, count, replace=len(members) < count) for members, count in counts if count]
    chosen = np.concatenate(picked)
    points, rows = nodes[chosen], inside[chosen]
    nearest = cKDTree(place.points_mm).query(points)[1]
    wall: Surface = fine.wall
    fields = {
        "lumen_point": (points - place.origin_mm) / scales.length_mm,
        "lumen_wall_distance": distance_to_surface(wall.points, wall.triangles, points) / scales.length_mm,
        "lumen_radius": place.radius_mm[nearest] / scales.length_mm,
        "lumen_along": place.along_mm[nearest] / scales.length_mm,
        "lumen_velocity": fine.volume.velocity[rows] / scales.speed,
        "lumen_pressure": fine.volume.pressure[rows] / scales.pressure,
        "coarse_lumen_velocity": velocity_at(coarse.volume, points) / scales.speed,
    }
    return {**_halved(fields), "lumen_region": in_sac[chosen].astype(np.uint8)}


def velocity_at(volume: VolumeField, places: FloatArray) -> FloatArray:
    """Velocity (k, 3) in m/s at places (k, 3) mm, linear between the nodes of the field; nothing moves outside of them."""
    low = volume.points_mm.min(axis=0)
    step = _spacing(volume)
    number = np.rint((volume.points_mm - low) / step).astype(np.int64)
    grid: Float32Array = np.zeros((*(number.max(axis=0) + 1), 3), dtype=np.float32)
    grid[tuple(number.T)] = volume.velocity
    where = ((places - low) / step).T
    return np.stack([map_coordinates(grid[..., k], where, order=1, mode="constant") for k in range(3)], axis=1).astype(
        np.float64
    )


def _spacing(volume: VolumeField) -> float:
    return float(np.linalg.norm(volume.points_mm[volume.voxels[0, 1]] - volume.points_mm[volume.voxels[0, 0]]))


def _strata(in_sac: npt.NDArray[np.bool_], near: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], ...]:
    return np.flatnonzero(in_sac), np.flatnonzero(near & ~in_sac), np.flatnonzero(~near & ~in_sac)


def _shares(strata: tuple[npt.NDArray[np.intp], ...], total: int) -> list[tuple[npt.NDArray[np.intp], int]]:
    """How many of `total` points each stratum gets."""
    parts = np.array([part if len(members) else 0.0 for part, members in zip(_PARTS, strata, strict=True)])
    ends = np.rint(total * np.cumsum(parts) / parts.sum()).astype(int)
    return list(zip(strata, np.diff(ends, prepend=0).tolist(), strict=True))


def _on_triangles(
    areas: FloatArray, strata: tuple[npt.NDArray[np.intp], ...], total: int, generator: np.random.Generator
) -> tuple[npt.NDArray[np.intp], FloatArray, FloatArray]:
    """Points spread evenly over the area of each stratum: triangle (k,), weights of its corners (k, 3), area each (k,) mm2."""
    faces, each = [], []
    for members, count in _shares(strata, total):
        if count:
            reached = np.cumsum(areas[members])
            marks = (np.arange(count) + generator.random()) / count * reached[-1]
            faces.append(members[np.minimum(np.searchsorted(reached, marks), len(members) - 1)])
            each.append(np.full(count, reached[-1] / count))
    face = np.concatenate(faces)
    root, other = np.sqrt(generator.random(len(face))), generator.random(len(face))
    weight = np.stack([1.0 - root, root * (1.0 - other), root * other], axis=1)
    return face, weight, np.concatenate(each)


def _halved(fields: Mapping[str, npt.NDArray[np.floating]]) -> Arrays:
    return {name: values.astype(np.float16) for name, values in fields.items()}
