"""Surfaces from files: STL, OBJ, PLY and VTP, in any length unit, to triangles in mm."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import trimesh
import vtk
from vtk.util import numpy_support

from aneuflow.errors import InputError
from aneuflow.geometry.scale import CREDIBLE_MM, box, caliber, is_credible
from aneuflow.numerics import surface as sf
from aneuflow.types import FloatArray, Surface

Units = Literal["mm", "cm", "m", "auto"]

_FORMATS = (".stl", ".obj", ".ply", ".vtp")
_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
_MOST_TRIANGLES = 5_000_000
# The range for the automatic unit spans less than a factor of ten, so at most one unit fits.
_CALIBER_MM = (1.0, 9.0)


def read_surface(path: Path, units: Units = "auto") -> Surface:
    """The triangles of a surface file, mm, in the file's frame taken as patient LPS.

    With units "auto" the length unit is that in which the vessel has the caliber of an intracranial artery, judged by
    four times volume over area, not by the box: whole brains are as large as segments in wrong units. Raises InputError
    where the file is no readable triangle surface or its size fits no unit.
    """
    path = Path(path)
    points, triangles = _read(path)
    if not box(points) > 0:
        raise InputError(f"{path.name}: all points of the surface coincide; export the surface again.")
    width, length = caliber(points, triangles), box(points)
    if not width > 0:
        raise InputError(f"{path.name}: the surface encloses no volume; give the closed or open-ended wall of a vessel.")
    to_mm = _MM[units] if units != "auto" else _automatic_unit(width, length, path)
    if not is_credible(width * to_mm, length * to_mm):
        low, high = CREDIBLE_MM
        raise InputError(
            f"{path.name}: read in {units} the vessel would be {width * to_mm:.3g} mm wide in a box of "
            f"{length * to_mm:.4g} mm, which no intracranial artery is ({low:g} to {high:g} mm); give the right --units "
            f"mm, cm or m."
        )
    return Surface(points * to_mm, triangles)


def _read(path: Path) -> tuple[FloatArray, Any]:
    if path.suffix.lower() not in _FORMATS:
        raise InputError(
            f"{path.name}: surfaces are read as STL, OBJ, PLY or VTP, not '{path.suffix}'; convert it to one of them."
        )
    if not path.is_file() or path.stat().st_size == 0:
        raise InputError(
            f"{path.name}: the file is {'empty' if path.exists() else 'missing'}; give the path of a surface file."
        )
    points, triangles = _parsed_vtp(path) if path.suffix.lower() == ".vtp" else _parsed(path)
    if len(triangles) and (triangles.min() < 0 or triangles.max() >= len(points)):
        raise InputError(f"{path.name}: some triangles name points that are not in the file; export the surface again.")
    if not len(triangles):
        raise InputError(
            f"{path.name}: no triangles could be read; the file is truncated, of another type, or holds only points."
        )
    if len(triangles) > _MOST_TRIANGLES:
        raise InputError(
            f"{path.name}: {len(triangles)} triangles are more than {_MOST_TRIANGLES}; decimate the surface first."
        )
    if not np.isfinite(points[np.unique(triangles)]).all():
        raise InputError(f"{path.name}: some points are not numbers (NaN or infinite); export the surface again.")
    used, triangles, _ = sf.compact(points, triangles)
    return sf.merge_points(used, triangles)


def _parsed(path: Path) -> tuple[FloatArray, Any]:
    """Points (n, 3) and triangles (m, 3) of an STL, OBJ or PLY file, polygons cut into triangles."""
    # VTK's own readers of these formats crash the process on some truncated files.
    load: Any = trimesh.load
    try:
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mesh = load(stream, file_type=path.suffix.lower()[1:], force="mesh", process=False, skip_materials=True)
        points, triangles = np.asarray(mesh.vertices, dtype=float), np.asarray(mesh.faces)
    except Exception as error:  # the parsers raise whatever the broken bytes lead to
        raise InputError(
            f"{path.name}: no {path.suffix.upper()[1:]} surface could be read; the file is truncated or of another type."
        ) from error
    return points.reshape(-1, 3), triangles.reshape(-1, 3).astype(np.int32)


def _parsed_vtp(path: Path) -> tuple[FloatArray, Any]:
    """Points (n, 3) and triangles (m, 3) of a VTP file, polygons cut into triangles; empty where there is nothing."""
    # VTK reports a bad file on stderr and returns what it has; the caller says it in one sentence instead.
    shown = vtk.vtkObject.GetGlobalWarningDisplay()
    vtk.vtkObject.GlobalWarningDisplayOff()
    try:
        reader = vtk.vtkXMLPolyDataReader()
        reader.SetFileName(str(path))
        reader.Update()
        whole = reader.GetOutput()
        if reader.GetErrorCode() or not whole.GetNumberOfPoints() or not (whole.GetNumberOfPolys() + whole.GetNumberOfStrips()):
            return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int32)
        corners = numpy_support.vtk_to_numpy(whole.GetPolys().GetConnectivityArray())
        if len(corners) and (corners.min() < 0 or corners.max() >= whole.GetNumberOfPoints()):
            raise InputError(f"{path.name}: some triangles name points that are not in the file; export the surface again.")
        triangulate = vtk.vtkTriangleFilter()
        triangulate.SetInputData(whole)
        triangulate.PassLinesOff()
        triangulate.PassVertsOff()
        triangulate.Update()
        mesh = triangulate.GetOutput()
    finally:
        vtk.vtkObject.SetGlobalWarningDisplay(shown)
    points = numpy_support.vtk_to_numpy(mesh.GetPoints().GetData()).astype(float)
    return points, numpy_support.vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int32)


def _automatic_unit(width: float, length: float, path: Path) -> float:
    low, high = _CALIBER_MM
    for unit in _MM.values():
        if low <= width * unit <= high and is_credible(width * unit, length * unit):
            return unit
    raise InputError(
        f"{path.name}: in no unit is the surface as wide as an intracranial artery (it is {width:.3g} units wide in a "
        f"box of {length:.4g}); rescale it to mm, or say --units mm, cm or m if the size is right."
    )
