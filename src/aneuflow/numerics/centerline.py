"""Centerlines through a closed lumen, and what one asks of such a line: length, tangents, frames, curvature."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import vtk
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree
from vmtk import vtkvmtk
from vtk.util import numpy_support

FloatArray = npt.NDArray[np.float64]
Line = tuple[FloatArray, FloatArray]

# Beyond this size the Delaunay tessellation takes most of the time and adds nothing to a line resampled at 0.1 mm.
_ENOUGH_POINTS = 6_000


class CenterlineError(ValueError):
    """No path through the lumen joins the two places."""


def centerlines(
    points: FloatArray,
    triangles: npt.NDArray[Any],
    starts: FloatArray,
    ends: FloatArray,
    resampling_mm: float = 0.1,
) -> list[Line]:
    """Lines from each start to each end that stay farthest from the wall, with the largest inscribed sphere's radius.

    points (n, 3) mm and triangles (m, 3) bound the lumen (closed, normals outward); starts (k, 3) and ends (j, 3) are
    places on it, mm (the middles of caps). Gives k * j pairs (points (p, 3), radius (p,)), mm, start by start.
    Paths on the Voronoi diagram that minimize the integral of 1/radius (Antiga 2003; Piccinelli 2009); where VMTK finds
    none, the same minimum on a voxel grid. Raises CenterlineError where the lumen does not join start and end.
    """
    starts, ends = np.atleast_2d(starts), np.atleast_2d(ends)
    surface = _simplified(points, triangles, np.concatenate([starts, ends]))
    tessellation: Any = None
    grid: _Grid | None = None
    lines: list[Line] = []
    for start in starts:
        found, tessellation = _voronoi_lines(surface, start, ends, tessellation)
        failed = [k for k, end in enumerate(ends) if (line := found[k]) is None or not _is_sound(line, start, end)]
        if failed:
            grid = grid or _grid(points, triangles)
            for k, line in zip(failed, _grid_lines(grid, start, ends[failed]), strict=True):
                found[k] = line
        lines += [resample(*_joined_to(line, start, end), resampling_mm) for line, end in zip(found, ends, strict=True) if line]
    return lines


def _polydata(points: FloatArray, triangles: npt.NDArray[Any]) -> Any:
    surface, places, cells = vtk.vtkPolyData(), vtk.vtkPoints(), vtk.vtkCellArray()
    places.SetData(numpy_support.numpy_to_vtk(np.ascontiguousarray(points, dtype=float), deep=True))
    ids = np.ascontiguousarray(triangles, dtype=np.int64).ravel()
    cells.SetData(3, numpy_support.numpy_to_vtkIdTypeArray(ids, deep=True))
    surface.SetPoints(places)
    surface.SetPolys(cells)
    return surface


def _simplified(points: FloatArray, triangles: npt.NDArray[Any], places: FloatArray) -> Any:
    """The surface with at most about `_ENOUGH_POINTS` points, among them one at each of the places."""
    surface = _polydata(points, triangles)
    if len(points) <= _ENOUGH_POINTS:
        return surface
    decimate = vtk.vtkQuadricDecimation()
    decimate.SetInputData(surface)
    decimate.SetTargetReduction(1 - _ENOUGH_POINTS / len(points))
    decimate.Update()
    coarse = numpy_support.vtk_to_numpy(decimate.GetOutput().GetPoints().GetData()).astype(float)
    faces = numpy_support.vtk_to_numpy(decimate.GetOutput().GetPolys().GetConnectivityArray()).reshape(-1, 3)
    for place in places:
        coarse, faces = _with_point(coarse, faces, place)
    return _polydata(coarse, faces)


def _with_point(points: FloatArray, triangles: npt.NDArray[Any], place: FloatArray) -> tuple[FloatArray, npt.NDArray[Any]]:
    """The surface with the triangle at `place` split there: decimation leaves no point inside a flat cap."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    double = np.maximum(np.linalg.norm(normal, axis=1), 1e-300)
    sides = [np.einsum("ij,ij->i", np.cross(q - p, place - p), normal) / double**2 for p, q in ((a, b), (b, c), (c, a))]
    share = np.min(sides, axis=0)
    height = np.abs(np.einsum("ij,ij->i", place - a, normal)) / double
    hit = int(np.argmin(np.where(share > 0.01, height, np.inf)))
    if share[hit] <= 0.01 or height[hit] > np.sqrt(double[hit]):
        return points, triangles
    i, j, k = triangles[hit]
    n = len(points)
    fresh = np.array([[i, j, n], [j, k, n], [k, i, n]])
    return np.concatenate([points, place[None]]), np.concatenate([np.delete(triangles, hit, axis=0), fresh])


