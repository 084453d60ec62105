"""The lumen of a case for other flow solvers: filled with tetrahedra, or as a surface, every boundary named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aneuflow.case import store
from aneuflow.case.folder import CaseFolder
from aneuflow.case.mesh_files import write_mesh_complete, write_msh, write_named_stl
from aneuflow.errors import InputError
from aneuflow.geometry.volume_mesh import VolumeMesh, VolumeMeshSettings, fill
from aneuflow.numerics import tetrahedra as tet
from aneuflow.pipeline.run import current_stages
from aneuflow.types import WALL_PATCH, Cap, IntArray, PatchedSurface

MILLIMETERS: Mapping[str, float] = {"mm": 1.0, "cm": 0.1, "m": 1e-3}


@dataclass(frozen=True)
class MeshFacts:
    """What is told of a mesh: sizes, volume against the lumen's, and its worst tetrahedra (mean ratio 1 is regular)."""

    points: int
    tetrahedra: int
    volume_mm3: float
    least_mean_ratio: float
    least_angle_deg: float
    names: tuple[str, ...]


def export_volume_mesh(
    case_path: Path,
    msh: Path | None,
    folder: Path | None,
    settings: VolumeMeshSettings,
    unit: str = "mm",
    extended: bool = True,
) -> MeshFacts:
    """Fill the lumen (extended: with its flow extensions) and write it as a Gmsh 2.2 file and as SimVascular's folder.

    Raises InputError where the case has no current model, MethodError where the mesh fails its checks, ResourceError
    without the extra `mesh`.
    """
    closed, caps = _closed(case_path, extended)
    mesh = fill(closed, caps, settings)
    parts = _parts(mesh.faces, mesh.patch, caps)
    points = MILLIMETERS[unit] * mesh.points
    for path in (msh, folder):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    if msh is not None:
        write_msh(msh, points, mesh.tetrahedra, parts)
    if folder is not None:
        write_mesh_complete(folder, points, mesh.tetrahedra, parts)
    return _facts(mesh, tuple(parts))


def export_named_stl(case_path: Path, target: Path, unit: str = "mm", extended: bool = True) -> tuple[str, ...]:
    """Write the closed lumen as STL with a named solid for the wall and each end; gives the names."""
    closed, caps = _closed(case_path, extended)
    parts = _parts(closed.surface.triangles, closed.patch, caps)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_named_stl(target, MILLIMETERS[unit] * closed.surface.points, parts)
    return tuple(parts)


def _closed(case_path: Path, extended: bool) -> tuple[PatchedSurface, tuple[Cap, ...]]:
    case = CaseFolder(case_path)
    case.manifest()
    with case.locked():
        if "model" not in current_stages(case):
            raise InputError(
                f"Case {case_path.name} has no finished model that is current; run `aneuflow model {case_path}` first."
            )
        model = store.read_model(case.stage_folder("model"))
    return (model.extended, model.extended_caps) if extended else (model.lumen, model.caps)


def _parts(faces: IntArray, patch: IntArray, caps: tuple[Cap, ...]) -> dict[str, Any]:
    """The triangles of the wall and of each end by name: wall, inlet-1, outlet-2, with the cap's id."""
    return {"wall": faces[patch == WALL_PATCH], **{f"{cap.role}-{cap.id}": faces[patch == cap.id] for cap in caps}}


def _facts(mesh: VolumeMesh, names: tuple[str, ...]) -> MeshFacts:
    return MeshFacts(
        points=len(mesh.points),
        tetrahedra=len(mesh.tetrahedra),
        volume_mm3=mesh.volume_mm3,
        least_mean_ratio=float(np.min(tet.mean_ratio(mesh.points, mesh.tetrahedra))),
        least_angle_deg=float(np.min(tet.dihedral_angles_deg(mesh.points, mesh.tetrahedra))),
        names=names,
    )
