"""Triangle surfaces as arrays: measures, topology, distances along the surface, cuts, smoothing, refinement.

Everywhere points are (n, 3) float64 in mm and triangles (m, 3) integer, counter-clockwise seen from outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import ConvexHull, Delaunay

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def face_vectors(points: FloatArray, triangles: npt.NDArray[Any]) -> FloatArray:
    """Normals of the triangles, (m, 3), as long as the triangles' areas (mm2)."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return np.asarray(0.5 * np.cross(b - a, c - a))


def face_areas(points: FloatArray, triangles: npt.NDArray[Any]) -> FloatArray:
    """Areas of the triangles, (m,), mm2."""
    return np.asarray(np.linalg.norm(face_vectors(points, triangles), axis=1))


def face_normals(points: FloatArray, triangles: npt.NDArray[Any]) -> FloatArray:
    """Unit normals of the triangles, (m, 3); zero where a triangle has no area."""
    vectors = face_vectors(points, triangles)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300))


def vertex_normals(points: FloatArray, triangles: npt.NDArray[Any]) -> FloatArray:
    """Unit normals at the points, (n, 3): area-weighted mean of the triangles around; zero at unused points."""
    normals = sum_to_vertices(len(points), triangles, face_vectors(points, triangles))
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300))


def vertex_areas(points: FloatArray, triangles: npt.NDArray[Any]) -> FloatArray:
    """A third of the area of the triangles around each point, (n,), mm2; sums to the surface's area."""
    return sum_to_vertices(len(points), triangles, face_areas(points, triangles)[:, None] / 3)[:, 0]


def sum_to_vertices(n_points: int, triangles: npt.NDArray[Any], values: FloatArray) -> FloatArray:
    """Sum of the triangles' values (m, d) at each of their corners, (n, d)."""
    corner = np.asarray(triangles).ravel()
    repeated = np.repeat(values, 3, axis=0)
    return np.stack([np.bincount(corner, repeated[:, k], minlength=n_points) for k in range(values.shape[1])], axis=1)


def area(points: FloatArray, triangles: npt.NDArray[Any]) -> float:
    """Area of the surface, mm2."""
    return float(face_areas(points, triangles).sum())


