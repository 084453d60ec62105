"""The sac: found on the lumen, parted from its artery along a clean neck line, and placed on its tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from aneuflow.errors import InputError
from aneuflow.geometry.branches import branches_at
from aneuflow.geometry.ostium import ostium_of_sac
from aneuflow.geometry.parent_vessel import Excess, LumenGrid, Tube, blind_branches, centered, excess, lumen_grid, parent_tubes
from aneuflow.numerics import surface as sf
from aneuflow.numerics.graph_cut import minimum_cut
from aneuflow.types import (
    REGION_PARENT,
    REGION_SAC,
    WALL_PATCH,
    Aneurysm,
    ByteArray,
    Cap,
    FloatArray,
    Note,
    PatchedSurface,
    Surface,
)

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

# In expected radii outside the tubes: where a candidate begins, where wall is as likely sac as artery, the least dome.
_CANDIDATE, _EVEN, _DOME = 0.6, 0.8, 1.2
# Gain of area against cost of neck length: small values let concavity decide; raised until a sac remains.
_GAINS = (0.5, 1.0, 2.0, 4.0)
_CONCAVITY, _LEAST_COST, _MOST_COST = 1.5, 0.1, 2.0
_NORMAL_SMOOTHING, _NECK_SMOOTHING = 0.35, 0.25
_UNSURE = 0.75
# 36 pi V^2 / S^3, 1 for a sphere: 0.44 or more in the sacs of 71 real segments, 0.3 in a sinus that touched an artery.
_FULLNESS = 0.35


@dataclass(frozen=True, eq=False)
class SacResult:
    """aneurysm is None where none was found; lumen has the neck line along its edges and region 1 on the sac."""

    aneurysm: Aneurysm | None
    lumen: PatchedSurface
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False)
class _Wall:
    """What the cut needs of the surface: edges (k, 2), the neck's cost across each (k,), area (n,), excess (n,), radius."""

    pairs: Any
    cost: FloatArray
    area: FloatArray
    outside: FloatArray
    candidate: BoolArray
    radius_mm: float


def find_aneurysm(
    lumen: PatchedSurface,
    caps: tuple[Cap, ...],
    plane: tuple[FloatArray, FloatArray] | None = None,
    hint: ByteArray | None = None,
) -> SacResult:
    """The largest sac of a lumen with its ostium and its branches; None for a vessel without.

    The parent vessel is rebuilt as tubes between the caps; the wall far outside of them is the sac, and its neck is the
    cheapest line around it, short and concave, by a minimum cut. plane (point, normal into the sac; mm) or hint (n,)
    (1 on the sac, by a label map or by hand) decide in place of that. Raises InputError where the plane cuts off no sac.
    """
    grid = lumen_grid(lumen, caps)
    tubes = parent_tubes(grid, caps)
    origin: Literal["automatic", "label", "plane"] = "automatic"
    confidence = 1.0
    if plane is not None:
        origin, field = "plane", _field_of_plane(lumen, *plane)
    elif hint is not None and np.any(hint):
        origin, field = "label", _smooth_field(lumen.surface, hint.astype(bool), float(np.median(tubes[0].expected_mm)))
    else:
        wall = _wall(lumen, grid, tubes)
        chosen = _cut(wall, lumen.surface) if wall is not None else None
        if wall is None or chosen is None:
            return SacResult(None, lumen)
        confidence = _stability(wall, lumen.surface, chosen)
        field = _smooth_field(lumen.surface, chosen, wall.radius_mm)
    parted = _part(lumen, field)
    if parted is None:
        if origin == "plane":
            raise InputError("The neck plane cuts no sac off the lumen; move the plane or turn its normal into the sac.")
        return SacResult(None, lumen)
    split, sac_triangles = parted
    ostium = ostium_of_sac(split.surface.points, split.surface.triangles[sac_triangles], origin, confidence)
    artery = np.unique(split.surface.triangles[~sac_triangles & (split.patch == WALL_PATCH)])
    rebuilt = tuple(centered(tube, split.surface.points[artery]) for tube in tubes)
    kind, parent, daughters = branches_at(ostium.neck_line_mm, ostium.center_mm, rebuilt, caps)
    openings = len(sf.boundary_loops(split.surface.triangles[sac_triangles]))
    return SacResult(Aneurysm(ostium, kind, parent, daughters), split, _neck_notes(confidence, openings))


