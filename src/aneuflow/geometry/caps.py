"""The ends of the lumen: found, cut square to the vessel, closed by planar caps, and told apart as inlets and outlets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csgraph

from aneuflow.errors import InputError, MethodError
from aneuflow.numerics import surface as sf
from aneuflow.types import WALL_PATCH, Cap, FloatArray, IntArray, PatchedSurface, Surface

# The largest annotated segments measure 33 mm, regions of a circle of Willis 36 mm and more.
_TREE_BOX_MM = 35.0
_FLAT_ANGLE, _AROUND_ANGLE = np.radians(25.0), np.radians(60.0)


@dataclass(frozen=True, eq=False)
class End:
    """Where a tube ends: the points (k,) to cut away, candidate directions out of the lumen, the tube's radius."""

    seeds: np.ndarray
    normals: tuple[FloatArray, ...]
    radius_mm: float


def open_ends(surface: Surface) -> list[End]:
    """The ends at the surface's openings, the longest rim first.

    Rims are ragged and often oblique, so the direction tried first is the axis of the tube behind the rim: the direction
    least seen among the wall's normals there; the rim's own plane is the last resort.
    """
    ends = []
    normals = sf.face_vectors(surface.points, surface.triangles)
    for loop in sf.boundary_loops(surface.triangles):
        ring = surface.points[loop[::-1]]
        outward = sf.polygon_area_vector(ring)
        radius = float(np.sqrt(np.linalg.norm(outward) / np.pi))
        outward = outward / max(float(np.linalg.norm(outward)), 1e-300)
        reach = sf.geodesic_distance(surface.points, surface.triangles, loop, limit=1.5 * radius)
        near = np.isfinite(reach[surface.triangles]).all(axis=1)
        axis = _tube_axis(normals[near], outward)
        between = axis + outward
        ends.append(End(loop, (axis, between / np.linalg.norm(between), outward), radius))
    return ends


def _tube_axis(area_vectors: FloatArray, outward: FloatArray) -> FloatArray:
    if len(area_vectors) < 6:
        return outward
    unit = area_vectors / np.maximum(np.linalg.norm(area_vectors, axis=1, keepdims=True), 1e-300)
    axis = np.asarray(np.linalg.eigh(area_vectors.T @ unit)[1][:, 0])
    axis = axis * np.sign(axis @ outward)
    return axis if axis @ outward > np.cos(np.radians(50)) else outward


def without_flat_ends(surface: Surface) -> Surface:
    """The surface without its flat, disc-shaped, sharply bounded patches: the caps of a closed surface, or cut ends of a mask.

    A patch counts when most of the connected area within 60 degrees of its normal lies within 25 degrees: three quarters
    or more on a flat end, a fifth on a dome whatever its size.
    """
    points, triangles = surface.points, surface.triangles
    normals = sf.face_normals(points, triangles)
    areas = sf.face_areas(points, triangles)
    tried, removed = np.zeros(len(triangles), dtype=bool), np.zeros(len(triangles), dtype=bool)
    for seed in np.argsort(-areas).tolist():
        if tried[seed]:
            continue
        patch, direction = _patch_around(normals, triangles, seed, normals[seed], _FLAT_ANGLE), normals[seed]
        tried |= patch
        for _ in range(2):
            direction = (areas[patch, None] * normals[patch]).sum(axis=0)
            direction = direction / max(float(np.linalg.norm(direction)), 1e-300)
            patch = _patch_around(normals, triangles, seed, direction, _FLAT_ANGLE)
        if _is_flat_end(surface, normals, areas, patch, seed):
            removed |= patch
            tried |= patch
    return surface if not removed.any() else Surface(*sf.compact(points, triangles[~removed])[:2])


def _patch_around(normals: FloatArray, triangles: IntArray, seed: int, direction: FloatArray, angle: float) -> Any:
    near = np.asarray(normals @ direction > np.cos(angle))
    near[seed] = True
    chosen = np.flatnonzero(near)
    label = sf.face_components(triangles[chosen])
    patch = np.zeros(len(triangles), dtype=bool)
    patch[chosen[label == label[np.searchsorted(chosen, seed)]]] = True
    return patch


def _is_flat_end(surface: Surface, normals: FloatArray, areas: FloatArray, patch: Any, seed: int) -> bool:
    area = float(areas[patch].sum())
    if area < np.pi * 0.35**2 or patch.sum() < 4:
        return False
    loops = sf.boundary_loops(surface.triangles[patch])
    if not loops:
        return False
    ring = surface.points[loops[0]]
    perimeter = float(np.linalg.norm(ring - np.roll(ring, -1, axis=0), axis=1).sum())
    direction = (areas[patch, None] * normals[patch]).sum(axis=0) / area
    if 4 * np.pi * area / perimeter**2 < 0.5 or np.linalg.norm(direction) < 0.97:
        return False
    direction = direction / np.linalg.norm(direction)
    around = _patch_around(normals, surface.triangles, seed, direction, _AROUND_ANGLE)
    return area > 0.5 * float(areas[around].sum()) or _sharp_share(surface.triangles, normals, patch) > 0.8


