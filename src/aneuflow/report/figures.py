"""The still pictures of a report, drawn in a process of their own: a crash of the graphics library must not end a case."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

from aneuflow.types import Note

DRAWING_TIME_LIMIT_S = 300.0
CONTENT_FILE = "content.pickle"
CASE_FIGURES = "aneuflow.report.render"


def draw_figures(content: object, module: str = CASE_FIGURES) -> tuple[dict[str, bytes], tuple[Note, ...]]:
    """The pictures by name as PNG or JPEG bytes, and notes on those that could not be drawn.

    Which there are depends on the case: `key`, `image`, `model`, `construction`, `tawss`, `osi`, `rrt`, `pressure`, `flow`,
    `curves`. Pictures finished before a crash are kept. module: which program of this package draws the content.
    """
    with tempfile.TemporaryDirectory(prefix="aneuflow-report-") as name:
        folder = Path(name)
        (folder / CONTENT_FILE).write_bytes(pickle.dumps(content))
        reason = _draw_apart(folder, module)
        pictures = {file.stem: file.read_bytes() for file in sorted(folder.iterdir()) if file.suffix in (".png", ".jpg")}
        failed = tuple(sorted(file.stem for file in folder.glob("*.failed")))
    if reason:
        return pictures, (Note("figures_stopped", {"reason": reason}),)
    return pictures, tuple(Note("figure_failed", {"figure": figure}) for figure in failed)


def _draw_apart(folder: Path, module: str) -> str | None:
    """None when the drawing process ended well, else what became of it."""
    command = [sys.executable, "-W", "ignore", "-m", module, str(folder)]
    environment = {**os.environ, "MPLBACKEND": "agg"}
    try:
        done = subprocess.run(command, capture_output=True, timeout=DRAWING_TIME_LIMIT_S, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return f"no end after {DRAWING_TIME_LIMIT_S:.0f} s"
    if done.returncode < 0:
        return f"signal {-done.returncode}"
    return f"exit code {done.returncode}" if done.returncode else None
