"""The file formats of a case: JSON, NIfTI and VTK XML, written so that equal content gives equal bytes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkPoints, vtkStringArray
from vtkmodules.vtkCommonDataModel import VTK_TETRA, VTK_VOXEL, vtkCellArray, vtkPolyData, vtkUnstructuredGrid
from vtkmodules.vtkIOXML import (
    vtkXMLPolyDataReader,
    vtkXMLPolyDataWriter,
    vtkXMLUnstructuredGridReader,
    vtkXMLUnstructuredGridWriter,
)

from aneuflow.errors import InputError, ResourceError
from aneuflow.types import FloatArray

Arrays = Mapping[str, npt.NDArray[Any]]

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def write_json(path: Path, content: object) -> None:
    """Write content atomically: a reader sees the old file or the new one, never a part."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ResourceError(f"Cannot write {path.name}: {error.strerror}; free space or choose another folder.") from error
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def write_nifti(path: Path, values: npt.NDArray[Any], affine: FloatArray) -> None:
    """Write a volume whose affine maps voxel indices to LPS mm (NIfTI's own world is RAS)."""
    import nibabel  # this late: tables are read far more often than images

    image = nibabel.Nifti1Image(values, None)
    image.set_sform(LPS_TO_RAS @ affine, code=1)
    image.set_qform(None, code=0)
    # ITK takes the spacing from here, whatever the matrix says.
    image.header.set_zooms(np.linalg.norm(affine[:3, :3], axis=0))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


def read_nifti(path: Path) -> tuple[npt.NDArray[Any], FloatArray]:
    """The voxel values as stored and the affine to LPS mm."""
    import nibabel

    image = nibabel.Nifti1Image.from_filename(path)
    return np.asanyarray(image.dataobj), LPS_TO_RAS @ np.asarray(image.affine, np.float64)


def _add_arrays(target: Any, arrays: Arrays) -> None:
    for name, values in arrays.items():
        array = numpy_to_vtk(np.ascontiguousarray(values), deep=True)
        array.SetName(name)
        target.AddArray(array)


def _read_arrays(source: Any) -> dict[str, npt.NDArray[Any]]:
    return {source.GetArrayName(i): vtk_to_numpy(source.GetArray(i)).copy() for i in range(source.GetNumberOfArrays())}


def _read_words(source: Any) -> dict[str, tuple[str, ...]]:
    found = [source.GetAbstractArray(i) for i in range(source.GetNumberOfArrays())]
    texts = [array for array in found if isinstance(array, vtkStringArray)]
    return {array.GetName(): tuple(array.GetValue(i) for i in range(array.GetNumberOfValues())) for array in texts}


def _points(points: npt.NDArray[Any]) -> Any:
    result = vtkPoints()
    result.SetData(numpy_to_vtk(np.ascontiguousarray(points), deep=True))
    return result


def _cells(connectivity: npt.NDArray[Any], offsets: npt.NDArray[Any]) -> Any:
    cells = vtkCellArray()
    cells.SetData(
        numpy_to_vtkIdTypeArray(np.ascontiguousarray(offsets, np.int64), deep=True),
        numpy_to_vtkIdTypeArray(np.ascontiguousarray(connectivity, np.int64), deep=True),
    )
    return cells


def _write_xml(writer: Any, data: Any, path: Path) -> None:
    writer.SetFileName(str(path))
    writer.SetInputData(data)
    writer.SetDataModeToAppended()
    writer.EncodeAppendedDataOff()
    writer.SetCompressorTypeToZLib()
    if not writer.Write():
        raise ResourceError(f"Cannot write {path.name}; free space or choose another folder.")


def write_polydata(
    path: Path,
    points: npt.NDArray[Any],
    *,
    triangles: npt.NDArray[Any] | None = None,
    lines: list[npt.NDArray[Any]] | None = None,
    point_arrays: Arrays | None = None,
    cell_arrays: Arrays | None = None,
    words: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write a VTP file. Cell arrays follow VTK's order: lines first, then triangles; `words` are of the whole file."""
    data = vtkPolyData()
    data.SetPoints(_points(points))
    if lines:
        sizes = [len(line) for line in lines]
        data.SetLines(_cells(np.concatenate(lines), np.concatenate([[0], np.cumsum(sizes)])))
    if triangles is not None:
        data.SetPolys(_cells(triangles.ravel(), np.arange(0, triangles.size + 1, 3)))
    _add_arrays(data.GetPointData(), point_arrays or {})
    _add_arrays(data.GetCellData(), cell_arrays or {})
    for name, values in (words or {}).items():
        array = vtkStringArray()
        array.SetName(name)
        for value in values:
            array.InsertNextValue(value)
        data.GetFieldData().AddArray(array)
    _write_xml(vtkXMLPolyDataWriter(), data, path)


class PolyData:
    """What a VTP file holds, as arrays. Raises InputError where it is none."""

    def __init__(self, path: Path) -> None:
        reader = vtkXMLPolyDataReader()
        reader.SetFileName(str(path))
        reader.Update()
        data = reader.GetOutput()
        if reader.GetErrorCode() or data.GetPoints() is None:
            raise InputError(f"{path} cannot be read as a VTP file; it is missing, cut off or of another type.")
        self.points = vtk_to_numpy(data.GetPoints().GetData()).copy()
        connectivity = vtk_to_numpy(data.GetPolys().GetConnectivityArray())
        self.triangles = connectivity.reshape(-1, 3).astype(np.int32)
        offsets = vtk_to_numpy(data.GetLines().GetOffsetsArray())
        self.lines = np.split(vtk_to_numpy(data.GetLines().GetConnectivityArray()).copy(), offsets[1:-1])
        self.point_arrays = _read_arrays(data.GetPointData())
        self.cell_arrays = _read_arrays(data.GetCellData())
        self.words = _read_words(data.GetFieldData())


def write_voxels(path: Path, points: npt.NDArray[Any], voxels: npt.NDArray[Any], point_arrays: Arrays) -> None:
    """Write a VTU file of VTK_VOXEL cells, voxels (m, 8)."""
    grid = vtkUnstructuredGrid()
    grid.SetPoints(_points(points))
    grid.SetCells(VTK_VOXEL, _cells(voxels.ravel(), np.arange(0, voxels.size + 1, 8)))
    _add_arrays(grid.GetPointData(), point_arrays)
    _write_xml(vtkXMLUnstructuredGridWriter(), grid, path)


def write_tetrahedra(
    path: Path, points: npt.NDArray[Any], tetrahedra: npt.NDArray[Any], point_arrays: Arrays, cell_arrays: Arrays
) -> None:
    """Write a VTU file of tetrahedra (m, 4)."""
    grid = vtkUnstructuredGrid()
    grid.SetPoints(_points(points))
    grid.SetCells(VTK_TETRA, _cells(tetrahedra.ravel(), np.arange(0, tetrahedra.size + 1, 4)))
    _add_arrays(grid.GetPointData(), point_arrays)
    _add_arrays(grid.GetCellData(), cell_arrays)
    _write_xml(vtkXMLUnstructuredGridWriter(), grid, path)


def read_voxels(path: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any], dict[str, npt.NDArray[Any]]]:
    """Points, voxels (m, 8) and point arrays of a file written by write_voxels."""
    reader = vtkXMLUnstructuredGridReader()
    reader.SetFileName(str(path))
    reader.Update()
    grid = reader.GetOutput()
    voxels = vtk_to_numpy(grid.GetCells().GetConnectivityArray()).reshape(-1, 8).astype(np.int32)
    return vtk_to_numpy(grid.GetPoints().GetData()).copy(), voxels, _read_arrays(grid.GetPointData())