def _voronoi_lines(surface: Any, start: FloatArray, ends: FloatArray, tessellation: Any) -> tuple[list[Line | None], Any]:
    tree = cKDTree(numpy_support.vtk_to_numpy(surface.GetPoints().GetData()))
    sources, targets = vtk.vtkIdList(), vtk.vtkIdList()
    sources.InsertNextId(int(tree.query(start)[1]))
    for end in ends:
        targets.InsertNextId(int(tree.query(end)[1]))
    # VTK and VMTK write complaints about single degenerate cells to stderr; the result is checked afterward instead.
    shown = vtk.vtkObject.GetGlobalWarningDisplay()
    vtk.vtkObject.GlobalWarningDisplayOff()
    try:
        search = _voronoi_search(surface, sources, targets, tessellation)
        search.Update()
    finally:
        vtk.vtkObject.SetGlobalWarningDisplay(shown)
    return _read_lines(search.GetOutput(), start, ends), search


def _voronoi_search(surface: Any, sources: Any, targets: Any, earlier: Any) -> Any:
    search = vtkvmtk.vtkvmtkPolyDataCenterlines()
    search.SetInputData(surface)
    search.SetSourceSeedIds(sources)
    search.SetTargetSeedIds(targets)
    search.SetRadiusArrayName("radius")
    search.SetCostFunction("1/R")
    search.SetFlipNormals(0)
    search.SetAppendEndPointsToCenterlines(1)
    search.SetSimplifyVoronoi(0)
    search.SetCenterlineResampling(0)
    if earlier is not None:
        search.SetGenerateDelaunayTessellation(0)
        search.SetDelaunayTessellation(earlier.GetDelaunayTessellation())
        search.SetGenerateVoronoiDiagram(0)
        search.SetVoronoiDiagram(earlier.GetVoronoiDiagram())
        search.SetPoleIds(earlier.GetPoleIds())
    return search


def _read_lines(output: Any, start: FloatArray, ends: FloatArray) -> list[Line | None]:
    found: list[Line | None] = [None] * len(ends)
    if not output.GetNumberOfPoints() or output.GetPointData().GetArray("radius") is None:
        return found
    points = numpy_support.vtk_to_numpy(output.GetPoints().GetData()).astype(float)
    radius = numpy_support.vtk_to_numpy(output.GetPointData().GetArray("radius")).astype(float)
    for number in range(output.GetNumberOfCells()):
        cell = output.GetCell(number)
        ids = [cell.GetPointId(k) for k in range(cell.GetNumberOfPoints())]
        if len(ids) < 2:
            continue
        if np.linalg.norm(points[ids[0]] - start) > np.linalg.norm(points[ids[-1]] - start):
            ids.reverse()
        closest = int(np.argmin(np.linalg.norm(ends - points[ids[-1]], axis=1)))
        found[closest] = (points[ids], radius[ids])
    return found


def _is_sound(line: Line, start: FloatArray, end: FloatArray) -> bool:
    points, radius = line
    finite = bool(np.isfinite(points).all() and np.isfinite(radius).all() and (radius > 0).all())
    if not finite or len(points) < 3:
        return False
    reach = float(np.median(radius))
    gaps = np.linalg.norm(points[[0, -1]] - np.stack([start, end]), axis=1)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return bool(gaps.max() < reach and steps.max() < 4 * float(radius.max()))


def _joined_to(line: Line, start: FloatArray, end: FloatArray) -> Line:
    """The line led to the very start and end, which VMTK leaves out where a seed lies on the rim of a cap."""
    points, radius = line
    for place, side in ((start, 0), (end, -1)):
        if np.linalg.norm(points[side] - place) > 1e-6:
            at = 0 if side == 0 else len(points)
            points, radius = np.insert(points, at, place, axis=0), np.insert(radius, at, radius[side])
    return points, radius


@dataclass(frozen=True, eq=False)
class _Grid:
    """Middles (n, 3) mm of the voxels in the lumen, the graph of their neighbors by cost, the wall."""

    places: FloatArray
    graph: Any
    wall: cKDTree
    step: float


