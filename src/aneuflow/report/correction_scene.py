"""What is corrected and painted on by hand: the lumen with its ends and its neck, as the interactive view draws them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from aneuflow.numerics import surface as sf
from aneuflow.report.content import ReportContent
from aneuflow.report.ranges import PLAIN_WALL_COLOR
from aneuflow.report.text import Language
from aneuflow.report.viewer import encode, flow_fields, model_lines, model_views, region_field, thinned
from aneuflow.types import WALL_PATCH, Cap, FloatArray, LumenModel, PatchedSurface, Surface

DARKER_WALL_COLOR = "#a3aeb9"


def correction_payload(model: LumenModel, language: Language) -> dict[str, Any]:
    """The scene of `viewer.viewer_payload` for a model without flow, with `caps`, `neck` (None without aneurysm), `candidates`.

    A cap is {"id", "role", "center", "normal", "radius", "rim"}, the neck {"center", "normal", "radius", "origin"}, a candidate
    of a whole tree {"number", "diameter"}; places are in mm less `center`, radii and diameters in mm.
    """
    lumen = model.lumen
    wall, origin, kept = _drawn(lumen)
    center = 0.5 * (wall.points.min(axis=0) + wall.points.max(axis=0))
    return {
        "center": center.tolist(),
        "points": encode(wall.points - center, "<f4"),
        "triangles": encode(wall.triangles, "<u4"),
        "fields": [region_field(lumen.region[origin], language)],
        "lines": model_lines(model, center, language),
        "views": model_views(model, center, language),
        "spots": [],
        "thinned": len(origin) < len(kept),
        "caps": [_cap(model, cap, center) for cap in model.caps],
        "neck": _neck(model, center),
        "candidates": [{"number": place.number, "diameter": place.diameter_mm} for place in model.candidates],
    }


def painting_payload(model: LumenModel, content: ReportContent | None, language: Language) -> dict[str, Any]:
    """What the scene of `correction_payload` needs more for painting on it.

    `origin` (n,) uint32: the point of the lumen that each of its points shows; `shown_by` (m,) uint32: the point of the scene
    nearest to each point of the lumen, n where that is within a cap; `fields` to look at under the paint: those of the flow,
    where there is one, and artery and sac.
    """
    points = model.lumen.surface.points
    wall, origin, kept = _drawn(model.lumen)
    shown_by = np.full(len(points), len(wall.points))
    # Of a wall that is not thinned without a search, for some of its points may lie in one place.
    shown_by[kept] = np.arange(len(kept)) if len(origin) == len(kept) else cKDTree(wall.points).query(points[kept])[1]
    fields = []
    if content is not None:
        nearest = np.asarray(cKDTree(content.flow.wall.points).query(wall.points)[1], dtype=np.intp)
        fields = flow_fields(content, nearest, language)
    # Greys, for on the colors that tell artery and sac elsewhere paint would hardly be seen.
    fields.append(region_field(model.lumen.region[origin], language, DARKER_WALL_COLOR, PLAIN_WALL_COLOR))
    return {"origin": encode(origin, "<u4"), "shown_by": encode(shown_by, "<u4"), "fields": fields}


def _drawn(lumen: PatchedSurface) -> tuple[Surface, npt.NDArray[np.intp], npt.NDArray[np.int64]]:
    """The wall as it is drawn, the point of the lumen that each of its points shows, and those of the wall in full."""
    points, triangles, kept = sf.compact(lumen.surface.points, lumen.surface.triangles[lumen.patch == WALL_PATCH])
    wall, origin = thinned(Surface(points, triangles))
    return wall, kept[origin], kept


def _cap(model: LumenModel, cap: Cap, center: FloatArray) -> dict[str, Any]:
    surface = model.lumen.surface
    rim = sf.boundary_loops(surface.triangles[model.lumen.patch == cap.id])[0]
    return {
        "id": cap.id,
        "role": cap.role,
        "center": (cap.center_mm - center).tolist(),
        "normal": cap.normal.tolist(),
        "radius": cap.radius_mm,
        "rim": encode(surface.points[rim] - center, "<f4"),
    }


def _neck(model: LumenModel, center: FloatArray) -> dict[str, Any] | None:
    if model.aneurysm is None:
        return None
    ostium = model.aneurysm.ostium
    radius = float(np.linalg.norm(ostium.neck_line_mm - ostium.center_mm, axis=1).max())
    return {
        "center": (ostium.center_mm - center).tolist(),
        "normal": ostium.normal.tolist(),
        "radius": radius,
        "origin": ostium.origin,
    }
