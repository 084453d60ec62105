"""The drawing process: `python -m aneuflow.report.render FOLDER` reads the content there and writes each picture as made."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("agg")

from matplotlib.figure import Figure

from aneuflow.report import plots, scenes
from aneuflow.report.content import ReportContent
from aneuflow.report.figures import CONTENT_FILE

# What needs no graphics library comes first: it is there even where the rest crashes.
FIGURES: tuple[tuple[str, str, Callable[[ReportContent], Figure | None]], ...] = (
    ("curves", "png", plots.curves),
    ("image", "jpg", plots.image_planes),
    ("key", "jpg", scenes.key_picture),
    ("model", "jpg", scenes.model_picture),
    ("construction", "jpg", scenes.constructions),
    ("tawss", "jpg", lambda content: scenes.wall_field(content, "TAWSS")),
    ("osi", "jpg", lambda content: scenes.wall_field(content, "OSI")),
    ("rrt", "jpg", lambda content: scenes.wall_field(content, "RRT")),
    ("pressure", "jpg", lambda content: scenes.wall_field(content, "pressure")),
    ("flow", "jpg", scenes.flow_views),
    ("regions", "jpg", scenes.wall_regions),
)


def main(folder: Path) -> None:
    """Draw every picture of the content in `folder`; one that fails leaves NAME.failed and the others go on."""
    content: ReportContent = pickle.loads((folder / CONTENT_FILE).read_bytes())
    for name, kind, draw in FIGURES:
        try:
            figure = draw(content)
            if figure is not None:
                quality = {"quality": 90, "subsampling": 0} if kind == "jpg" else {}
                figure.savefig(folder / f"{name}.{kind}", dpi=180, pil_kwargs=quality)
        except Exception as error:
            (folder / f"{name}.failed").write_text(repr(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