def _neck_notes(confidence: float, openings: int) -> tuple[Note, ...]:
    notes = []
    if confidence < _UNSURE:
        notes.append(Note("neck_uncertain", {"confidence_percent": 100 * confidence}))
    if openings > 1:
        notes.append(Note("sac_several_openings", {"count": openings}))
    return tuple(notes)


def _wall(lumen: PatchedSurface, grid: LumenGrid, tubes: tuple[Tube, ...]) -> _Wall | None:
    points, triangles = lumen.surface.points, lumen.surface.triangles
    inside = excess(grid.points_mm, tubes)
    extra = blind_branches(grid, inside, _CANDIDATE)
    on_wall = excess(points, tubes + extra)
    if extra:
        inside = inside.joined(excess(grid.points_mm, extra))
    chosen = _candidate(grid, inside)
    if chosen is None:
        return None
    candidate = np.asarray(cKDTree(grid.points_mm[chosen]).query(points)[0]) < 3 * grid.spacing_mm
    candidate[np.unique(triangles[lumen.patch != WALL_PATCH])] = False
    radius = float(np.median(inside.expected_mm[chosen]))
    pairs, cost = _neck_costs(lumen.surface, radius)
    return _Wall(pairs, cost, sf.vertex_areas(points, triangles), on_wall.value, candidate, radius)


def _candidate(grid: LumenGrid, inside: Excess) -> BoolArray | None:
    """The connected voxels outside the tubes that hold the most, thick parts counting more than thin ones."""
    outside = np.flatnonzero(inside.value > _CANDIDATE)
    if not len(outside):
        return None
    component = csgraph.connected_components(grid.neighbors[outside][:, outside], directed=False)[1]
    best = np.bincount(component, weights=grid.depth_mm[outside] ** 2).argmax()
    chosen = np.zeros(len(inside.value), dtype=bool)
    chosen[outside[component == best]] = True
    return chosen


def _neck_costs(surface: Surface, radius: float) -> tuple[Any, FloatArray]:
    """Edges (k, 2) and what a neck line across each costs, mm: its length there, less where the wall is concave."""
    points, triangles = surface.points, surface.triangles
    pairs, _ = sf.edges(triangles)
    normals = _diffused(surface, sf.vertex_normals(points, triangles), _NORMAL_SMOOTHING * radius)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    step = points[pairs[:, 0]] - points[pairs[:, 1]]
    bend = ((normals[pairs[:, 0]] - normals[pairs[:, 1]]) * step).sum(axis=1) / np.maximum((step**2).sum(axis=1), 1e-12)
    across = np.sort(sf.directed_edges(triangles), axis=1)
    place = np.searchsorted(pairs @ [len(points), 1], across @ [len(points), 1])
    reach = np.linalg.norm(np.repeat(points[triangles].mean(axis=1), 3, axis=0) - points[across].mean(axis=1), axis=1)
    length = np.bincount(place, reach, minlength=len(pairs))
    return pairs, length * np.clip(1 + _CONCAVITY * bend * radius, _LEAST_COST, _MOST_COST)


def _diffused(surface: Surface, values: FloatArray, width_mm: float) -> FloatArray:
    """Values at the points (n, d) averaged with their neighbors until the spread is about width_mm."""
    pairs, _ = sf.edges(surface.triangles)
    n = len(surface.points)
    edge = float(np.median(np.linalg.norm(surface.points[pairs[:, 0]] - surface.points[pairs[:, 1]], axis=1)))
    half = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n)).tocsr()
    near: Any = half + half.T + sparse.identity(n, format="csr")
    mean = sparse.diags(1 / np.asarray(near.sum(axis=1)).ravel()) @ near
    for _ in range(max(1, round((width_mm / edge) ** 2))):
        values = mean @ values
    return values


def _cut(wall: _Wall, surface: Surface, even: float = _EVEN, factor: float = 1.0) -> BoolArray | None:
    """The points (n,) of the sac, or None where no line around a dome pays."""
    for gain in _GAINS:
        worth = gain * factor / wall.radius_mm * wall.area
        liking = np.clip(wall.outside - even, -1, 1)
        liking = np.where(wall.candidate | (liking < 0), liking, -0.3)
        chosen = minimum_cut(wall.pairs, wall.cost, worth * liking)
        if chosen.any():
            top = int(np.argmax(np.where(chosen, wall.outside, -np.inf)))
            label = sf.vertex_components(len(chosen), surface.triangles[chosen[surface.triangles].all(axis=1)])
            chosen &= label == label[top]
            area = float(wall.area[chosen].sum())
            if wall.outside[top] > _DOME and area > wall.radius_mm**2:
                # A strip along arteries that touch, or a plate, is no sac, however far outside of the tubes.
                return chosen if _fullness(surface, chosen) > _FULLNESS else None
    return None