def _sharp_share(triangles: IntArray, normals: FloatArray, patch: Any) -> float:
    """Share of the patch's rim edges across which the surface turns by more than 40 degrees."""
    pairs = sf.face_adjacency(triangles)
    rim = pairs[patch[pairs[:, 0]] != patch[pairs[:, 1]]]
    return float(np.mean((normals[rim[:, 0]] * normals[rim[:, 1]]).sum(axis=1) < np.cos(np.radians(40)))) if len(rim) else 0.0


def tube_tips(surface: Surface, avoid: Any = None) -> list[End]:
    """The rounded ends of tubes of a closed surface, farthest apart first; places where `avoid` (n,) holds are left out.

    A tip is a local maximum of the distance along the surface whose girth, going away from it, stays that of a tube for
    one and a half diameters. A dome is none: its girth falls toward the neck.
    """
    points, triangles = surface.points, surface.triangles
    graph = sf.edge_graph(points, triangles)
    far = int(np.argmax(_reach(graph, [0])))
    distance = _reach(graph, [far])
    candidates = [far, *_local_maxima(graph, distance)]
    ends: list[End] = []
    for tip in candidates:
        if avoid is not None and avoid[tip]:
            continue
        end = _tube_end(surface, graph, tip)
        if end is not None and not any(np.linalg.norm(points[end.seeds[0]] - points[e.seeds[0]]) < end.radius_mm for e in ends):
            ends.append(end)
    return ends


def _reach(graph: Any, sources: list[int], limit: float = np.inf) -> FloatArray:
    return np.asarray(csgraph.dijkstra(graph, directed=False, indices=sources, min_only=True, limit=limit))


def _local_maxima(graph: Any, distance: FloatArray) -> list[int]:
    order = np.argsort(-np.where(np.isfinite(distance), distance, -1))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    start, neighbor = graph.indptr, graph.indices
    least = np.minimum.reduceat(rank[neighbor], start[:-1]) if len(neighbor) else rank
    return [int(k) for k in order if least[k] > rank[k]]


def _tube_end(surface: Surface, graph: Any, tip: int) -> End | None:
    """The end at this tip if it is one; the girth at distance c is the area between c and c + h over h."""
    points, triangles = surface.points, surface.triangles
    distance = _reach(graph, [tip], limit=25.0)
    areas, middle = sf.face_areas(points, triangles), distance[triangles].mean(axis=1)
    step = 0.4
    edges = np.arange(0.0, 24.0, step)
    girth = np.histogram(np.where(np.isfinite(middle), middle, 99.0), bins=edges, weights=areas)[0] / step
    # On a hemispherical end the full girth lies a quarter of itself away from the tip; two bins on end keep noise out.
    round_end = girth < 4 * (edges[:-1] + step / 2)
    reached = np.flatnonzero(round_end[:-1] & round_end[1:] & (edges[:-2] >= step))
    if not len(reached):
        return None
    first = int(reached[0])
    radius = float(np.median(girth[first : first + 3]) / (2 * np.pi))
    low, high = 1.6 * radius, 4.6 * radius
    window = girth[(edges[:-1] >= low) & (edges[:-1] < high)]
    if len(window) < 2 or radius < 0.25 or radius > 5 or window.max() > 1.45 * window.min():
        return None
    band = (middle >= low) & (middle < high)
    if sf.face_components(triangles[band]).max() > 0:
        return None
    toward = points[tip] - points[triangles[band].ravel()].mean(axis=0)
    axis = _tube_axis(sf.face_vectors(points, triangles[band]), toward / np.linalg.norm(toward))
    return End(np.array([tip]), (axis, toward / np.linalg.norm(toward)), radius)


def cut_ends(surface: Surface, ends: list[End], margin_radii: float = 0.0) -> tuple[Surface, int]:
    """The surface with each end cut back to a plane that leaves its seeds `margin_radii` radii outside; and how many failed.

    An end that no plane parts from the rest by one ring of the wall is left as it is.
    """
    points = surface.points
    graph = sf.edge_graph(points, surface.triangles)
    edge = float(np.median(graph.data))
    field, failed = np.full(len(points), -1.0), 0
    for end in ends:
        cut = _best_cut(surface, graph, end, margin_radii * end.radius_mm + 0.2 * edge)
        if cut is None:
            failed += 1
            continue
        beyond, height = cut
        ring = np.unique(graph[beyond].indices)
        ring = ring[(height[ring] <= 0) & (field[ring] <= 0)]
        field[ring] = np.maximum(height[ring], np.where(field[ring] == -1.0, -np.inf, field[ring]))
        field[beyond] = height[beyond]
    split = sf.split_by_field(points, surface.triangles, field)
    return Surface(*sf.compact(split.points, split.triangles[split.below])[:2]), failed


