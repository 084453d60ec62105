"""Distance of points from a triangle surface."""

from __future__ import annotations

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkDoubleArray, vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkFiltersCore import vtkImplicitPolyDataDistance

from aneuflow.types import FloatArray, IntArray


def distance_to_surface(points: FloatArray, triangles: IntArray, queries: FloatArray) -> FloatArray:
    """Distance (k,) of queries (k, 3) from the nearest point of the triangles (m, 3) over points (n, 3), in their unit."""
    surface, corners, cells = vtkPolyData(), vtkPoints(), vtkCellArray()
    corners.SetData(numpy_to_vtk(np.ascontiguousarray(points, np.float64), deep=True))
    offsets = np.arange(0, triangles.size + 1, 3, dtype=np.int64)
    cells.SetData(
        numpy_to_vtkIdTypeArray(offsets, deep=True),
        numpy_to_vtkIdTypeArray(np.ascontiguousarray(triangles, np.int64).ravel(), deep=True),
    )
    surface.SetPoints(corners)
    surface.SetPolys(cells)
    field, result = vtkImplicitPolyDataDistance(), vtkDoubleArray()
    field.SetInput(surface)
    field.FunctionValue(numpy_to_vtk(np.ascontiguousarray(queries, np.float64), deep=True), result)
    return np.asarray(np.abs(vtk_to_numpy(result)))
