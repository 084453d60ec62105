"""One command a stage, on an existing case folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from aneuflow.cli import options
from aneuflow.cli.progress import shown_progress
from aneuflow.cli.results import print_ends
from aneuflow.pipeline.run import run_stage
from aneuflow.pipeline.settings import Tables

Case = Annotated[Path, typer.Argument(metavar="CASE", help="Case folder made by `aneuflow assess`.")]
COMMANDS = (
    ("segment", "Find the lumen in the case's image.", ("segmenter", "model")),
    ("model", "Build the capped lumen with centerlines, sac and ostium.", ("inlet", "neck_plane", "candidate", "no_aneurysm")),
    ("measure", "Measure the shape of aneurysm and artery.", ()),
    ("boundary", "Set inflow, outlets and blood.", (*options.BOUNDARY_OPTIONS, "steady")),
    ("simulate", "Compute the blood flow.", (*options.BOUNDARY_OPTIONS, "steady", "resolution", "cycles", "device", "threads")),
    ("report", "Write the report as HTML and PDF.", ("language",)),
)


def register(app: typer.Typer) -> None:
    for stage, help_text, names in COMMANDS:
        app.command(stage, help=help_text)(options.taking(*names)(_command(stage)))


def _command(stage: str) -> Callable[..., None]:
    def run(case: Case, tables: Tables) -> None:
        with shown_progress() as progress:
            ends = run_stage(case, stage, tables, progress)
        print_ends(case, ends)

    return run
