"""A sphere as a wall: the sac above z = -1, the parent artery below."""

from __future__ import annotations

import numpy as np
import trimesh

from aneuflow.numerics.surface import vertex_areas
from aneuflow.numerics.surface_fields import surface_divergence
from aneuflow.risk.regions import Wall, reach_of
from aneuflow.types import Surface

RADIUS = 3.0


def sphere_wall(struck: bool) -> Wall:
    """With quiet flow or, `struck`, with a jet on the pole and low shear in a cap about (0, 3, 0)."""
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=RADIUS)
    points, triangles = np.asarray(mesh.vertices, dtype=np.float64), np.asarray(mesh.faces, dtype=np.int32)
    sac, normals = points[:, 2] > -1.0, points / RADIUS
    tawss, pressure, divergence = np.where(sac, 1.5, 2.0), np.zeros(len(points)), np.zeros(len(points))
    if struck:
        distance = RADIUS * np.arccos(np.clip(normals[:, 2], -1.0, 1.0))
        shear = 8.0 * distance * np.exp(-((distance / 1.2) ** 2))
        outward = normals[:, 2, None] * normals - np.array([0.0, 0.0, 1.0])
        outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-12)
        tawss = np.where(sac, np.maximum(shear, 0.8), 2.0)
        tawss[np.linalg.norm(points - [0.0, RADIUS, 0.0], axis=1) < 1.2] = 0.2
        pressure = 300.0 * np.exp(-((distance / 1.5) ** 2))
        divergence = surface_divergence(points, triangles, shear[:, None] * outward)
    return Wall(
        surface=Surface(points, triangles),
        areas=vertex_areas(points, triangles),
        sac=sac,
        near=~sac,
        tawss=tawss,
        osi=None,
        rrt=None,
        pressure=pressure,
        divergence=divergence,
        blebs=None,
        radius_mm=1.5,
        reach=reach_of(points, triangles, sac),
    )
