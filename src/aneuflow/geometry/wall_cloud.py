"""What a network is told of a lumen's wall: a thinned cloud with its shape and tubes, alike however the vessel is turned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from aneuflow.geometry.parent_vessel import Outside, Tube
from aneuflow.numerics import surface as sf
from aneuflow.numerics.centerline import tangents
from aneuflow.types import WALL_PATCH, Cap, Float32Array, FloatArray, PatchedSurface

# In the order in which the network takes them. outside: of the tubes, in expected radii; beyond: of blind branches too.
FEATURES = (
    *("outside", "beyond", "expected", "thickness", "ball", "curvature_1mm", "curvature_2mm", "curvature_3mm"),
    *("turned_least", "turned_middle", "from_end", "off_axis", "along_axis", "axis_slant"),
)
TUBE_FEATURES = tuple(FEATURES.index(name) for name in ("outside", "beyond", "off_axis", "along_axis", "axis_slant"))
Indices = npt.NDArray[np.int64]
_SPACING_MM, _MOST_POINTS = 0.75, 1000
_NEIGHBORS, _REACHES = 16, (16, 64, 256)
_CURVATURE_MM, _TURN_MM, _LEAST_BALL_MM, _CONE = (1.0, 2.0, 3.0), 2.0, 1.2, 0.85
_GRAPH_NEIGHBORS = 8


@dataclass(frozen=True, eq=False)
class WallCloud:
    """points (n, 3) mm, their normals, and frame (n, 2, 3): unit vectors away from the nearest tube's axis and along it.

    features (n, f): `FEATURES`, without dimensions but for the logarithm of the expected radius in mm. near (3, n, 16): of each
    point 16 others spread evenly over its nearest 16, 64 and 256; chosen (n,): which of the lumen's points these are.
    """

    chosen: Indices
    points: Float32Array
    normals: Float32Array
    frame: Float32Array
    features: Float32Array
    near: Indices


def wall_cloud(lumen: PatchedSurface, caps: tuple[Cap, ...], tubes: tuple[Tube, ...], outside: Outside) -> WallCloud:
    """The cloud of a lumen, whose points lie so far outside its tubes."""
    surface = lumen.surface
    on_wall = np.setdiff1d(surface.triangles[lumen.patch == WALL_PATCH], surface.triangles[lumen.patch != WALL_PATCH])
    chosen = on_wall[_thinned(surface.points[on_wall])]
    points = surface.points[chosen]
    normals = sf.vertex_normals(surface.points, surface.triangles)[chosen]
    expected = outside.tubes.expected_mm[chosen]
    axis = np.concatenate([tube.points_mm for tube in tubes])
    nearest = cKDTree(axis).query(points)[1]
    along = np.concatenate([tangents(tube.points_mm) for tube in tubes])[nearest]
    away = points - axis[nearest]
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
    tree = cKDTree(points)
    thickness, ball = _thickness(points, normals)
    bends = [expected * _curvature(points, normals, tree, radius) for radius in _CURVATURE_MM]
    columns = (
        outside.tubes.value[chosen],
        outside.beyond.value[chosen],
        np.log(expected),
        np.log(thickness / expected),
        np.log(ball / expected),
        *bends,
        *_turning(normals, tree),
        np.log1p(_from_ends(points, tree, caps) / expected),
        (normals * away).sum(axis=1),
        np.abs((normals * along).sum(axis=1)),
        np.abs((away * along).sum(axis=1)),
    )
    near = np.stack([_spread_neighbors(tree, reach) for reach in _REACHES])
    return WallCloud(
        chosen=chosen,
        points=points.astype(np.float32),
        normals=normals.astype(np.float32),
        frame=np.stack([away, along], axis=1).astype(np.float32),
        features=np.clip(np.stack(columns, axis=1), -8, 8).astype(np.float32),
        near=near,
    )


def _thinned(points: FloatArray) -> Indices:
    """Indices of points (n, 3) at least the spacing from each other, the farthest from all before first; at most so many."""
    distance = np.linalg.norm(points - points.mean(axis=0), axis=1)
    picked = [int(distance.argmax())]
    distance = np.full(len(points), np.inf)
    while len(picked) < _MOST_POINTS:
        np.minimum(distance, ((points - points[picked[-1]]) ** 2).sum(axis=1), out=distance)
        farthest = int(distance.argmax())
        if distance[farthest] < _SPACING_MM**2:
            break
        picked.append(farthest)
    return np.array(picked, dtype=np.int64)


def _thickness(points: FloatArray, normals: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How far it is to the wall across (n,), within a cone about the inward normal, and the radius (n,) of the largest ball
    inside the lumen that touches the wall at the point, mm."""
    across, ball = np.empty(len(points)), np.empty(len(points))
    widest = float(np.linalg.norm(np.ptp(points, axis=0)))
    for k, (point, normal) in enumerate(zip(points, normals, strict=True)):
        step = points - point
        square = (step**2).sum(axis=1)
        inward = -step @ normal
        facing = (inward > _CONE * np.sqrt(square)) & (normals @ normal < 0)
        across[k] = np.sqrt(square[facing].min()) if facing.any() else widest
        apart = (square > _LEAST_BALL_MM**2) & (inward > 1e-3)
        ball[k] = (square[apart] / (2 * inward[apart])).min() if apart.any() else widest
    return np.maximum(across, 0.1), np.clip(ball, 0.1, widest)


