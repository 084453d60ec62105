"""All shape measures of a lumen model, each with its interval and the lines that picture it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from aneuflow.errors import MethodError
from aneuflow.morphology import angles, shape, size, vessel
from aneuflow.morphology.settings import MorphologySettings
from aneuflow.numerics import surface as sf
from aneuflow.types import (
    REGION_SAC,
    WALL_PATCH,
    Aneurysm,
    FloatArray,
    IntArray,
    LumenModel,
    Measure,
    Morphology,
    Note,
    PatchedSurface,
)

Values = dict[str, float]
_SHORTEST_SHIFT_MM = 0.02


def measure(model: LumenModel, settings: MorphologySettings) -> Morphology:
    """The measures of sac and vessel; a vessel without aneurysm has the vessel's alone.

    Intervals: the model is measured again with its wall moved out and in by the surface's uncertainty, and with the
    neck line moved both ways by its own; the changes are added in quadrature on each side. Lengths along centerlines
    bear none. Raises MethodError where a sac's neck does not bound an area or a measure is not finite.
    """
    shift = settings.surface_uncertainty_mm
    walls = [_displaced(model.lumen, step) for step in (shift, -shift)] if shift else []
    points = model.lumen.surface.points
    values = _vessel_values(model, points, 0.0)
    changed = [[_vessel_values(model, moved, step) for moved, step in zip(walls, (shift, -shift), strict=False)]]
    lines: dict[str, size.Segment] = {}
    notes: tuple[Note, ...] = ()
    if model.aneurysm is not None:
        sac = size.sac_of(points, _sac_triangles(model.lumen))
        sac_values, lines, notes = _sac_values(sac, model.aneurysm, 0.0)
        values = sac_values | values
        moved_walls = [_sac_at(model.lumen, moved) for moved in walls]
        changed += [
            [_sac_values(other, model.aneurysm, step)[0] for other, step in zip(moved_walls, (shift, -shift), strict=False)],
            [_sac_values(other, model.aneurysm, 0.0)[0] for other in _other_necks(model, settings.neck_uncertainty_mm)],
        ]
    _check_finite(values)
    pictures = {name: (_place(a), _place(b)) for name, (a, b) in lines.items()}
    return Morphology(_with_intervals(values, changed), pictures, notes)


def _place(point: FloatArray) -> tuple[float, float, float]:
    return float(point[0]), float(point[1]), float(point[2])


def _displaced(lumen: PatchedSurface, distance: float) -> FloatArray:
    """The lumen's points (n, 3) with the wall moved along its normals; caps follow at their rims alone."""
    surface = lumen.surface
    normals = sf.vertex_normals(surface.points, surface.triangles[lumen.patch == WALL_PATCH])
    return surface.points + distance * normals


def _sac_triangles(lumen: PatchedSurface) -> IntArray:
    triangles = lumen.surface.triangles
    chosen = (lumen.region[triangles] == REGION_SAC).all(axis=1) & (lumen.patch == WALL_PATCH)
    return np.asarray(triangles[chosen], dtype=np.int32)


def _sac_at(lumen: PatchedSurface, points: FloatArray) -> size.Sac:
    return size.sac_of(points, _sac_triangles(lumen))


def _other_necks(model: LumenModel, uncertainty_mm: float) -> Iterable[size.Sac]:
    """The sac with its neck line moved along the wall toward the dome and toward the artery."""
    if model.aneurysm is None:
        return
    shift = uncertainty_mm * (1 - model.aneurysm.ostium.confidence)
    if shift < _SHORTEST_SHIFT_MM:
        return
    lumen = model.lumen
    triangles = lumen.surface.triangles[lumen.patch == WALL_PATCH]
    sac = _sac_triangles(lumen)
    rim = np.concatenate(sf.boundary_loops(sac))
    away = sf.geodesic_distance(lumen.surface.points, triangles, rim)
    signed = np.where(np.isin(np.arange(len(away)), sac), -away, away)
    signed[~np.isfinite(signed)] = float(np.nanmax(np.abs(signed[np.isfinite(signed)])))
    for step in (shift, -shift):
        split = sf.split_by_field(lumen.surface.points, triangles, signed - step)
        part = sf.face_components(split.triangles, split.below)
        if not split.below.any():
            continue
        largest = part == np.bincount(part[split.below]).argmax()
        if len(sf.boundary_loops(split.triangles[largest])) == 1:
            yield size.sac_of(split.points, split.triangles[largest])


