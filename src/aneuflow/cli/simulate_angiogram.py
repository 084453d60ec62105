"""`aneuflow simulate-angiogram`: an image of a known lumen, to train and to test segmentation with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pydantic
import typer

from aneuflow.cli.progress import shown_progress
from aneuflow.errors import InputError
from aneuflow.imaging.simulated import SimulationSettings
from aneuflow.pipeline.simulated import write_simulated


def register(app: typer.Typer) -> None:
    app.command("simulate-angiogram")(simulate_angiogram)


def simulate_angiogram(
    source: Annotated[Path, typer.Argument(metavar="LUMEN", help="Case folder with a model, or a surface file.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="New folder for image, labels and the true wall.")],
    sac: Annotated[Path | None, typer.Option("--sac", help="Surface file of the sac's wall, in the lumen's frame, mm.")] = None,
    modality: Annotated[str, typer.Option("--modality", help="CTA, MRA or 3DRA.")] = "CTA",
    seed: Annotated[int, typer.Option("--seed", help="Seed of all that is drawn; the same gives the same image.")] = 0,
    spacing: Annotated[float, typer.Option("--spacing", help="Voxel size in the axial plane, mm.")] = 0.5,
    slice_distance: Annotated[float | None, typer.Option("--slice", help="Slice distance, mm; else the voxel size.")] = None,
    margin: Annotated[float, typer.Option("--margin", help="How far the image goes beyond the lumen, mm.")] = 8.0,
    fixed: Annotated[
        list[str] | None, typer.Option("--fix", help="NAME=VALUE: hold a drawn parameter (docs/simulated-angiograms.md).")
    ] = None,
) -> None:
    """Make an angiogram of a known lumen in a random head, with labels: 1 artery, 2 aneurysm, 3 bone, 4 vein."""
    settings = _settings(
        modality=modality, seed=seed, spacing_mm=spacing, slice_mm=slice_distance, margin_mm=margin, fixed=_parse_fixed(fixed)
    )
    with shown_progress() as progress:
        made = write_simulated(source, output, settings, sac, progress("simulate"))
    shape = " x ".join(str(n) for n in made.labels.shape)
    typer.echo(f"{modality} of {shape} voxels with labels, true wall and what was drawn: {output}")


def _settings(**given: Any) -> SimulationSettings:
    try:
        return SimulationSettings(**given)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{first['loc'][0]} is {first['input']!r}: {first['msg']}; correct it.") from None


def _parse_fixed(texts: list[str] | None) -> dict[str, float]:
    fixed = {}
    for text in texts or ():
        name, _, value = text.partition("=")
        try:
            fixed[name] = float(value)
        except ValueError:
            raise InputError(f'--fix "{text}" is not NAME=VALUE with a number; correct it.') from None
    return fixed
