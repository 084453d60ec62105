"""`aneuflow export`: a case's results as DICOM objects, as label maps, or as meshes for other flow solvers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from aneuflow.cli.stages import Case
from aneuflow.errors import InputError
from aneuflow.geometry.volume_mesh import VolumeMeshSettings
from aneuflow.pipeline.export import Exported, export_dicom, export_labels
from aneuflow.pipeline.export_mesh import MILLIMETERS, MeshFacts, export_named_stl, export_volume_mesh
from aneuflow.report.text import note_text

_EDGE, _LAYERS = (VolumeMeshSettings.model_fields[name] for name in ("edge_mm", "layers"))


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
    msh: Annotated[
        Path | None, typer.Option("--msh", help="Tetrahedral mesh with named boundaries, Gmsh 2.2 (OpenFOAM, FEniCS).")
    ] = None,
    vtu: Annotated[Path | None, typer.Option("--vtu", help="New folder for the same mesh as SimVascular reads it.")] = None,
    stl: Annotated[Path | None, typer.Option("--stl", help="Closed surface with a named solid for each boundary.")] = None,
    edge: Annotated[float, typer.Option("--edge", help=str(_EDGE.description))] = _EDGE.default,
    layers: Annotated[int, typer.Option("--layers", help=str(_LAYERS.description))] = _LAYERS.default,
    unit: Annotated[str, typer.Option("--unit", help="Length unit of mesh and STL: mm, cm or m.")] = "mm",
    lumen_only: Annotated[
        bool, typer.Option("--lumen-only", help="Mesh and STL of the lumen without its flow extensions.")
    ] = False,
) -> None:
    """Write results for other programs: DICOM SEG, SR and PDF, label maps, volume meshes."""
    if not any((dicom, nifti, nrrd, msh, vtu, stl)):
        raise InputError(
            "Nothing to export is named; add --dicom FOLDER, --nifti, --nrrd, --msh or --stl FILE, or --vtu FOLDER."
        )
    if unit not in MILLIMETERS:
        raise InputError(f'--unit "{unit}" is none of {", ".join(MILLIMETERS)}; choose one of them.')
    if source is not None and dicom is None:
        raise InputError("--source belongs to --dicom; add --dicom FOLDER.")
    if dicom is not None:
        _tell(export_dicom(case, dicom, source), dicom)
    for path in (nifti, nrrd):
        if path is not None:
            _tell(export_labels(case, path), path)
    if stl is not None:
        names = export_named_stl(case, stl, unit, not lumen_only)
        typer.echo(f"Written: {stl} ({', '.join(names)}; {unit})")
    if msh is not None or vtu is not None:
        facts = export_volume_mesh(case, msh, vtu, _mesh_settings(edge, layers), unit, not lumen_only)
        _tell_mesh(facts, [path for path in (msh, vtu) if path is not None], unit)


def _mesh_settings(edge: float, layers: int) -> VolumeMeshSettings:
    try:
        return VolumeMeshSettings(edge_mm=edge, layers=layers)
    except ValidationError as error:
        first = error.errors()[0]
        option = {"edge_mm": "--edge", "layers": "--layers"}[str(first["loc"][0])]
        raise InputError(f"{option} {first['input']}: {first['msg']}; correct it.") from None


def _tell_mesh(facts: MeshFacts, paths: list[Path], unit: str) -> None:
    typer.echo(f"Written: {', '.join(map(str, paths))} ({', '.join(facts.names)}; {unit})")
    typer.echo(
        f"{facts.tetrahedra} tetrahedra, {facts.points} points, {facts.volume_mm3:.1f} mm3; worst tetrahedron: mean ratio "
        f"{facts.least_mean_ratio:.3f} (1 is regular); the smallest angle between faces is {facts.least_angle_deg:.1f} degrees."
    )


def _tell(exported: Exported, target: Path) -> None:
    for note in exported.notes:
        typer.echo(note_text("en", note))
    count = len(exported.files)
    typer.echo(f"Written: {target}" if count == 1 else f"Written: {count} files in {target}")
