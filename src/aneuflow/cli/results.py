"""What a command prints when it has ended well."""

from __future__ import annotations

from pathlib import Path

import typer

from aneuflow.case import store
from aneuflow.case.folder import CaseFolder
from aneuflow.case.prediction_store import FOLDER as PREDICTION
from aneuflow.case.prediction_store import STAGE as PREDICT
from aneuflow.pipeline.run import current_stages
from aneuflow.pipeline.settings import settings_from
from aneuflow.pipeline.stages import StageEnd
from aneuflow.quantities import quantity
from aneuflow.types import Measure

SHOWN = (
    "maximum_diameter",
    "neck_diameter",
    "aspect_ratio",
    "size_ratio",
    "parent_diameter",
    "sac_tawss_mean",
    "parent_tawss_mean",
    "sac_osi_mean",
    "pressure_loss",
)


def _line(measure: Measure) -> str:
    entry = quantity(measure.id)
    interval = f"  ({measure.low:.3g} to {measure.high:.3g})" if measure.low is not None and measure.high is not None else ""
    unit = "" if entry.unit == "1" else f" {entry.unit}"
    return f"  {entry.name_en:<45} {measure.value:.3g}{unit}{interval}"


def print_summary(case_path: Path) -> None:
    """The main numbers of an assessed case and where its report is."""
    case = CaseFolder(case_path)
    manifest, simulated = case.manifest(), "simulate" in current_stages(case)
    if settings_from(manifest.settings).predict.fast and simulated and PREDICT in manifest.stages:
        typer.echo(f"Simulated, not predicted: {manifest.stages[PREDICT].reason or 'a simulation was there.'}")
    measures = [
        *store.read_morphology(case.stage_folder("morphology")).measures,
        *store.read_flow_measures(case.stage_folder("flow" if simulated else PREDICTION)),
    ]
    by_id = {measure.id: measure for measure in measures}
    for id in SHOWN:
        if id in by_id:
            typer.echo(_line(by_id[id]))
    report = case.stage_folder("report")
    typer.echo(f"Report: {report / 'report.html'}")
    if (report / "report.pdf").exists():
        typer.echo(f"PDF:    {report / 'report.pdf'}")


def print_ends(case: Path, ends: list[StageEnd]) -> None:
    """Which stages ran and which were still valid."""
    for end in ends:
        what = "still valid" if end.state == "kept" else f"done in {end.seconds:.1f} s"
        typer.echo(f"{end.stage:<9} {what}")
    typer.echo(f"Case: {case}")
