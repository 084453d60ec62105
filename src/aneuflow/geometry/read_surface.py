"""Surfaces from files: STL, OBJ, PLY and VTP, in any length unit, to triangles in mm."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import vtk
from vtk.util import numpy_support

from aneuflow.errors import InputError
from aneuflow.numerics import surface as sf
from aneuflow.types import FloatArray, Surface

Units = Literal["mm", "cm", "m", "auto"]

_READERS: dict[str, Any] = {
    ".stl": vtk.vtkSTLReader,
    ".obj": vtk.vtkOBJReader,
    ".ply": vtk.vtkPLYReader,
    ".vtp": vtk.vtkXMLPolyDataReader,
}
_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
_MOST_TRIANGLES = 5_000_000
# Caliber as four times volume over area, the diameter of a long tube: 1.9 to 6.2 mm over 170 real segments, trees and
# phantoms. The range for the automatic unit spans less than a factor of ten, so at most one unit fits.
_CALIBER_MM, _CREDIBLE_MM = (1.0, 9.0), (0.4, 16.0)
_LARGEST_BOX_MM = 400.0


def read_surface(path: Path, units: Units = "auto") -> Surface:
    """The triangles of a surface file, mm, in the file's frame taken as patient LPS.

    With units "auto" the length unit is that in which the vessel has the caliber of an intracranial artery, judged by
    four times volume over area, not by the box: whole brains are as large as segments in wrong units. Raises InputError
    where the file is no readable triangle surface or its size fits no unit.
    """
    path = Path(path)
    points, triangles = _read(path)
    caliber = 4 * _volume_over_area(points, triangles, path)
    box = float(np.ptp(points, axis=0).max())
    scale = _MM[units] if units != "auto" else _automatic_scale(caliber, box, path)
    low, high = _CREDIBLE_MM
    if not low <= caliber * scale <= high or box * scale > _LARGEST_BOX_MM:
        raise InputError(
            f"{path.name}: read in {units} the vessel would be {caliber * scale:.3g} mm wide in a box of {box * scale:.4g} mm, "
            f"which no intracranial artery is ({low:g} to {high:g} mm); give the right --units mm, cm or m."
        )
    return Surface(points * scale, triangles)


def _read(path: Path) -> tuple[FloatArray, Any]:
    reader_type = _READERS.get(path.suffix.lower())
    if reader_type is None:
        raise InputError(
            f"{path.name}: surfaces are read as STL, OBJ, PLY or VTP, not '{path.suffix}'; convert it to one of them."
        )
    if not path.is_file() or path.stat().st_size == 0:
        raise InputError(
            f"{path.name}: the file is {'empty' if path.exists() else 'missing'}; give the path of a surface file."
        )
    points, triangles = _parsed(reader_type, path)
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
    return used, triangles


def _parsed(reader_type: Any, path: Path) -> tuple[FloatArray, Any]:
    """Points (n, 3) and triangles (m, 3), polygons cut into triangles; empty where the reader finds nothing."""
    # VTK reports a bad file on stderr and returns what it has; the caller says it in one sentence instead.
    shown = vtk.vtkObject.GetGlobalWarningDisplay()
    vtk.vtkObject.GlobalWarningDisplayOff()
    try:
        reader = reader_type()
        reader.SetFileName(str(path))
        triangulate = vtk.vtkTriangleFilter()
        triangulate.SetInputConnection(reader.GetOutputPort())
        triangulate.PassLinesOff()
        triangulate.PassVertsOff()
        triangulate.Update()
        mesh = triangulate.GetOutput()
    finally:
        vtk.vtkObject.SetGlobalWarningDisplay(shown)
    if reader.GetErrorCode() or not mesh.GetNumberOfPoints() or not mesh.GetNumberOfPolys():
        return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int32)
    points = numpy_support.vtk_to_numpy(mesh.GetPoints().GetData()).astype(float)
    triangles = numpy_support.vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int32)
    if triangles.min() < 0 or triangles.max() >= len(points):
        return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int32)
    return points, triangles


def _volume_over_area(points: FloatArray, triangles: Any, path: Path) -> float:
    """Volume inside over area, in the file's unit; openings are closed by fans, STL corners joined first."""
    size = float(np.ptp(points, axis=0).max())
    if not size > 0:
        raise InputError(f"{path.name}: all points of the surface coincide; export the surface again.")
    _, first, inverse = np.unique(np.round(points / (1e-6 * size)), axis=0, return_index=True, return_inverse=True)
    closed = sf.fill_openings(points[first], inverse.ravel()[triangles])
    volume = abs(sf.signed_volume(*closed))
    surface_area = sf.area(*closed)
    if not surface_area > 0 or not volume > 1e-9 * size**3:
        raise InputError(f"{path.name}: the surface encloses no volume; give the closed or open-ended wall of a vessel.")
    return volume / surface_area


def _automatic_scale(caliber: float, box: float, path: Path) -> float:
    low, high = _CALIBER_MM
    for scale in _MM.values():
        if low <= caliber * scale <= high and box * scale <= _LARGEST_BOX_MM:
            return scale
    raise InputError(
        f"{path.name}: in no unit does the surface have the size of an intracranial artery (it is {caliber:.3g} units wide in a "
        f"box of {box:.4g}); rescale it to mm, or say --units mm, cm or m if the size is right."
    )