def _curvature(points: FloatArray, normals: FloatArray, tree: cKDTree, radius: float) -> FloatArray:
    """Mean curvature (n,) in 1/mm from how the normals turn on the way to neighbors, positive on a dome."""
    pairs = tree.query_pairs(radius, output_type="ndarray")
    away, turn = (values[pairs[:, 1]] - values[pairs[:, 0]] for values in (points, normals))
    rise, square = (away * turn).sum(axis=1), (away**2).sum(axis=1)
    both = pairs.T.ravel()
    total = [np.bincount(both, np.tile(part, 2), len(points)) for part in (rise, square)]
    return np.asarray(total[0] / np.maximum(total[1], 1e-9))


def _turning(normals: FloatArray, tree: cKDTree) -> tuple[FloatArray, FloatArray]:
    """The two smaller principal values (n,) of the normals around: none on a plane, one on a tube, both on a dome."""
    pairs = tree.query_pairs(_TURN_MM, output_type="ndarray")
    n = len(normals)
    own = np.arange(n)
    rows, columns = np.concatenate([pairs[:, 0], pairs[:, 1], own]), np.concatenate([pairs[:, 1], pairs[:, 0], own])
    around = sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(n, n)).tocsr()
    squares = (normals[:, :, None] * normals[:, None, :]).reshape(n, 9)
    mean = (around @ squares) / np.asarray(around.sum(axis=1))
    values = np.linalg.eigvalsh(mean.reshape(n, 3, 3))
    return values[:, 0], values[:, 1]


def _from_ends(points: FloatArray, tree: cKDTree, caps: tuple[Cap, ...]) -> FloatArray:
    """Distance (n,) along the wall from the nearest end, from neighbor to neighbor, mm; straight where no way leads."""
    count = min(_GRAPH_NEIGHBORS + 1, len(points))
    distance, index = tree.query(points, k=count)
    rows = np.repeat(np.arange(len(points)), count)
    graph = sparse.coo_matrix((distance.ravel(), (rows, index.ravel())), shape=(len(points),) * 2).tocsr()
    straight = np.min([np.linalg.norm(points - cap.center_mm, axis=1) - cap.radius_mm for cap in caps], axis=0)
    at_end = np.flatnonzero(straight < 2 * _SPACING_MM)
    if not len(at_end):
        return np.maximum(straight, 0.0)
    reached = csgraph.dijkstra(graph, directed=False, indices=at_end, min_only=True)
    return np.where(np.isfinite(reached), reached, np.maximum(straight, 0.0))


def _spread_neighbors(tree: cKDTree, reach: int) -> Indices:
    """(n, 16): of each point some of its nearest, evenly over the `reach` nearest, itself the first."""
    reach = min(reach, tree.n)
    nearest = tree.query(tree.data, k=reach)[1].reshape(tree.n, reach)
    return np.asarray(nearest[:, np.round(np.linspace(0, reach - 1, _NEIGHBORS)).astype(int)], dtype=np.int64)
