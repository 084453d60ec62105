"""`aneuflow radiomics`: image features of the sac and its wall zone, and which of them can be relied on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aneuflow.case.folder import CaseFolder
from aneuflow.case.radiomics_store import FOLDER, read_radiomics
from aneuflow.cli import options
from aneuflow.cli.progress import shown_progress
from aneuflow.cli.results import print_ends
from aneuflow.pipeline.radiomics import radiomics_case, retest_cases


def register(app: typer.Typer) -> None:
    app.command("radiomics")(radiomics)


def radiomics(
    cases: Annotated[list[Path], typer.Argument(metavar="CASE...", help="Case folders that began with an image.")],
    retest: Annotated[
        Path | None,
        typer.Option("--retest", help="Write to this JSON file how reliable each feature is over 10 cases or more instead."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of what --retest draws.")] = 1,
    settings: options.SettingsFile = None,
) -> None:
    """Measure image features (radiomics, IBSI) of the sac and of the zone about its wall."""
    tables = options.tables_from(settings)
    if retest is not None:
        with shown_progress() as progress:
            found = retest_cases(cases, retest, tables, seed, progress("retest"))
        reliable = sum(row["reliable"] for row in found["features"])
        typer.echo(f"{reliable} of {len(found['features'])} features are reliable over {len(cases)} cases: {retest}")
        return
    for case in cases:
        print_ends(case, [radiomics_case(case, tables)])
        made = read_radiomics(CaseFolder(case).stage_folder(FOLDER))
        zones = ", ".join(f"{zone} {count}" for zone, count in made.voxels.items())
        typer.echo(f"{len(made.measures)} image features; voxels of {made.settings['spacing_mm']:g} mm: {zones}")
