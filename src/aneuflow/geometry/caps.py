"""The ends of the lumen: found, cut square to the vessel, closed by planar caps, and told apart as inlets and outlets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from aneuflow.errors import InputError, MethodError
from aneuflow.geometry.tree import Tip
from aneuflow.numerics import surface as sf
from aneuflow.numerics.centerline import arc_length
from aneuflow.types import WALL_PATCH, Cap, FloatArray, IntArray, PatchedSurface, Surface

# The largest annotated segments measure 33 mm, regions of a circle of Willis 36 mm and more.
TREE_BOX_MM = 35.0
# Of a tube's end: what is cut away at least, in radii; how round its section is (1 for a circle), asked for and in need; its
# area over the tube's.
_ROUNDED_RADII, _ROUND, _FULL, _WIDEST_SECTION, _SWELLING = 0.35, (0.7, 0.45), 0.85, 2.0, 1.2
# How much of an end's face is looked at, its area vector over its area where it is flat, its cosine with the tube's axis.
_FACE_RADII, _FLAT, _ALONG = 0.7, 0.98, 0.8
# Inlets of a tree against its widest downward end, and where the basilar artery lies against the carotids.
_WIDE, _BASILAR, _CAROTIDS_APART_MM, _BASILAR_BEHIND_MM = 0.5, 0.3, 12.0, 5.0
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


def is_tube_end(surface: Surface, graph: Any, tip: int) -> bool:
    """Whether the closed surface ends in a tube at this point: going away from it the girth stays for one and a half diameters.

    A dome is none: its girth falls toward the neck. The girth at distance c is the area between c and c + h over h.
    """
    points, triangles = surface.points, surface.triangles
    distance = np.asarray(csgraph.dijkstra(graph, directed=False, indices=tip, limit=25.0))
    areas, middle = sf.face_areas(points, triangles), distance[triangles].mean(axis=1)
    step = 0.4
    edges = np.arange(0.0, 24.0, step)
    girth = np.histogram(np.where(np.isfinite(middle), middle, 99.0), bins=edges, weights=areas)[0] / step
    # On a hemispherical end the full girth lies a quarter of itself away from the tip; two bins on end keep noise out.
    round_end = girth < 4 * (edges[:-1] + step / 2)
    reached = np.flatnonzero(round_end[:-1] & round_end[1:] & (edges[:-2] >= step))
    if not len(reached):
        return False
    first = int(reached[0])
    radius = float(np.median(girth[first : first + 3]) / (2 * np.pi))
    low, high = 1.6 * radius, 4.6 * radius
    window = girth[(edges[:-1] >= low) & (edges[:-1] < high)]
    if len(window) < 2 or radius < 0.25 or radius > 5 or window.max() > 1.45 * window.min():
        return False
    band = (middle >= low) & (middle < high)
    return int(sf.face_components(triangles[band]).max()) == 0


def cut_ends(surface: Surface, ends: list[End]) -> tuple[Surface, int]:
    """The surface with each end cut back to a plane that leaves its seeds outside; and how many failed.

    An end that no plane parts from the rest by one ring of the wall is left as it is.
    """
    graph = sf.edge_graph(surface.points, surface.triangles)
    margin = 0.2 * float(np.median(graph.data))
    cuts = [_best_cut(surface, graph, end, margin) for end in ends]
    found = [cut for cut in cuts if cut is not None]
    return _cut_off(surface, graph, found), len(cuts) - len(found)


def cut_tips(surface: Surface, ends: tuple[tuple[Tip, ...], ...], doubtful: tuple[Tip, ...] = ()) -> tuple[Surface, int]:
    """The surface cut open at its ends, each at the first of its tips where that can be done; and at how many it could not.

    Of the doubtful tips those count where the surface ends in a tube, or if that leaves no vessel, those that do not swell.

    The cut is made as near to the tip as the section is that of a round tube: ends of label maps are rounded, and
    ragged where the image's border cuts a vessel along its length.
    """
    graph = sf.edge_graph(surface.points, surface.triangles)
    places = cKDTree(surface.points)
    tubes = [tip for tip in doubtful if is_tube_end(surface, graph, int(places.query(_apex(tip))[1]))]
    if len(ends) + len(tubes) < 2:
        # Short segments have no tube to show; a dome is at least wider than its neck.
        tubes = [tip for tip in doubtful if tip.radius_mm[0] < _SWELLING * tip.radius_mm[-1]]
    ends += tuple((tip,) for tip in tubes)
    # A vessel lost on the way from voxels to the surface has no end to cut.
    ends = tuple(end for end in ends if places.query(end[0].points_mm[0])[0] < 3 * end[0].radius_mm[0])
    cuts = []
    for end in ends:
        tries = (_tip_cut(surface, graph, places, tip, least) for least in _ROUND for tip in end)
        cuts.append(next((cut for cut in tries if cut is not None), None))
    found = [cut for cut in cuts if cut is not None]
    return _cut_off(surface, graph, found), len(cuts) - len(found)


def _apex(tip: Tip) -> FloatArray:
    """Where the axis, led on beyond the tip by its radius, meets the surface."""
    outward = tip.points_mm[0] - tip.points_mm[min(len(tip.points_mm) - 1, 4)]
    return np.asarray(tip.points_mm[0] + tip.radius_mm[0] * outward / max(float(np.linalg.norm(outward)), 1e-12))


def _cut_off(surface: Surface, graph: Any, cuts: list[tuple[np.ndarray, FloatArray]]) -> Surface:
    """The surface without the points of each cut, split where the heights over the plane are zero."""
    field = np.full(len(surface.points), -1.0)
    for beyond, height in cuts:
        ring = np.unique(graph[beyond].indices)
        ring = ring[(height[ring] <= 0) & (field[ring] <= 0)]
        field[ring] = np.maximum(height[ring], np.where(field[ring] == -1.0, -np.inf, field[ring]))
        field[beyond] = height[beyond]
    split = sf.split_by_field(surface.points, surface.triangles, field)
    return Surface(*sf.compact(split.points, split.triangles[split.below])[:2])


def _tip_cut(surface: Surface, graph: Any, places: cKDTree, tip: Tip, roundness: float) -> tuple[np.ndarray, FloatArray] | None:
    length = arc_length(tip.points_mm)
    face = _flat_face(surface, tip)
    # The skeleton stops short of the end by up to a radius, so the first cuts are tried beyond it.
    for way in np.concatenate([[-0.5, 0.0, _ROUNDED_RADII], np.arange(0.75, 8.0, 0.5)]) * tip.radius_mm[0]:
        if way > length[-1]:
            return None
        if tip.at_border and way < _ROUNDED_RADII * tip.radius_mm[0]:
            continue
        k = int(np.searchsorted(length, max(way, 0.0)))
        radius = float(np.median(tip.radius_mm[k : k + 5]))
        span = np.abs(length - max(way, 0.0)) <= 1.5 * radius
        outward = tip.points_mm[span][0] - tip.points_mm[span][-1]
        if not outward.any():
            continue
        outward = outward / np.linalg.norm(outward)
        reach = abs(way) + 4 * radius
        near = np.array(places.query_ball_point(tip.points_mm[k], reach), dtype=np.int64)
        if not tip.at_border:
            outward = _wall_axis(surface, near, tip.points_mm[k], radius, outward)
        if face is not None and face @ outward > _ALONG:
            outward = face
        height = (surface.points - tip.points_mm[k]) @ outward + min(way, 0.0)
        outside = near[height[near] > 0]
        if len(outside) < 3:
            continue
        label = csgraph.connected_components(graph[outside][:, outside], directed=False)[1]
        first = int(np.argmin(np.linalg.norm(surface.points[outside] - tip.points_mm[0], axis=1)))
        beyond = outside[label == label[first]]
        within = np.linalg.norm(surface.points[beyond] - tip.points_mm[k], axis=1).max() < 0.95 * reach
        least = _FULL if way < _ROUNDED_RADII * tip.radius_mm[0] else 0.0
        if within and _is_round_section(surface, beyond, height, (least, radius), roundness):
            return beyond, height
    return None


def _flat_face(surface: Surface, tip: Tip) -> FloatArray | None:
    """The outward normal of the end's face where it was cut flat, as in a mask made from an open surface; None where round."""
    radius = tip.radius_mm[0]
    outward = _apex(tip) - tip.points_mm[0]
    outward /= max(float(np.linalg.norm(outward)), 1e-12)
    offset = surface.points[surface.triangles].mean(axis=1) - tip.points_mm[0]
    along = offset @ outward
    aside = np.linalg.norm(offset - along[:, None] * outward, axis=1)
    chosen = (along > 0) & (along < 3 * radius) & (aside < _FACE_RADII * radius)
    vectors = sf.face_vectors(surface.points, surface.triangles[chosen])
    total = vectors.sum(axis=0)
    length = float(np.linalg.norm(total))
    flat = len(vectors) >= 6 and length > _FLAT * np.linalg.norm(vectors, axis=1).sum()
    return total / length if flat and total @ outward > 0 else None