def _best_cut(surface: Surface, graph: Any, end: End, margin: float) -> tuple[np.ndarray, FloatArray] | None:
    best, least = None, np.inf
    for normal in end.normals:
        height = surface.points @ normal
        depth = float(np.ptp(height[end.seeds]))
        height = height - (height[end.seeds].min() - margin)
        outside = np.flatnonzero(height > 0)
        label = csgraph.connected_components(graph[outside][:, outside], directed=False)[1]
        wanted = np.unique(label[np.searchsorted(outside, end.seeds)])
        beyond = outside[np.isin(label, wanted)]
        if not _is_one_ring(surface, beyond, end.radius_mm) or depth >= least:
            continue
        best, least = (beyond, height), depth
        if depth < 1.2 * end.radius_mm:
            break
    return best


def _is_one_ring(surface: Surface, beyond: np.ndarray, radius: float) -> bool:
    away = np.zeros(len(surface.points), dtype=bool)
    away[beyond] = True
    corners = away[surface.triangles]
    strip = surface.triangles[corners.any(axis=1) & ~corners.all(axis=1)]
    if len(strip) < 6 or sf.face_components(strip).max() > 0:
        return False
    removed = sf.area(surface.points, surface.triangles[corners.all(axis=1)])
    spread = np.linalg.norm(surface.points[strip] - surface.points[strip].reshape(-1, 3).mean(axis=0), axis=2)
    return bool(spread.max() < 2.5 * radius and removed < 8 * np.pi * radius**2)


def close_ends(surface: Surface, inlet_caps: tuple[int, ...] = ()) -> tuple[PatchedSurface, tuple[Cap, ...]]:
    """The lumen closed by flat caps, and the caps: numbered from 1 by falling area.

    Inlets are those asked for; else the widest end; in a whole tree (box over 35 mm) the wide ends that point downward
    (the carotid and the basilar or vertebral arteries). Raises InputError where there are fewer than two ends.
    """
    loops = sf.boundary_loops(surface.triangles)
    if len(loops) < 2:
        raise InputError(
            f"The surface has {len(loops)} opening{'s' if len(loops) != 1 else ''}; a vessel needs an inlet and an outlet: "
            "cut its ends open, or give a surface with flat caps."
        )
    rings = [loop[::-1] for loop in loops]
    vectors = [sf.polygon_area_vector(surface.points[ring]) for ring in rings]
    rings = [rings[k] for k in np.argsort([-np.linalg.norm(vector) for vector in vectors])]
    edge = float(np.median(sf.edge_lengths(surface.points, surface.triangles)))
    points, triangles, patch = [surface.points], [surface.triangles], [np.full(len(surface.triangles), WALL_PATCH)]
    caps, count = [], len(surface.points)
    for id, ring in enumerate(rings, start=1):
        inner, disc = sf.fill_disc(surface.points[ring], edge)
        points.append(inner)
        triangles.append(np.concatenate([ring, np.arange(count, count + len(inner))])[disc].astype(np.int32))
        patch.append(np.full(len(disc), id))
        caps.append(_cap(id, surface.points[ring]))
        count += len(inner)
    closed = Surface(np.concatenate(points), np.concatenate(triangles))
    patched = PatchedSurface(closed, np.concatenate(patch).astype(np.int32), np.zeros(count, dtype=np.uint8))
    return patched, _with_roles(caps, closed.points, inlet_caps)


def _cap(id: int, ring: FloatArray) -> Cap:
    vector = sf.polygon_area_vector(ring)
    area = float(np.linalg.norm(vector))
    if not area > 0:
        raise MethodError(f"End {id} of the vessel at {np.round(ring.mean(axis=0), 1)} mm has no area; cut that end shorter.")
    return Cap(id, "outlet", sf.polygon_centroid(ring), vector / area, area, float(np.sqrt(area / np.pi)))


def _with_roles(caps: list[Cap], points: FloatArray, asked: tuple[int, ...]) -> tuple[Cap, ...]:
    known = {cap.id for cap in caps}
    unknown = sorted(set(asked) - known)
    if unknown:
        raise InputError(
            f"Cap {unknown[0]} was asked for as inlet, but the caps are numbered 1 to {len(caps)}; choose among them."
        )
    inlets = set(asked) or _automatic_inlets(caps, points)
    if inlets == known:
        raise InputError(f"All {len(caps)} caps were asked for as inlets; leave at least one as outlet.")
    return tuple(
        Cap(c.id, "inlet" if c.id in inlets else "outlet", c.center_mm, c.normal, c.area_mm2, c.radius_mm) for c in caps
    )


def _automatic_inlets(caps: list[Cap], points: FloatArray) -> set[int]:
    if np.ptp(points, axis=0).max() < _TREE_BOX_MM or len(caps) < 4:
        return {caps[0].id}
    middle = float(np.median(points[:, 2]))
    below = [cap for cap in caps if cap.normal[2] < -0.5 and cap.center_mm[2] < middle]
    wide = [cap.id for cap in below[:3] if cap.radius_mm > 0.5 * below[0].radius_mm]
    return set(wide) or {caps[0].id}