def grid_line(points: FloatArray, triangles: npt.NDArray[Any], start: FloatArray, end: FloatArray) -> Line:
    """The line that minimizes the integral of 1/radius on a voxel grid of the lumen; slower and rougher, never empty.

    Arrays as in `centerlines`. Raises CenterlineError where no voxels of the lumen join the two places.
    """
    return _grid_lines(_grid(points, triangles), start, end[None])[0]


def _grid(points: FloatArray, triangles: npt.NDArray[Any]) -> _Grid:
    extent, volume = np.ptp(points, axis=0), abs(_volume(points, triangles))
    # So many voxels of the lumen and of its box bound time and memory; the path is smoothed afterward.
    step = max(0.15, float(np.cbrt(volume / 2e5)), float(np.cbrt(np.prod(extent + 0.5) / 4e7)))
    low = points.min(axis=0) - 1.5 * step
    shape = np.ceil((extent + 3 * step) / step).astype(int) + 1
    cells = np.argwhere(inside_grid(points, triangles, low, step, shape))
    wall = cKDTree(points[triangles].mean(axis=1))
    places = low + cells * step
    depth = np.maximum(wall.query(places)[0], 0.3 * step)
    graph = voxel_neighbors(cells, shape, step).tocoo()
    cost = graph.data * 0.5 * (depth[graph.row] ** -2 + depth[graph.col] ** -2)
    return _Grid(places, sparse.coo_matrix((cost, (graph.row, graph.col)), shape=graph.shape).tocsr(), wall, step)


