"""The lumen as it would be if the whole wall lay farther out or in, as the border of a vessel in an image may."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aneuflow.errors import MethodError
from aneuflow.geometry.extensions import extend
from aneuflow.geometry.settings import ModelSettings
from aneuflow.numerics import surface as sf
from aneuflow.types import WALL_PATCH, Aneurysm, Cap, Centerline, FloatArray, LumenModel, PatchedSurface, Surface


def moved_wall(model: LumenModel, outward_mm: float, settings: ModelSettings) -> LumenModel:
    """The model with its wall moved along its normals by `outward_mm` (negative: inward), sac and neck line as they were.

    The ends stay in their planes and widen or narrow with the wall; flow extensions are made anew by `settings`. Radii of
    centerlines follow. Raises MethodError where an end or a branch would close.
    """
    lumen = model.lumen
    narrowest = min([cap.radius_mm for cap in model.caps] + [float(line.radius_mm.min()) for line in model.centerlines])
    if narrowest + outward_mm <= 0.0:
        raise MethodError(
            f"A wall moved by {outward_mm:g} mm closes the lumen, whose least radius is {narrowest:.3g} mm; move it less."
        )
    points = lumen.surface.points.astype(np.float64)
    away = sf.vertex_normals(points, lumen.surface.triangles[lumen.patch == WALL_PATCH])
    moved = points + outward_mm * away
    for cap in model.caps:
        mine = lumen.surface.triangles[lumen.patch == cap.id]
        rim = sf.boundary_loops(mine)[0]
        aside = away[rim] - np.outer(away[rim] @ cap.normal, cap.normal)
        moved[rim] = points[rim] + outward_mm * aside / np.linalg.norm(aside, axis=1, keepdims=True)
        inner = np.setdiff1d(mine, rim)
        moved[inner] = cap.center_mm + (points[inner] - cap.center_mm) * (1.0 + outward_mm / cap.radius_mm)
    made = PatchedSurface(Surface(moved, lumen.surface.triangles), lumen.patch, lumen.region)
    caps = tuple(_cap(cap, moved, made) for cap in model.caps)
    extended, ends, _ = extend(made, caps, settings.inlet_extension_diameters, settings.outlet_extension_diameters)
    lines = tuple(_widened(line, outward_mm) for line in model.centerlines)
    sac = None if model.aneurysm is None else _around(model.aneurysm, outward_mm)
    return replace(
        model, lumen=made, caps=caps, centerlines=lines, aneurysm=sac, extended=extended, extended_caps=ends, candidates=()
    )


def _cap(cap: Cap, points: FloatArray, lumen: PatchedSurface) -> Cap:
    area = float(np.linalg.norm(sf.face_vectors(points, lumen.surface.triangles[lumen.patch == cap.id]).sum(axis=0)))
    return replace(cap, area_mm2=area, radius_mm=float(np.sqrt(area / np.pi)))


def _widened(line: Centerline, outward_mm: float) -> Centerline:
    return replace(line, radius_mm=line.radius_mm + outward_mm)


def _around(sac: Aneurysm, outward_mm: float) -> Aneurysm:
    daughters = tuple(_widened(line, outward_mm) for line in sac.daughter_lines)
    return replace(sac, parent_line=_widened(sac.parent_line, outward_mm), daughter_lines=daughters)