def _fullness(surface: Surface, chosen: BoolArray) -> float:
    """36 pi V^2 / S^3 of the wall between the points chosen, closed over its neck; S without the neck."""
    triangles = surface.triangles[chosen[surface.triangles].all(axis=1)]
    area = sf.area(surface.points, triangles)
    volume = sf.signed_volume(*sf.fill_openings(surface.points, triangles))
    return 36 * np.pi * volume**2 / area**3 if area > 0 else 0.0


def _stability(wall: _Wall, surface: Surface, chosen: BoolArray) -> float:
    """Mean overlap (Dice, by area) of the sac with those found under other weights: 1 where the neck is unmistakable."""
    overlaps = []
    for even, factor in ((_EVEN - 0.25, 1.0), (_EVEN + 0.25, 1.0), (_EVEN, 0.5), (_EVEN, 2.0)):
        other = _cut(wall, surface, even, factor)
        both = 0.0 if other is None else wall.area[chosen & other].sum()
        total = wall.area[chosen].sum() + (0.0 if other is None else wall.area[other].sum())
        overlaps.append(2 * both / total)
    return float(np.mean(overlaps))


def _smooth_field(surface: Surface, chosen: BoolArray, radius: float) -> FloatArray:
    """A field (n,) below zero on the chosen points whose zero line is their border without its zigzag."""
    return _diffused(surface, np.where(chosen, -1.0, 1.0)[:, None], _NECK_SMOOTHING * radius)[:, 0]


def _field_of_plane(lumen: PatchedSurface, point: FloatArray, normal: FloatArray) -> FloatArray:
    """Below zero on the side of the plane the normal points to, in the part without caps whose rim is nearest to the point."""
    points, triangles = lumen.surface.points, lumen.surface.triangles
    length = float(np.linalg.norm(normal))
    if length == 0 or not np.isfinite([*point, *normal]).all():
        raise InputError(
            f"The neck plane has no direction (normal {np.asarray(normal).tolist()}); give a point and a normal into the sac."
        )
    field = -((points - point) @ normal) / length
    field[field == 0] = 1e-9
    above = field < 0
    label = sf.vertex_components(len(points), triangles[above[triangles].all(axis=1)])
    capped = np.unique(label[np.unique(triangles[lumen.patch != WALL_PATCH])])
    rim = np.unique(triangles[above[triangles].any(axis=1) & ~above[triangles].all(axis=1)])
    rim = rim[above[rim] & ~np.isin(label[rim], capped)]
    if not len(rim):
        return np.ones(len(points))
    distance = np.linalg.norm(points[rim] - point, axis=1)
    parts = np.unique(label[rim])
    mean = [distance[label[rim] == part].mean() for part in parts]
    return np.where(above & (label != parts[int(np.argmin(mean))]), -field, field)


def _part(lumen: PatchedSurface, field: FloatArray) -> tuple[PatchedSurface, BoolArray] | None:
    """The lumen with its triangles split along the zero line, and which of them (m,) are the sac."""
    fixed = np.unique(lumen.surface.triangles[lumen.patch != WALL_PATCH])
    field = field.copy()
    field[fixed] = np.abs(field[fixed]) + 1e-6
    split = sf.split_by_field(lumen.surface.points, lumen.surface.triangles, field)
    sac = _without_islands(split.triangles, split.below, lumen.patch[split.face] != WALL_PATCH)
    if not sac.any() or sac.all():
        return None
    region = np.full(len(split.points), REGION_PARENT, dtype=np.uint8)
    region[np.unique(split.triangles[sac])] = REGION_SAC
    surface = Surface(split.points, split.triangles)
    return PatchedSurface(surface, lumen.patch[split.face], region), sac


def _without_islands(triangles: Any, below: BoolArray, capped: BoolArray) -> BoolArray:
    """The largest connected part of the triangles chosen, with what it encloses of the wall; branches with a cap stay out."""
    if not below.any():
        return below
    part = sf.face_components(triangles, below)
    sac = part == np.bincount(part[below]).argmax()
    rest = sf.face_components(triangles, ~sac)
    return np.asarray(sac | ~np.isin(rest, np.unique(rest[capped & ~sac])))