def _volume(points: FloatArray, triangles: npt.NDArray[Any]) -> float:
    a, b, c = (points[triangles[:, k]] - points[0] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def _grid_lines(grid: _Grid, start: FloatArray, ends: FloatArray) -> list[Line]:
    lattice = cKDTree(grid.places)
    first, last = int(lattice.query(start)[1]), lattice.query(ends)[1]
    cost, before = csgraph.dijkstra(grid.graph, indices=first, return_predecessors=True)
    lines = []
    for end, voxel in zip(ends, np.atleast_1d(last).tolist(), strict=True):
        if not np.isfinite(cost[voxel]):
            raise CenterlineError(f"no path through the lumen from {np.round(start, 1)} to {np.round(end, 1)} mm")
        path = [voxel]
        while path[-1] != first:
            path.append(int(before[path[-1]]))
        line = np.concatenate([start[None], grid.places[path[::-1]], end[None]])
        for _ in range(10):
            line[1:-1] = 0.5 * line[1:-1] + 0.25 * (line[:-2] + line[2:])
        radius = grid.wall.query(line)[0]
        radius[[0, -1]] = radius[[1, -2]]
        lines.append((line, np.maximum(radius, 0.3 * grid.step)))
    return lines


def voxel_neighbors(cells: Any, shape: Any, spacing: float) -> Any:
    """The 26-neighbor graph, sparse (n, n), of the voxels (n, 3), in the order of np.argwhere on a grid of `shape`.

    Its values are the lengths of the steps, mm.
    """
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    key = cells @ strides
    half = [step for step in itertools.product((-1, 0, 1), repeat=3) if step > (0, 0, 0)]
    rows, columns, lengths = [], [], []
    for step in half:
        place = np.minimum(np.searchsorted(key, key + np.array(step) @ strides), len(key) - 1)
        found = np.flatnonzero(key[place] == key + np.array(step) @ strides)
        rows.append(found)
        columns.append(place[found])
        lengths.append(np.full(len(found), spacing * float(np.linalg.norm(step))))
    row, column, length = np.concatenate(rows), np.concatenate(columns), np.concatenate(lengths)
    graph = sparse.coo_matrix((length, (row, column)), shape=(len(cells), len(cells))).tocsr()
    return graph + graph.T


def inside_by_vote(
    points: FloatArray, triangles: npt.NDArray[Any], low: FloatArray, step: float | FloatArray, shape: Any
) -> npt.NDArray[np.bool_]:
    """`inside_grid` for surfaces with missing or doubled triangles: two of three scan directions must agree."""
    steps = np.broadcast_to(step, 3)
    votes = np.zeros(tuple(shape), dtype=np.uint8)
    for axis in range(3):
        turn = np.roll(np.arange(3), -axis)
        found = inside_grid(points[:, turn], triangles, low[turn], steps[turn], np.asarray(shape)[turn])
        votes += found.transpose(np.argsort(turn))
    return votes >= 2


def inside_grid(points: FloatArray, triangles: npt.NDArray[Any], low: FloatArray, step: float | FloatArray, shape: Any) -> Any:
    """Whether the middles low + step * (i, j, k) of a grid of `shape` lie inside a closed surface (mm), bool of that shape."""
    stencil = vtk.vtkPolyDataToImageStencil()
    stencil.SetInputData(_polydata(points, triangles))
    stencil.SetOutputOrigin(*low)
    stencil.SetOutputSpacing(*np.broadcast_to(step, 3))
    stencil.SetOutputWholeExtent(0, int(shape[0]) - 1, 0, int(shape[1]) - 1, 0, int(shape[2]) - 1)
    image = vtk.vtkImageStencilToImage()
    image.SetInputConnection(stencil.GetOutputPort())
    image.SetInsideValue(1)
    image.SetOutsideValue(0)
    image.SetOutputScalarTypeToUnsignedChar()
    image.Update()
    values = numpy_support.vtk_to_numpy(image.GetOutput().GetPointData().GetScalars())
    return values.reshape(tuple(shape), order="F").astype(bool)


def arc_length(line: FloatArray) -> FloatArray:
    """Distance along the line (n, 3) from its first point, (n,), mm."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])


def resample(line: FloatArray, radius: FloatArray, step: float) -> Line:
    """The line (n, 3) and its radius (n,) at equal steps of about `step` mm, both ends kept, at least 3 points."""
    length = arc_length(line)
    fresh = np.linspace(0, length[-1], max(3, round(length[-1] / step) + 1))
    points = np.stack([np.interp(fresh, length, line[:, k]) for k in range(3)], axis=1)
    return points, np.interp(fresh, length, radius)


def smooth_line(line: FloatArray, width: float) -> FloatArray:
    """The line (n, 3) after a Gaussian of standard deviation `width` mm along its length; both ends kept."""
    length = arc_length(line)
    # Reflecting the line about its ends keeps them in place without pulling the neighborhood toward the middle.
    place = np.concatenate([length, -length[1:], 2 * length[-1] - length[:-1]])
    echoed = np.concatenate([line, 2 * line[0] - line[1:], 2 * line[-1] - line[:-1]])
    weight = np.exp(-0.5 * ((length[:, None] - place) / max(width, 1e-9)) ** 2)
    smooth = np.asarray(weight @ echoed / weight.sum(axis=1, keepdims=True))
    smooth[[0, -1]] = line[[0, -1]]
    return smooth


def tangents(line: FloatArray) -> FloatArray:
    """Unit tangents of the line (n, 3), from its first to its last point."""
    direction = np.gradient(line, np.maximum.accumulate(arc_length(line) + 1e-12 * np.arange(len(line))), axis=0)
    return np.asarray(direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-300))


def curvature(line: FloatArray) -> FloatArray:
    """Curvature of the line (n, 3), (n,), 1/mm, by central differences: smooth the line first."""
    length = arc_length(line)
    change = np.gradient(tangents(line), length, axis=0)
    return np.asarray(np.linalg.norm(change, axis=1))


def parallel_frames(line: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Tangent and two normals, each (n, 3), that turn about the line as little as possible (Wang 2008, double reflection)."""
    tangent = tangents(line)
    normal = np.empty_like(tangent)
    first = np.cross(tangent[0], np.eye(3)[np.argmin(np.abs(tangent[0]))])
    normal[0] = first / np.linalg.norm(first)
    for k in range(len(line) - 1):
        step = line[k + 1] - line[k]
        square = max(float(step @ step), 1e-300)
        reflected_normal = normal[k] - 2 / square * (step @ normal[k]) * step
        reflected_tangent = tangent[k] - 2 / square * (step @ tangent[k]) * step
        second = tangent[k + 1] - reflected_tangent
        scale = float(second @ second)
        turned = reflected_normal - (2 / scale * (second @ reflected_normal) * second if scale > 1e-20 else 0)
        turned -= (turned @ tangent[k + 1]) * tangent[k + 1]
        normal[k + 1] = turned / np.linalg.norm(turned)
    return tangent, normal, np.cross(tangent, normal)
