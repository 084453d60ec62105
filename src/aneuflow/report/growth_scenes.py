"""The map of growth: still pictures, drawn by `python -m aneuflow.report.growth_scenes FOLDER`, and the interactive view."""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from aneuflow.geometry.follow_up import Growth
from aneuflow.morphology.changes import Change
from aneuflow.report.figures import CONTENT_FILE
from aneuflow.report.meshes import poly_data
from aneuflow.report.scenes import Plotter, _draw_neck_line, _lay_out, _picture
from aneuflow.report.text import Language, text
from aneuflow.report.viewer import encode, model_lines, model_views, thinned
from aneuflow.report.views import close_views
from aneuflow.types import LumenModel

# Blue where the wall lies inside the former one, red where outside, light grey where it has not moved.
COLOR_MAP = "coolwarm"


@dataclass(frozen=True, eq=False)
class ComparisonContent:
    """names: of the two cases; model: that of the first, in whose frame `growth` is; surface_sd_mm: as the limit took it."""

    names: tuple[str, str]
    verdict: str
    model: LumenModel
    growth: Growth
    changes: tuple[Change, ...]
    surface_sd_mm: float
    version: str
    created: str


def growth_picture(content: ComparisonContent) -> Figure:
    """The later wall by how far it lies outside the earlier one, from two opposite sides and from above the dome."""
    growth = content.growth
    reach = color_reach(growth)
    mesh = poly_data(growth.wall)
    mesh["change"] = np.clip(growth.change_mm, -reach, reach)

    def draw(plotter: Plotter) -> None:
        plotter.add_mesh(
            mesh, scalars="change", smooth_shading=True, ambient=0.4, diffuse=0.65, specular=0.0, cmap=COLOR_MAP,
            clim=(-reach, reach), show_scalar_bar=False,
        )  # fmt: skip
        _draw_neck_line(plotter, content.model)

    colors = ScalarMappable(Normalize(-reach, reach), colormaps[COLOR_MAP])
    return _lay_out([(_picture(draw, view), view) for view in close_views(content.model)], colors, "mm", 11)


def growth_payload(content: ComparisonContent, language: Language) -> dict[str, Any]:
    """The scene of the interactive view, as `viewer.viewer_payload` describes it, with the change as its one field."""
    growth = content.growth
    wall, origin = thinned(growth.wall)
    center = 0.5 * (wall.points.min(axis=0) + wall.points.max(axis=0))
    reach = color_reach(growth)
    field = {
        "name": "change",
        "label": text(language, "compare.field"),
        "unit": "mm",
        "range": (-reach, reach),
        "logarithmic": False,
        "colors": encode(np.round(255 * colormaps[COLOR_MAP](np.linspace(0, 1, 256))[:, :3]), "<u1"),
        "values": encode(growth.change_mm[origin], "<f4"),
    }
    return {
        "center": center.tolist(),
        "points": encode(wall.points - center, "<f4"),
        "triangles": encode(wall.triangles, "<u4"),
        "fields": [field],
        "lines": model_lines(content.model, center, language),
        "views": model_views(content.model, center, language),
        "spots": [],
        "thinned": len(origin) < len(growth.wall.points),
    }


def color_reach(growth: Growth) -> float:
    """The change, mm, at which the color bar ends either way: never less than the limit, so that noise stays pale."""
    sac = np.abs(growth.change_mm[growth.is_sac])
    return max(1.5 * growth.limit_mm, float(np.percentile(sac, 99))) if len(sac) else 1.5 * growth.limit_mm


def main(folder: Path) -> None:
    """Draw the picture of the content in `folder` there; where that fails, leave growth.failed."""
    content: ComparisonContent = pickle.loads((folder / CONTENT_FILE).read_bytes())
    try:
        growth_picture(content).savefig(folder / "growth.jpg", dpi=180, pil_kwargs={"quality": 90, "subsampling": 0})
    except Exception as error:
        (folder / "growth.failed").write_text(repr(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