def _wall_axis(surface: Surface, near: np.ndarray, place: FloatArray, radius: float, outward: FloatArray) -> FloatArray:
    """The axis of the tube's wall up to two radii behind the place; the skeleton's own direction wavers by voxels."""
    behind = -(surface.points[near] - place) @ outward
    aside = np.linalg.norm(surface.points[near] - place + behind[:, None] * outward, axis=1)
    chosen = np.zeros(len(surface.points), dtype=bool)
    chosen[near[(behind > 0) & (behind < 2 * radius) & (aside < 1.6 * radius)]] = True
    wall = surface.triangles[chosen[surface.triangles].all(axis=1)]
    return _tube_axis(sf.face_vectors(surface.points, wall), outward)


def _is_round_section(
    surface: Surface, beyond: np.ndarray, height: FloatArray, size: tuple[float, float], roundness: float
) -> bool:
    """Whether the plane cuts one round tube off, or several: where branches part, each becomes an end.

    size: the least area asked for as a share of the tube's, and the tube's radius.
    """
    expected = np.pi * size[1] ** 2
    away = np.zeros(len(surface.points), dtype=bool)
    away[beyond] = True
    corners = away[surface.triangles]
    strip = surface.triangles[corners.any(axis=1) & ~corners.all(axis=1)]
    if len(strip) < 6:
        return False
    rings = sf.level_curves(surface.points, strip, height)
    areas = np.array([np.linalg.norm(sf.polygon_area_vector(ring)) for ring in rings])
    perimeters = np.array([np.linalg.norm(ring - np.roll(ring, -1, axis=0), axis=1).sum() for ring in rings])
    if not len(rings) or areas.min() < 0.2 * areas.max() or not size[0] <= areas.sum() / expected <= _WIDEST_SECTION:
        return False
    return bool((4 * np.pi * areas > roundness * perimeters**2).all() and (roundness == _ROUND[0] or len(rings) == 1))


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


