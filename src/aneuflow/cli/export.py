"""`aneuflow export`: a case's results as DICOM objects or as label maps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aneuflow.cli.stages import Case
from aneuflow.errors import InputError
from aneuflow.pipeline.export import Exported, export_dicom, export_labels
from aneuflow.report.text import note_text


def register(app: typer.Typer) -> None:
    app.command("export")(export)


def export(
    case: Case,
    dicom: Annotated[
        Path | None, typer.Option("--dicom", help="New folder for DICOM segmentation, measurements and report.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--source",
            help="Original DICOM series (folder, zip, file); results join its study and name its patient.",
        ),
    ] = None,
    nifti: Annotated[Path | None, typer.Option("--nifti", help="Label map of the lumen as NIfTI (.nii.gz).")] = None,
    nrrd: Annotated[Path | None, typer.Option("--nrrd", help="The same as NRRD, a segmentation in 3D Slicer.")] = None,
) -> None:
    """Write results for other programs: DICOM SEG, SR and PDF, or label maps."""
    if dicom is None and nifti is None and nrrd is None:
        raise InputError("Nothing to export is named; add --dicom FOLDER, --nifti FILE or --nrrd FILE.")
    if source is not None and dicom is None:
        raise InputError("--source belongs to --dicom; add --dicom FOLDER.")
    if dicom is not None:
        _tell(export_dicom(case, dicom, source), dicom)
    for path in (nifti, nrrd):
        if path is not None:
            _tell(export_labels(case, path), path)


def _tell(exported: Exported, target: Path) -> None:
    for note in exported.notes:
        typer.echo(note_text("en", note))
    count = len(exported.files)
    typer.echo(f"Written: {target}" if count == 1 else f"Written: {count} files in {target}")
