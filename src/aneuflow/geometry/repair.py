"""From a surface as people have them to one clean, outward, two-sided sheet with its true openings."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from aneuflow.errors import InputError
from aneuflow.numerics import surface as sf
from aneuflow.types import FloatArray, IntArray, Note, Surface

STRAY_HOLE_MM, _SLIT_MM = 0.8, 0.6
_SLIVER = 1e-3  # area of a triangle over the square of its longest side
_COMPARABLE_SHARE = 0.3
_MOST_NONMANIFOLD_SHARE = 0.01


def repair(surface: Surface, largest_only: bool = False) -> tuple[Surface, tuple[Note, ...]]:
    """The surface as one oriented manifold sheet with normals outward, stray holes filled; and what was done to it.

    Raises InputError where nothing is left, where it cannot be made manifold, and where it holds two vessels, unless
    `largest_only` is to be kept.
    """
    points, triangles = without_degenerates(surface)
    if len(triangles) < 20:
        raise InputError(f"The surface has {len(triangles)} usable triangles, too few for a vessel; export it again, finer.")
    notes: list[Note] = []
    triangles = _manifold(triangles, notes)
    triangles = _largest_component(Surface(points, triangles), notes, largest_only)
    triangles = _oriented(Surface(points, triangles))
    triangles = _joined_at_slivers(Surface(points, triangles))
    points, triangles, _ = sf.compact(points, triangles)
    clean = _without_stray_holes(Surface(points, triangles), notes)
    if sf.signed_volume(*sf.fill_openings(clean.points, clean.triangles)) < 0:
        clean = Surface(clean.points, np.ascontiguousarray(clean.triangles[:, ::-1]))
        notes.append(Note("surface_flipped", {}, "information"))
    return clean, tuple(notes)


def without_degenerates(surface: Surface) -> tuple[FloatArray, IntArray]:
    """Points and triangles with coincident points made one, and triangles without area or given twice left out."""
    size = float(np.ptp(surface.points, axis=0).max())
    points, triangles = sf.merge_points(surface.points, surface.triangles)
    distinct = (triangles != np.roll(triangles, 1, axis=1)).all(axis=1)
    triangles = triangles[distinct]
    triangles = triangles[sf.face_areas(points, triangles) > 1e-12 * size**2]
    _, once = np.unique(np.sort(triangles, axis=1), axis=0, return_index=True)
    triangles = triangles[np.sort(once)]
    if not len(triangles):
        return points[:0], np.zeros((0, 3), dtype=np.int32)
    return sf.compact(points, triangles)[:2]


def _manifold(triangles: IntArray, notes: list[Note]) -> IntArray:
    bad = sf.nonmanifold_edges(triangles)
    if not len(bad):
        return triangles
    total = len(sf.edges(triangles)[0])
    if len(bad) > _MOST_NONMANIFOLD_SHARE * total + 10:
        raise InputError(
            f"{len(bad)} of the surface's {total} edges are shared by more than two triangles, too many to repair; "
            "export one clean sheet of the lumen."
        )
    span = int(triangles.max()) + 1
    keys = np.sort(sf.directed_edges(triangles), axis=1)
    hit = np.isin(keys[:, 0] * span + keys[:, 1], bad[:, 0] * span + bad[:, 1]).reshape(-1, 3).any(axis=1)
    notes.append(Note("nonmanifold_removed", {"edges": len(bad), "triangles": int(hit.sum())}))
    return np.ascontiguousarray(triangles[~hit])


def _largest_component(surface: Surface, notes: list[Note], largest_only: bool) -> IntArray:
    label = sf.face_components(surface.triangles)
    areas = np.bincount(label, sf.face_areas(surface.points, surface.triangles))
    order = np.argsort(areas)[::-1]
    if len(order) == 1:
        return surface.triangles
    if not largest_only and areas[order[1]] > _COMPARABLE_SHARE * areas[order[0]]:
        raise InputError(
            f"The surface holds two vessels: separate parts of {areas[order[0]]:.0f} and {areas[order[1]]:.0f} mm2; "
            "keep the one to assess and export it alone."
        )
    dropped = float(1 - areas[order[0]] / areas.sum())
    notes.append(Note("components_dropped", {"count": len(order) - 1, "area_percent": 100 * dropped}))
    return np.ascontiguousarray(surface.triangles[label == order[0]])


def _oriented(surface: Surface) -> IntArray:
    """The triangles turned to agree with their neighbors; the few that close a one-sided loop are left out."""
    triangles = surface.triangles
    if not _conflicts(triangles).any():
        return triangles
    pairs = sf.face_adjacency(triangles)
    unlike = _run_alike(triangles, pairs)
    count = len(triangles)
    graph = sparse.coo_matrix((np.where(unlike, 2.0, 1.0), (pairs[:, 0], pairs[:, 1])), shape=(count, count)).tocsr()
    graph = graph + graph.T
    order, before = csgraph.breadth_first_order(graph, 0, directed=False)
    turned = np.zeros(count, dtype=bool)
    for face in order[1:].tolist():
        turned[face] = turned[before[face]] ^ (graph[face, before[face]] == 2.0)
    oriented = np.where(turned[:, None], triangles[:, ::-1], triangles)
    bad = _conflicts(oriented)
    if bad.sum() > 10 + _MOST_NONMANIFOLD_SHARE * count:
        raise InputError(
            f"The surface has no consistent outside ({int(bad.sum())} of its triangles face their neighbors' backs); "
            "export one clean sheet of the lumen."
        )
    return np.ascontiguousarray(oriented[~bad], dtype=np.int32)


def _run_alike(triangles: IntArray, pairs: np.ndarray) -> np.ndarray:
    """Whether the two triangles of each pair pass an edge they share in the same direction, which neighbors must not."""
    first, second = (sf.directed_edges(triangles).reshape(-1, 3, 2)[pairs[:, k]] for k in range(2))
    return np.asarray((first[:, :, None] == second[:, None]).all(axis=-1).any(axis=(1, 2)))


def _conflicts(triangles: IntArray) -> np.ndarray:
    _, inverse, count = np.unique(sf.directed_edges(triangles), axis=0, return_inverse=True, return_counts=True)
    return np.asarray((count[inverse.ravel()] > 1).reshape(-1, 3).any(axis=1))


def _joined_at_slivers(surface: Surface) -> IntArray:
    """The triangles with those beside a sliver's gap split at the sliver's middle corner, so that the gap is closed.

    A triangle without area has one corner on the opposite edge. Left out, it leaves a gap that no fan can fill: what lies
    in it has no normal.
    """
    triangles = surface.triangles.copy()
    added = []
    for loop in sf.boundary_loops(triangles):
        if len(loop) != 3:
            continue
        sides = np.linalg.norm(surface.points[np.roll(loop, -1)] - surface.points[loop], axis=1)
        area = float(np.linalg.norm(sf.polygon_area_vector(surface.points[loop])))
        if area > _SLIVER * sides.max() ** 2:
            continue
        start, end, corner = np.roll(loop, -int(np.argmax(sides)))
        following = np.roll(triangles, -1, axis=1)
        face, place = np.argwhere((triangles == start) & (following == end))[0]
        across = triangles[face, (place + 2) % 3]
        triangles[face] = [start, corner, across]
        added.append([corner, end, across])
    return np.concatenate([triangles, np.array(added, dtype=triangles.dtype)]) if added else triangles


def _without_stray_holes(surface: Surface, notes: list[Note]) -> Surface:
    points, fans, filled = [surface.points], [surface.triangles], 0
    for loop in sf.boundary_loops(surface.triangles):
        ring = surface.points[loop]
        perimeter = float(np.linalg.norm(ring - np.roll(ring, -1, axis=0), axis=1).sum())
        area = float(np.linalg.norm(sf.polygon_area_vector(ring)))
        # A torn slit is long for its area, so it is judged by that.
        if perimeter / np.pi >= STRAY_HOLE_MM and area >= np.pi / 4 * _SLIT_MM**2:
            continue
        points.append(ring.mean(axis=0)[None])
        fans.append(
            np.stack([np.roll(loop, -1), loop, np.full(len(loop), len(surface.points) + filled)], axis=1).astype(np.int32)
        )
        filled += 1
    if filled:
        notes.append(Note("holes_filled", {"count": filled, "below_mm": STRAY_HOLE_MM}, "information"))
    return Surface(np.concatenate(points), np.concatenate(fans))


def refine(surface: Surface, target_edge_mm: float) -> tuple[Surface, tuple[Note, ...]]:
    """The surface subdivided (Loop 1987) until its median edge is near the target, keeping its volume; and by how much not."""
    points, triangles = surface.points, surface.triangles
    before = sf.signed_volume(*sf.fill_openings(points, triangles))
    while float(np.median(sf.edge_lengths(points, triangles))) > 1.15 * target_edge_mm and len(triangles) < 100_000:
        points, triangles = sf.subdivide(points, triangles)
    if points is surface.points:
        return surface, ()
    after = sf.signed_volume(*sf.fill_openings(points, triangles))
    values = {"factor": len(triangles) // len(surface.triangles), "loss_percent": 100 * (1 - after / before)}
    return Surface(points, triangles), (Note("surface_refined", values, "information"),)