def is_tree(surface: Surface, ends: int) -> bool:
    """Whether a vessel is a whole tree and not a segment of one: over 35 mm long in x, y or z, with four ends or more."""
    return bool(np.ptp(surface.points, axis=0).max() >= TREE_BOX_MM and ends >= 4)


def close_ends(surface: Surface, inlet_caps: tuple[int, ...] = ()) -> tuple[PatchedSurface, tuple[Cap, ...]]:
    """The lumen closed by flat caps, and the caps: numbered from 1 by falling area.

    Inlets are those asked for; else the widest end; in a whole tree (`is_tree`) the wide ends that point downward (carotid
    and vertebral arteries) and, with two carotids, the basilar artery behind them. Raises InputError where there are fewer
    than two ends.
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
    return patched, with_inlets(tuple(caps), inlet_caps or _automatic_inlets(caps, closed))


def _cap(id: int, ring: FloatArray) -> Cap:
    vector = sf.polygon_area_vector(ring)
    area = float(np.linalg.norm(vector))
    if not area > 0:
        raise MethodError(f"End {id} of the vessel at {np.round(ring.mean(axis=0), 1)} mm has no area; cut that end shorter.")
    return Cap(id, "outlet", sf.polygon_centroid(ring), vector / area, area, float(np.sqrt(area / np.pi)))


def with_inlets(caps: tuple[Cap, ...], inlets: Collection[int]) -> tuple[Cap, ...]:
    """The caps with the roles of inlets and outlets. Raises InputError where an inlet is no cap, or all of them are."""
    known = {cap.id for cap in caps}
    unknown = sorted(set(inlets) - known)
    if unknown:
        raise InputError(
            f"Cap {unknown[0]} was asked for as inlet, but the caps are numbered 1 to {len(caps)}; choose among them."
        )
    if set(inlets) == known:
        raise InputError(f"All {len(caps)} caps were asked for as inlets; leave at least one as outlet.")
    return tuple(replace(cap, role="inlet" if cap.id in inlets else "outlet") for cap in caps)


def _automatic_inlets(caps: list[Cap], surface: Surface) -> set[int]:
    if not is_tree(surface, len(caps)):
        return {caps[0].id}
    middle = float(np.median(surface.points[:, 2]))
    below = [cap for cap in caps if cap.normal[2] < -0.5 and cap.center_mm[2] < middle]
    wide = [cap for cap in below if cap.radius_mm > _WIDE * below[0].radius_mm][:4]
    # The basilar artery may be half as wide as a carotid cut aslant; it comes up behind both and between them.
    if len(wide) == 2 and abs(wide[0].center_mm[0] - wide[1].center_mm[0]) > _CAROTIDS_APART_MM:
        left, right = sorted(float(cap.center_mm[0]) for cap in wide)
        behind = max(float(cap.center_mm[1]) for cap in wide) + _BASILAR_BEHIND_MM
        third = [c for c in below if left < c.center_mm[0] < right and c.center_mm[1] > behind]
        wide += [cap for cap in third if cap.radius_mm > _BASILAR * below[0].radius_mm][:1]
    return {cap.id for cap in wide} or {caps[0].id}