def signed_volume(points: FloatArray, triangles: npt.NDArray[Any]) -> float:
    """Volume inside a closed surface, mm3; negative where its normals point inward."""
    centered = points - points.mean(axis=0)
    a, b, c = (centered[triangles[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def hull_volume_area(points: FloatArray) -> tuple[float, float]:
    """Volume (mm3) and area (mm2) of the convex hull."""
    hull = ConvexHull(points)
    return float(hull.volume), float(hull.area)


def directed_edges(triangles: npt.NDArray[Any]) -> LongArray:
    """The three directed edges of each triangle, (3 m, 2), triangle by triangle."""
    return np.asarray(triangles, dtype=np.int64)[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)


def edges(triangles: npt.NDArray[Any]) -> tuple[LongArray, LongArray]:
    """Undirected edges (k, 2), lower index first, and how many triangles share each (k,)."""
    directed = directed_edges(triangles)
    span = int(directed.max(initial=0)) + 1
    # One sort of one number an edge: ten times as fast as unique rows.
    key = np.sort(directed.min(axis=1) * span + directed.max(axis=1))
    first = np.flatnonzero(np.diff(key, prepend=-1))
    return np.stack([key[first] // span, key[first] % span], axis=1), np.diff(first, append=len(key))


def edge_lengths(points: FloatArray, triangles: npt.NDArray[Any]) -> FloatArray:
    """Length of each undirected edge, (k,), mm, in the order of `edges`."""
    pairs, _ = edges(triangles)
    return np.asarray(np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1))


def nonmanifold_edges(triangles: npt.NDArray[Any]) -> LongArray:
    """Edges shared by more than two triangles, (k, 2)."""
    pairs, count = edges(triangles)
    return pairs[count > 2]


def is_closed(triangles: npt.NDArray[Any]) -> bool:
    """Whether each directed edge has exactly one opposite: watertight, manifold at edges, consistently oriented."""
    directed = directed_edges(triangles)
    span = int(directed.max(initial=0)) + 1
    forward, backward = directed[:, 0] * span + directed[:, 1], directed[:, 1] * span + directed[:, 0]
    forward = np.sort(forward)
    return bool((np.diff(forward) > 0).all() and np.array_equal(forward, np.sort(backward)))


def boundary_loops(triangles: npt.NDArray[Any]) -> list[LongArray]:
    """The openings: for each the ring of points in the order of the unpaired directed edges, longest ring first.

    Where a point is passed twice (two openings touching), the walk closes at the first return, so each ring is simple.
    """
    directed = directed_edges(triangles)
    span = int(directed.max(initial=0)) + 1
    forward, backward = directed[:, 0] * span + directed[:, 1], directed[:, 1] * span + directed[:, 0]
    unpaired = directed[~_is_among(forward, backward)]
    following: dict[int, list[int]] = {}
    for start, end in unpaired.tolist():
        following.setdefault(start, []).append(end)
    loops: list[LongArray] = []
    while following:
        path, place = [next(iter(following))], {next(iter(following)): 0}
        while path and path[-1] in following:
            ends = following[path[-1]]
            step = ends.pop()
            if not ends:
                del following[path[-1]]
            if step in place:
                ring = path[place[step] :]
                loops.append(np.array(ring, dtype=np.int64))
                for point in ring[1:]:
                    del place[point]
                del path[place[step] + 1 :]
            else:
                place[step] = len(path)
                path.append(step)
    return sorted((loop for loop in loops if len(loop) > 2), key=len, reverse=True)


def _is_among(keys: LongArray, others: LongArray) -> BoolArray:
    """Whether each of the keys is one of the others; sorted queries are far faster than hashed ones."""
    order, others = np.argsort(keys), np.sort(others)
    ordered = keys[order]
    place = np.minimum(np.searchsorted(others, ordered), len(others) - 1)
    found = np.empty(len(keys), dtype=bool)
    found[order] = others[place] == ordered
    return found


def vertex_components(n_points: int, triangles: npt.NDArray[Any]) -> IntArray:
    """Number of the connected component of each point, (n,)."""
    _, label = csgraph.connected_components(_adjacency(n_points, triangles), directed=False)
    return np.asarray(label, dtype=np.int32)


def face_adjacency(triangles: npt.NDArray[Any]) -> LongArray:
    """Pairs of triangles that share an edge, (k, 2)."""
    directed = directed_edges(triangles)
    key = directed.min(axis=1) * (int(directed.max(initial=0)) + 1) + directed.max(axis=1)
    order = np.argsort(key, kind="stable")
    same = key[order[1:]] == key[order[:-1]]
    return np.stack([order[:-1][same] // 3, order[1:][same] // 3], axis=1)


def face_components(triangles: npt.NDArray[Any], chosen: BoolArray | None = None) -> IntArray:
    """Component of each triangle by shared edges, (m,); with `chosen` (m,) only among those, -1 elsewhere."""
    count = len(triangles)
    pairs = face_adjacency(triangles)
    if chosen is not None:
        pairs = pairs[chosen[pairs].all(axis=1)]
    graph = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    label = np.asarray(csgraph.connected_components(graph, directed=False)[1], dtype=np.int32)
    if chosen is None:
        return label
    result = np.full(count, -1, dtype=np.int32)
    result[chosen] = np.unique(label[chosen], return_inverse=True)[1]
    return result


def edge_graph(points: FloatArray, triangles: npt.NDArray[Any]) -> Any:
    """Symmetric sparse matrix (n, n) of edge lengths in mm."""
    pairs, _ = edges(triangles)
    length = np.maximum(np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1), 1e-9)
    n = len(points)
    graph = sparse.coo_matrix((length, (pairs[:, 0], pairs[:, 1])), shape=(n, n)).tocsr()
    return graph + graph.T


def geodesic_distance(
    points: FloatArray, triangles: npt.NDArray[Any], sources: npt.NDArray[Any], limit: float = np.inf
) -> FloatArray:
    """Distance along the edges from the nearest of the source points, (n,), mm; inf where none is reached.

    Up to a sixth too long against the smooth surface, because paths follow edges.
    """
    graph = edge_graph(points, triangles)
    return np.asarray(csgraph.dijkstra(graph, directed=False, indices=np.atleast_1d(sources), min_only=True, limit=limit))


def compact(points: FloatArray, triangles: npt.NDArray[Any]) -> tuple[FloatArray, IntArray, LongArray]:
    """The surface without unused points, and the former index of each kept point."""
    kept, inverse = np.unique(triangles, return_inverse=True)
    return points[kept], inverse.reshape(-1, 3).astype(np.int32), kept.astype(np.int64)


def merge_points(points: FloatArray, triangles: npt.NDArray[Any]) -> tuple[FloatArray, IntArray]:
    """The surface with points made one that agree within a millionth of its size; triangles are kept as they are."""
    grain = max(1e-6 * float(np.ptp(points, axis=0).max()), 1e-12)
    _, first, inverse = np.unique(np.round(points / grain), axis=0, return_index=True, return_inverse=True)
    return points[first], inverse.ravel().astype(np.int32)[triangles]


@dataclass(frozen=True, eq=False)
class SplitSurface:
    """A surface whose edges follow the zero line of a field.

    below (m,): whether a triangle lies on the negative side; face (m,): the former triangle; parents (n, 2) and weight (n,):
    each point is (1 - weight) former point parents[:, 0] + weight parents[:, 1].
    """

    points: FloatArray
    triangles: IntArray
    below: BoolArray
    face: LongArray
    parents: LongArray
    weight: FloatArray


def split_by_field(points: FloatArray, triangles: npt.NDArray[Any], field: FloatArray, snap: float = 0.15) -> SplitSurface:
    """Cut the triangles along the zero line of the field (n,), so that the line runs along edges and nothing is lost.

    A point nearer to the crossing than `snap` of its edge is moved into it, which avoids needle triangles.
    """
    points, field = points.copy(), np.asarray(field, dtype=float).copy()
    pairs, _ = edges(triangles)
    value = field[pairs]
    crossing = np.flatnonzero((value[:, 0] * value[:, 1]) < 0)
    weight = value[crossing, 0] / (value[crossing, 0] - value[crossing, 1])
    parents, shift = np.stack([np.arange(len(points))] * 2, axis=1), np.zeros(len(points))
    for k in np.argsort(np.minimum(weight, 1 - weight)):
        near, far = (pairs[crossing[k]]) if weight[k] < 0.5 else pairs[crossing[k]][::-1]
        t = min(weight[k], 1 - weight[k])
        if t >= snap:
            break
        if field[near] != 0 and field[far] != 0:
            points[near] += t * (points[far] - points[near])
            parents[near, 1], shift[near], field[near] = far, t, 0.0
    value = field[pairs]
    cut = np.flatnonzero((value[:, 0] * value[:, 1]) < 0)
    weight = value[cut, 0] / (value[cut, 0] - value[cut, 1])
    a, b = pairs[cut, 0], pairs[cut, 1]
    fresh = points[a] + weight[:, None] * (points[b] - points[a])
    middle = {(int(i), int(j)): len(points) + k for k, (i, j) in enumerate(zip(a, b, strict=True))}
    split, face, below = _split_triangles(np.asarray(triangles, dtype=np.int64), field, middle)
    return SplitSurface(
        points=np.concatenate([points, fresh]),
        triangles=split.astype(np.int32),
        below=below,
        face=face,
        parents=np.concatenate([parents, pairs[cut]]),
        weight=np.concatenate([shift, weight]),
    )


def _split_triangles(
    triangles: LongArray, field: FloatArray, middle: dict[tuple[int, int], int]
) -> tuple[LongArray, LongArray, BoolArray]:
    sign = np.sign(field)[triangles]
    whole = (sign.min(axis=1) >= 0) | (sign.max(axis=1) <= 0)
    pieces, origin, below = [], [], []
    for index in np.flatnonzero(~whole).tolist():
        ring: list[tuple[int, float]] = []
        corner = triangles[index].tolist()
        for k in range(3):
            i, j = corner[k], corner[(k + 1) % 3]
            ring.append((i, field[i]))
            if field[i] * field[j] < 0:
                ring.append((middle[(min(i, j), max(i, j))], 0.0))
        for side in (-1.0, 1.0):
            polygon = [point for point, value in ring if value * side >= 0]
            for k in range(1, len(polygon) - 1):
                pieces.append([polygon[0], polygon[k], polygon[k + 1]])
                origin.append(index)
                below.append(side < 0)
    kept = np.flatnonzero(whole)
    kept_below = sign[kept].min(axis=1) < 0
    if not pieces:
        return triangles[kept], kept, kept_below
    return (
        np.concatenate([triangles[kept], np.array(pieces, dtype=np.int64)]),
        np.concatenate([kept, np.array(origin, dtype=np.int64)]),
        np.concatenate([kept_below, np.array(below, dtype=bool)]),
    )


def plane_section(points: FloatArray, triangles: npt.NDArray[Any], origin: FloatArray, normal: FloatArray) -> list[FloatArray]:
    """The closed curves in which a plane cuts the surface, each (k, 3), ordered; open pieces are left out."""
    return level_curves(points, triangles, (points - origin) @ (normal / np.linalg.norm(normal)))


def level_curves(points: FloatArray, triangles: npt.NDArray[Any], field: FloatArray) -> list[FloatArray]:
    """The closed curves on which the field (n,) is zero, each (k, 3), ordered; open pieces are left out."""
    # Points exactly in the plane are pushed off it by a hair, so that each cut triangle has exactly two cut edges.
    field = np.where(field == 0, 1e-9, field)
    directed = directed_edges(triangles)
    crossing = (field[directed[:, 0]] * field[directed[:, 1]] < 0).reshape(-1, 3)
    cut = np.flatnonzero(crossing.any(axis=1))
    if not len(cut):
        return []
    pairs = np.sort(directed.reshape(-1, 3, 2)[cut][crossing[cut]], axis=1)
    unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
    value = field[unique]
    weight = value[:, 0] / (value[:, 0] - value[:, 1])
    place = points[unique[:, 0]] + weight[:, None] * (points[unique[:, 1]] - points[unique[:, 0]])
    return [place[ring] for ring in _closed_rings(len(unique), inverse.reshape(-1, 2))]


def _closed_rings(count: int, links: npt.NDArray[Any]) -> list[LongArray]:
    neighbors: list[list[int]] = [[] for _ in range(count)]
    for i, j in links.tolist():
        neighbors[i].append(j)
        neighbors[j].append(i)
    seen, rings = np.zeros(count, dtype=bool), []
    for start in range(count):
        if seen[start]:
            continue
        ring, here = [start], start
        seen[start] = True
        while True:
            onward = next((k for k in neighbors[here] if not seen[k]), None)
            if onward is None:
                break
            seen[onward] = True
            ring.append(onward)
            here = onward
        if len(ring) > 2 and start in neighbors[here]:
            rings.append(np.array(ring, dtype=np.int64))
    return rings


def polygon_area_vector(ring: FloatArray) -> FloatArray:
    """Area vector (3,) of a closed curve (k, 3): its length is the area (mm2), right-handed about the curve's direction."""
    centered = ring - ring.mean(axis=0)
    return np.asarray(0.5 * np.cross(centered, np.roll(centered, -1, axis=0)).sum(axis=0))


def curve_middle(ring: FloatArray) -> FloatArray:
    """Centroid of a closed curve (k, 3), (3,): the mean over its length, however its points are spaced."""
    following = np.roll(ring, -1, axis=0)
    length = np.linalg.norm(following - ring, axis=1)
    total = float(length.sum())
    return np.asarray(length @ (ring + following) / (2 * total)) if total > 0 else np.asarray(ring.mean(axis=0))


def polygon_centroid(ring: FloatArray) -> FloatArray:
    """Centroid of the area a nearly planar closed curve (k, 3) bounds, (3,): that of the fan from the curve's middle."""
    middle = curve_middle(ring)
    total = polygon_area_vector(ring)
    following = np.roll(ring, -1, axis=0)
    share = 0.5 * np.cross(ring - middle, following - middle) @ total / max(float(total @ total), 1e-300)
    return np.asarray(share @ ((middle + ring + following) / 3))


def fill_disc(ring: FloatArray, edge: float) -> tuple[FloatArray, LongArray]:
    """Triangles that fill a nearly planar closed curve (k, 3): the inner points (j, 3) added and triangles (m, 3).

    Indices below k are the curve's points, in order; normals are right-handed about its direction. Inner points lie on a
    hexagonal grid of about `edge` mm; where the curve is too bent for that, a fan about the centroid is given.
    """
    normal = polygon_area_vector(ring)
    normal /= max(float(np.linalg.norm(normal)), 1e-300)
    center = polygon_centroid(ring)
    first = np.cross(normal, [1.0, 0, 0] if abs(normal[0]) < 0.7 else [0, 1.0, 0])
    first /= np.linalg.norm(first)
    frame = np.stack([first, np.cross(normal, first)], axis=1)
    flat = (ring - center) @ frame
    inner = _hexagonal_inside(flat, edge)
    k, both = len(ring), np.concatenate([flat, inner])
    triangles = Delaunay(both).simplices.astype(np.int64) if len(both) > 3 else np.array([[0, 1, 2]])
    middle = both[triangles].mean(axis=1)
    triangles = triangles[_inside_polygon(middle, flat)]
    a, b, c = (both[triangles[:, i]] for i in range(3))
    turn = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    triangles[turn < 0] = triangles[turn < 0][:, ::-1]
    rim = {(i, (i + 1) % k) for i in range(k)}
    directed = directed_edges(triangles)
    span = len(both) + 1
    open_edges = directed[~np.isin(directed[:, 0] * span + directed[:, 1], directed[:, 1] * span + directed[:, 0])]
    if {(int(i), int(j)) for i, j in open_edges} != rim or len(np.unique(triangles)) != len(both):
        return center[None], np.array([[i, (i + 1) % k, k] for i in range(k)])
    return center + inner @ frame.T, triangles


def _hexagonal_inside(flat: FloatArray, edge: float) -> FloatArray:
    low, high = flat.min(axis=0), flat.max(axis=0)
    rows = np.arange(low[1], high[1], edge * np.sqrt(3) / 2)
    starts = [low[0] + (row % 2) * edge / 2 for row in range(len(rows))]
    grid = [np.stack(np.broadcast_arrays(np.arange(x, high[0], edge), y), axis=1) for x, y in zip(starts, rows, strict=True)]
    inner = np.concatenate(grid) if grid else np.zeros((0, 2))
    inner = inner[_inside_polygon(inner, flat)]
    if not len(inner):
        return inner
    return inner[_distance_to_polygon(inner, flat) > 0.55 * edge]


def _inside_polygon(places: FloatArray, polygon: FloatArray) -> BoolArray:
    a, b = polygon, np.roll(polygon, -1, axis=0)
    x, y = places[:, :1], places[:, 1:]
    straddles = (a[:, 1] > y) != (b[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
    return np.asarray((straddles & (x < crossing)).sum(axis=1) % 2 == 1)


def _distance_to_polygon(places: FloatArray, polygon: FloatArray) -> FloatArray:
    a, side = polygon, np.roll(polygon, -1, axis=0) - polygon
    offset = places[:, None] - a
    t = np.clip((offset * side).sum(-1) / np.maximum((side * side).sum(-1), 1e-300), 0, 1)
    return np.asarray(np.linalg.norm(offset - t[..., None] * side, axis=-1).min(axis=1))


def fill_openings(points: FloatArray, triangles: npt.NDArray[Any]) -> tuple[FloatArray, IntArray]:
    """The surface closed by a fan about the mean point of each opening; points are appended, one for an opening."""
    return _filled(points, triangles, boundary_loops(triangles))


def _filled(points: FloatArray, triangles: npt.NDArray[Any], loops: list[LongArray]) -> tuple[FloatArray, IntArray]:
    fans, centers = [np.asarray(triangles, dtype=np.int64)], [points]
    for k, loop in enumerate(loops):
        centers.append(points[loop].mean(axis=0)[None])
        fans.append(np.stack([np.roll(loop, -1), loop, np.full(len(loop), len(points) + k)], axis=1))
    return np.concatenate(centers), np.concatenate(fans).astype(np.int32)


def neighbor_average(n_points: int, triangles: npt.NDArray[Any]) -> Any:
    """Sparse matrix (n, n) whose product with point values is the mean over the neighbors along edges."""
    graph = _adjacency(n_points, triangles)
    degree = np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1)
    return sparse.diags(1 / degree) @ graph


def taubin_smooth(points: FloatArray, triangles: npt.NDArray[Any], steps: int, keep_volume: bool = True) -> FloatArray:
    """Points after Taubin (1995) smoothing with `steps` pairs of a shrinking and a swelling step; openings' rims stay.

    With keep_volume the small loss left is undone by a uniform shift along the normals (openings filled by fans).
    """
    average = neighbor_average(len(points), triangles)
    pairs, count = edges(triangles)
    moves = np.ones((len(points), 1))
    moves[pairs[count == 1].ravel()] = 0
    smooth = points
    for _ in range(steps):
        for factor in (0.5, -0.53):
            smooth = smooth + factor * moves * (average @ smooth - smooth)
    return shift_to_volume(smooth, triangles, _filled_volume(points, triangles)) if keep_volume else smooth


def shift_to_volume(points: FloatArray, triangles: npt.NDArray[Any], volume: float) -> FloatArray:
    """Points shifted along their normals by one distance, such that the filled surface holds `volume` mm3."""
    moved, loops = points, boundary_loops(triangles)
    for _ in range(3):
        lack = volume - signed_volume(*_filled(moved, triangles, loops))
        moved = moved + lack / area(moved, triangles) * vertex_normals(moved, triangles)
    return moved


def _filled_volume(points: FloatArray, triangles: npt.NDArray[Any]) -> float:
    return signed_volume(*fill_openings(points, triangles))


def subdivide(points: FloatArray, triangles: npt.NDArray[Any], keep_volume: bool = True) -> tuple[FloatArray, IntArray]:
    """Each triangle in four by Loop's (1987) scheme, which also smooths.

    Rims keep their shape; the volume lost is given back by a shift along the normals.
    """
    fine_points, fine = _loop_scheme(points, triangles)
    if keep_volume:
        fine_points = shift_to_volume(fine_points, fine, _filled_volume(points, triangles))
    return fine_points, fine


def winding_number(points: FloatArray, triangles: npt.NDArray[Any], places: FloatArray, chunk: int = 256) -> FloatArray:
    """How often the surface winds about each place (k,): 1 inside a closed surface, 0 outside (van Oosterom, Strackee 1983)."""
    corners = points[triangles]
    result = np.empty(len(places))
    for start in range(0, len(places), chunk):
        a, b, c = np.moveaxis(corners[None] - places[start : start + chunk, None, None], 2, 0)
        la, lb, lc = (np.linalg.norm(v, axis=-1) for v in (a, b, c))
        top = np.einsum("...i,...i", a, np.cross(b, c))
        bottom = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
        result[start : start + chunk] = np.arctan2(top, bottom).sum(axis=1) / (2 * np.pi)
    return result


def _adjacency(n_points: int, triangles: npt.NDArray[Any]) -> Any:
    pairs, _ = edges(triangles)
    graph = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n_points, n_points)).tocsr()
    return graph + graph.T


def _loop_scheme(points: FloatArray, triangles: npt.NDArray[Any]) -> tuple[FloatArray, IntArray]:
    n, corners = len(points), np.asarray(triangles, dtype=np.int64)
    pairs, inverse, count = np.unique(np.sort(directed_edges(corners), axis=1), axis=0, return_inverse=True, return_counts=True)
    side = inverse.reshape(-1, 3)
    ends = points[pairs].sum(axis=1)
    across = np.zeros_like(ends)
    np.add.at(across, side.ravel(), points[corners[:, [2, 0, 1]].ravel()])
    inner = (count == 2)[:, None]
    middle = np.where(inner, 0.375 * ends + 0.125 * across, 0.5 * ends)
    graph = _adjacency(n, corners)
    degree = np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 3)
    beta = (0.625 - (0.375 + 0.25 * np.cos(2 * np.pi / degree)) ** 2)[:, None]
    kept = (1 - beta) * points + beta / degree[:, None] * (graph @ points)
    rim = np.unique(pairs[count != 2])
    kept[rim] = points[rim]
    ab, bc, ca = (n + side[:, k] for k in range(3))
    a, b, c = corners.T
    fine = np.stack([a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca], axis=1).reshape(-1, 3)
    return np.concatenate([kept, middle]), fine.astype(np.int32)


def tangents(normals: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors (n, 3) each, at right angles to the normals and to each other."""
    other = np.eye(3)[np.argmin(np.abs(normals), axis=1)]
    first = np.cross(normals, other)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return first, np.cross(normals, first)