def _sac_values(sac: size.Sac, aneurysm: Aneurysm, wall_mm: float) -> tuple[Values, dict[str, size.Segment], tuple[Note, ...]]:
    """Values by id, construction lines and notes; wall_mm is how far the wall was moved outward."""
    lines: dict[str, size.Segment] = {}
    values: Values = {}
    lengths = (size.maximum_diameter, size.height, size.maximum_height, size.width, size.neck_diameter)
    for name, function in zip(("maximum_diameter", "height", "maximum_height", "width", "neck_diameter"), lengths, strict=True):
        values[name], lines[name] = function(sac)
    values["neck_area"] = size.neck_area(sac)
    values["sac_volume"], values["sac_area"] = size.volume(sac), size.wall_area(sac)
    if min(values["neck_diameter"], values["sac_volume"], values["sac_area"]) <= 0:
        raise MethodError("The sac has no extent (neck diameter, volume or area is zero); give a neck plane.")
    parent, reaches = vessel.parent_diameter(aneurysm.parent_line)
    values["parent_diameter"] = max(parent + 2 * wall_mm, 0.1)
    hull_volume, hull_area = size.hull_volume_area(sac)
    values["aspect_ratio"] = shape.aspect_ratio(values["height"], values["neck_diameter"])
    values["size_ratio"] = shape.size_ratio(values["maximum_height"], values["parent_diameter"])
    values["bottleneck_factor"] = shape.bottleneck_factor(values["width"], values["neck_diameter"])
    values["nonsphericity_index"] = shape.nonsphericity_index(values["sac_volume"], values["sac_area"])
    values["ellipticity_index"] = shape.ellipticity_index(hull_volume, hull_area)
    values["undulation_index"] = shape.undulation_index(values["sac_volume"], hull_volume)
    axis = lines["maximum_height"][1] - lines["maximum_height"][0]
    branches = [("inflow_angle", aneurysm.parent_line, True)]
    branches += [("outflow_angle", line, False) for line in aneurysm.daughter_lines[:1]]
    for name, line, at_end in branches:
        direction = angles.direction_from_neck(line, at_end)
        values[name] = angles.angle_deg(direction, axis)
        lines[name] = (sac.center, sac.center + 2 * values["parent_diameter"] * direction)
    notes = () if reaches else (Note("short_parent", {"length_mm": vessel.length(aneurysm.parent_line)}),)
    return values, lines, notes


def _vessel_values(model: LumenModel, points: FloatArray, wall_mm: float) -> Values:
    longest = vessel.longest_line(model.centerlines)
    values = {
        "inlet_diameter": vessel.inlet_diameter(model.caps) + 2 * wall_mm,
        "minimum_diameter": max(vessel.minimum_diameter(model.centerlines) + 2 * wall_mm, 0.0),
        "lumen_volume": vessel.lumen_volume(points, model.lumen),
        "lumen_area": vessel.lumen_area(points, model.lumen),
    }
    if wall_mm == 0.0:
        values |= {"centerline_length": vessel.length(longest), "tortuosity": vessel.tortuosity(longest)}
    return values


def _check_finite(values: Mapping[str, float]) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise MethodError(f"The measure {name} came out as {value}; the model is not fit to be measured.")


def _with_intervals(values: Mapping[str, float], changed: list[list[Values]]) -> tuple[Measure, ...]:
    measures = []
    for name, value in values.items():
        sources = [[other[name] for other in source if name in other] for source in changed]
        sources = [source for source in sources if source]
        if not sources:
            measures.append(Measure(name, value))
            continue
        below = math.hypot(*(max(0.0, value - min(source)) for source in sources))
        above = math.hypot(*(max(0.0, max(source) - value) for source in sources))
        measures.append(Measure(name, value, value - below, value + above))
    return tuple(measures)
