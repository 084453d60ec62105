"""What corrections by hand are made on: the lumen with its ends and its neck, as the interactive view draws them."""

from __future__ import annotations

from typing import Any

import numpy as np

from aneuflow.numerics import surface as sf
from aneuflow.report.text import Language
from aneuflow.report.viewer import encode, model_lines, model_views, region_field, thinned
from aneuflow.types import WALL_PATCH, Cap, FloatArray, LumenModel, Surface


def correction_payload(model: LumenModel, language: Language) -> dict[str, Any]:
    """The scene of `viewer.viewer_payload` for a model without flow, with `caps` and `neck` (None without aneurysm).

    A cap is {"id", "role", "center", "normal", "radius", "rim"}, the neck {"center", "normal", "radius", "origin"}; places
    are in mm less `center`, radii in mm.
    """
    lumen = model.lumen
    points, triangles, kept = sf.compact(lumen.surface.points, lumen.surface.triangles[lumen.patch == WALL_PATCH])
    wall, origin = thinned(Surface(points, triangles))
    center = 0.5 * (wall.points.min(axis=0) + wall.points.max(axis=0))
    return {
        "center": center.tolist(),
        "points": encode(wall.points - center, "<f4"),
        "triangles": encode(wall.triangles, "<u4"),
        "fields": [region_field(lumen.region[kept[origin]], language)],
        "lines": model_lines(model, center, language),
        "views": model_views(model, center, language),
        "spots": [],
        "thinned": len(origin) < len(points),
        "caps": [_cap(model, cap, center) for cap in model.caps],
        "neck": _neck(model, center),
    }


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
