"""The value of every shape measure of one anatomy, and the line segments that picture them."""

from __future__ import annotations

from collections.abc import Callable

from aneuflow.errors import MethodError
from aneuflow.morphology import angles, blebs, shape, size, vessel
from aneuflow.morphology.anatomy import Anatomy, SacAnatomy

Values = dict[str, float]
Pictures = dict[str, size.Segment]
_LENGTHS: dict[str, Callable[[size.Sac], tuple[float, size.Segment]]] = {
    "maximum_diameter": size.maximum_diameter,
    "height": size.height,
    "maximum_height": size.maximum_height,
    "width": size.width,
    "neck_diameter": size.neck_diameter,
    "neck_maximum_diameter": size.neck_maximum_diameter,
}


def values_of(anatomy: Anatomy) -> tuple[Values, Pictures]:
    """The measures of sac and vessel by id. Raises MethodError where a sac has no extent."""
    values: Values = {}
    lines: Pictures = {}
    if anatomy.sac is not None:
        values, lines = _sac_values(anatomy.sac)
    longest = vessel.longest_line(anatomy.lines)
    values |= {
        "inlet_diameter": 2 * anatomy.inlet_radius_mm,
        "minimum_diameter": vessel.minimum_diameter(anatomy.lines),
        "lumen_volume": vessel.volume(anatomy.points, anatomy.triangles),
        "lumen_area": vessel.area(anatomy.points, anatomy.wall),
        "centerline_length": vessel.length(longest),
        "tortuosity": vessel.tortuosity(longest),
    }
    return values, lines


def _sac_values(anatomy: SacAnatomy) -> tuple[Values, Pictures]:
    sac = anatomy.sac
    values, lines = {}, {}
    for name, function in _LENGTHS.items():
        values[name], lines[name] = function(sac)
    values["neck_area"] = size.neck_area(sac)
    values["neck_equivalent_diameter"] = size.equivalent_diameter(values["neck_area"])
    values["sac_volume"], values["sac_area"] = size.volume(sac), size.wall_area(sac)
    if min(values["neck_diameter"], values["sac_volume"], values["sac_area"]) <= 0:
        raise MethodError("The sac has no extent (neck diameter, volume or area is zero); give a neck plane.")
    values["parent_diameter"] = vessel.parent_diameter(anatomy.parent)[0]
    values |= _indices(sac, values) | _bleb_values(anatomy)
    found, pictured = _angles(anatomy, lines["maximum_height"], values["parent_diameter"])
    bend = vessel.parent_bend(anatomy.parent)
    if bend is not None:
        found["parent_curvature"], found["parent_torsion"] = bend
    return values | found, lines | pictured


def _indices(sac: size.Sac, values: Values) -> Values:
    hull_volume, hull_area = size.hull_volume_area(sac)
    volume = values["sac_volume"]
    return {
        "aspect_ratio": shape.aspect_ratio(values["height"], values["neck_diameter"]),
        "size_ratio": shape.size_ratio(values["maximum_height"], values["parent_diameter"]),
        "bottleneck_factor": shape.bottleneck_factor(values["width"], values["neck_diameter"]),
        "volume_to_ostium_ratio": shape.volume_to_ostium_ratio(volume, values["neck_area"]),
        "nonsphericity_index": shape.nonsphericity_index(volume, values["sac_area"]),
        "ellipticity_index": shape.ellipticity_index(hull_volume, hull_area),
        "undulation_index": shape.undulation_index(volume, hull_volume),
        "convexity_ratio": shape.convexity_ratio(volume, hull_volume),
    }


def _bleb_values(anatomy: SacAnatomy) -> Values:
    points, rise = anatomy.sac.points, anatomy.rise_mm
    found = blebs.find_blebs(points, anatomy.sac.triangles, rise)
    values: Values = {"bleb_count": float(len(found))}
    if found:
        values["bleb_size"] = max(size.longest_chord(points[members])[0] for members in found)
        values["bleb_height"] = float(rise[found[0]].max())
    return values


def _angles(anatomy: SacAnatomy, axis_ends: size.Segment, parent_mm: float) -> tuple[Values, Pictures]:
    sac, axis = anatomy.sac, axis_ends[1] - axis_ends[0]
    inflow = angles.direction_from_neck(anatomy.parent, at_end=True)
    outflow = [angles.direction_from_neck(line, at_end=False) for line in anatomy.daughters]
    values = {
        "aneurysm_angle": angles.angle_to_plane_deg(axis, sac.normal),
        "vessel_angle": angles.angle_to_plane_deg(inflow, sac.normal),
        "inflow_angle": angles.angle_deg(inflow, axis),
    }
    lines = {"inflow_angle": (sac.center, sac.center + 2 * parent_mm * inflow)}
    if outflow:
        values["outflow_angle"] = angles.angle_deg(outflow[0], axis)
        lines["outflow_angle"] = (sac.center, sac.center + 2 * parent_mm * outflow[0])
    for name, direction in zip(("branch_angle_1", "branch_angle_2"), outflow, strict=False):
        values[name] = angles.angle_deg(-inflow, direction)
    if len(outflow) > 1:
        values["bifurcation_angle"] = angles.angle_deg(outflow[0], outflow[1])
    return values, lines
