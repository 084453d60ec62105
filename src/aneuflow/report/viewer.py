"""What the interactive view is fed with: the wall, its fields and the lines on it as base64 arrays in one JSON object."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_rgb
from scipy.spatial import cKDTree

from aneuflow.report.content import ReportContent
from aneuflow.report.meshes import poly_data
from aneuflow.report.plots import ARTERY_COLOR, SAC_COLOR
from aneuflow.report.ranges import FIELD_UNITS, LOGARITHMIC, PLAIN_WALL_COLOR, REGION_COLORS, color_table, field_range, is_shown
from aneuflow.report.text import Language, flow_text, text
from aneuflow.report.views import close_views, patient_view
from aneuflow.types import REGION_SAC, ByteArray, FloatArray, LumenModel, RegionsOrigin, Surface

MAXIMUM_POINTS = 110_000
SCALARS = ("TAWSS", "OSI", "RRT", "pressure")


def viewer_payload(content: ReportContent, language: Language) -> dict[str, Any]:
    """The scene: `points` (n, 3) float32 less `center` in mm, `triangles` (m, 3) uint32, `fields`, lines, views and labels.

    Each array is {"type", "data": base64 of its little-endian bytes}; a field has values (n,) float32, range, unit and colors.
    A wall of more than MAXIMUM_POINTS points is thinned and says so (`thinned`).
    """
    wall, origin = thinned(content.flow.wall)
    center = 0.5 * (wall.points.min(axis=0) + wall.points.max(axis=0))
    return {
        "center": center.tolist(),
        "points": encode(wall.points - center, "<f4"),
        "triangles": encode(wall.triangles, "<u4"),
        "fields": _fields(content, origin, language),
        "lines": model_lines(content.model, center, language),
        "views": model_views(content.model, center, language),
        "spots": _spots(content, center),
        "thinned": len(origin) < len(content.flow.wall.points),
    }


def _fields(content: ReportContent, origin: npt.NDArray[np.intp], language: Language) -> list[dict[str, Any]]:
    scalars = flow_fields(content, origin, language)
    if content.model.aneurysm is None:
        return scalars
    return [*scalars, region_field(content.flow.region[origin], language), *_risk_fields(content, origin, language)]


def flow_fields(content: ReportContent, origin: npt.NDArray[np.intp], language: Language) -> list[dict[str, Any]]:
    """What the flow does at the points `origin` (n,) of its wall, each field with the range and colors of the whole wall."""
    values = {name: content.flow.wall_fields[name] for name in SCALARS if is_shown(name, content.flow.wall_fields)}
    steady = content.steady
    if "WSS_peak" in content.flow.wall_fields and not steady:
        values["WSS_peak"] = np.linalg.norm(content.flow.wall_fields["WSS_peak"], axis=1)
    sac = content.flow.region == REGION_SAC
    ranges = {name: field_range(name, field, sac) for name, field in values.items()}
    if content.prediction is not None and len(content.prediction.wall.points) == len(sac):
        values["TAWSS_predicted"] = content.prediction.wall_fields["TAWSS"]
        values["TAWSS_difference"] = values["TAWSS_predicted"] - content.flow.wall_fields["TAWSS"]
        ranges["TAWSS_predicted"] = field_range("TAWSS", content.flow.wall_fields["TAWSS"], sac)
        widest = field_range("TAWSS", np.abs(values["TAWSS_difference"]), sac)[1]
        ranges["TAWSS_difference"] = (-widest, widest)
    return [
        {
            "name": name,
            "label": flow_text(language, f"field.{name}", steady),
            "unit": FIELD_UNITS[name],
            "range": ranges[name],
            "logarithmic": name in LOGARITHMIC,
            "colors": encode(np.round(255 * color_table(name)), "<u1"),
            "values": encode(field[origin], "<f4"),
        }
        for name, field in values.items()
    ]


def _risk_fields(content: ReportContent, origin: npt.NDArray[np.intp], language: Language) -> list[dict[str, Any]]:
    """One field of two colors for each kind of region that the wall has."""
    risk = content.risk
    if risk is None or risk.wall is None or len(risk.wall.points) != len(content.flow.wall.points):
        return []
    kinds = dict.fromkeys(region.kind for region in risk.regions)
    return [
        {
            "name": kind,
            "label": _kind_label(kind, risk.regions_model, language),
            "unit": "",
            "range": (0.0, 1.0),
            "logarithmic": False,
            "categories": [text(language, "viewer.outside_region"), text(language, "viewer.inside_region")],
            "colors": encode(
                np.round(255 * np.array([to_rgb(PLAIN_WALL_COLOR)] * 128 + [to_rgb(REGION_COLORS[kind])] * 128)), "<u1"
            ),
            "values": encode(risk.fields[kind][origin], "<f4"),
        }
        for kind in kinds
    ]


def _kind_label(kind: str, origin: RegionsOrigin | None, language: Language) -> str:
    """The name of a kind of region, with what a network was trained on where one marked it."""
    name = text(language, f"field.{kind.removeprefix('learned_')}")
    if origin is None or not kind.startswith("learned_"):
        return name
    return text(language, f"viewer.learned_{origin.labels}", name=name)


def _spots(content: ReportContent, center: FloatArray) -> list[dict[str, Any]]:
    """For each region of the wall, its field and the view that faces it."""
    risk = content.risk
    if risk is None or risk.wall is None or content.model.aneurysm is None:
        return []
    close = close_views(content.model)[0]
    spots = []
    for number, region in enumerate(risk.regions, start=1):
        place = np.asarray(region.center_mm)
        members = risk.region_id == number
        outward = _mean_normal(risk.wall, members if members.any() else risk.fields[region.kind] > 0)
        up = content.model.aneurysm.ostium.normal
        up = up if abs(outward @ up) < 0.9 else np.cross(close.toward_eye, up)
        spots.append(
            {"field": region.kind, "eye": outward.tolist(), "up": up.tolist(), "focus": (place - center).tolist(),
             "radius": 0.8 * close.radius_mm}
        )  # fmt: skip
    return spots


def _mean_normal(surface: Surface, members: npt.NDArray[np.bool_]) -> FloatArray:
    corners = surface.points[surface.triangles[members[surface.triangles].any(axis=1)]]
    total = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).sum(axis=0)
    length = float(np.linalg.norm(total))
    return np.asarray(total / length if length > 0 else [0.0, -1.0, 0.0])


def region_field(region: ByteArray, language: Language, artery: str = ARTERY_COLOR, sac: str = SAC_COLOR) -> dict[str, Any]:
    """Which points (n,) are sac, as a field of two colors."""
    colors = np.array([to_rgb(artery)] * 128 + [to_rgb(sac)] * 128)
    return {
        "name": "region",
        "label": text(language, "field.region"),
        "unit": "",
        "range": (0.0, 1.0),
        "logarithmic": False,
        "categories": [text(language, "viewer.artery"), text(language, "viewer.sac")],
        "colors": encode(np.round(255 * colors), "<u1"),
        "values": encode(region == REGION_SAC, "<f4"),
    }


def model_lines(model: LumenModel, center: FloatArray, language: Language) -> list[dict[str, Any]]:
    """The neck line and the centerlines of a scene around `center`."""
    lines = []
    if model.aneurysm is not None:
        rim = model.aneurysm.ostium.neck_line_mm
        label = text(language, "viewer.ostium")
        lines.append({"kind": "ostium", "label": label, "points": encode(np.vstack([rim, rim[:1]]) - center, "<f4")})
    label = text(language, "viewer.centerlines")
    lines += [
        {"kind": "centerline", "label": label, "points": encode(line.points_mm - center, "<f4")}
        for line in model.centerlines
        if len(line.points_mm) > 1
    ]
    return lines


def model_views(model: LumenModel, center: FloatArray, language: Language) -> list[dict[str, Any]]:
    """The close views, then the six sides of the patient."""
    close = close_views(model)
    whole = patient_view(model)
    prefix = "" if model.aneurysm is not None else "vessel_"
    views = [(prefix + view.name, view.toward_eye, view.up, view.focus_mm, view.radius_mm) for view in close]
    head, front = np.array([0.0, 0.0, 1.0]), np.array([0.0, -1.0, 0.0])
    sides = {"anterior": (front, head), "posterior": (-front, head), "left": (np.array([1.0, 0, 0]), head)}
    sides |= {"right": (np.array([-1.0, 0, 0]), head), "superior": (head, front), "inferior": (-head, -front)}
    views += [(name, eye, up, whole.focus_mm, whole.radius_mm) for name, (eye, up) in sides.items()]
    return [
        {
            "name": name,
            "label": text(language, f"view.{name}"),
            "eye": eye.tolist(),
            "up": up.tolist(),
            "focus": (focus - center).tolist(),
            "radius": radius,
        }
        for name, eye, up, focus, radius in views
    ]


def thinned(wall: Surface) -> tuple[Surface, npt.NDArray[np.intp]]:
    """The wall with at most about MAXIMUM_POINTS points, and for each the point of the full wall whose values it shows."""
    count = len(wall.points)
    if count <= MAXIMUM_POINTS:
        return wall, np.arange(count)
    mesh = poly_data(wall).decimate_pro(1 - MAXIMUM_POINTS / count, preserve_topology=True)
    points = np.asarray(mesh.points, dtype=np.float64)
    triangles = mesh.faces.reshape(-1, 4)[:, 1:].astype(np.int32)
    nearest = np.asarray(cKDTree(wall.points).query(points)[1], dtype=np.intp)
    return Surface(points, triangles), nearest


def encode(values: npt.ArrayLike, kind: str) -> dict[str, str]:
    """An array as the viewer reads it; kind: one of <f4, <u4, <u1."""
    array = np.ascontiguousarray(values, dtype=kind)
    return {"type": kind[1:], "data": base64.b64encode(array.tobytes()).decode("ascii")}
