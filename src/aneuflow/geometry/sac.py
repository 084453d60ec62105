"""The sac: found on the lumen, parted from its artery along a clean neck line, and placed on its tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from aneuflow.errors import InputError
from aneuflow.geometry.agreed_sac import SAME, AgreedSac, agreed_sac
from aneuflow.geometry.branches import branches_at
from aneuflow.geometry.learned_sac import sac_odds
from aneuflow.geometry.neck_cut import BoolArray, Wall, smooth_field, wall_of
from aneuflow.geometry.ostium import ostium_of_sac
from aneuflow.geometry.parent_vessel import (
    BRANCH_LENGTH,
    Excess,
    LumenGrid,
    Outside,
    Tube,
    centered,
    lumen_grid,
    outside_tubes,
    parent_tubes,
)
from aneuflow.geometry.wall_cloud import wall_cloud
from aneuflow.numerics import surface as sf
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

# In expected radii outside the tubes: where a candidate begins.
CANDIDATE = 0.6
_UNSURE = 0.75


@dataclass(frozen=True, eq=False)
class SacResult:
    """aneurysm is None where none was found; lumen has the neck line along its edges and region 1 on the sac."""

    aneurysm: Aneurysm | None
    lumen: PatchedSurface
    notes: tuple[Note, ...] = ()


def find_aneurysm(
    lumen: PatchedSurface,
    caps: tuple[Cap, ...],
    plane: tuple[FloatArray, FloatArray] | None = None,
    hint: ByteArray | None = None,
    hint_confidence: float | None = None,
) -> SacResult:
    """The largest sac of a lumen with its ostium and its branches; None for a vessel without.

    The parent vessel is rebuilt as tubes between the caps; the wall far outside of them is the sac, and its neck is the
    cheapest line around it, short and concave, by a minimum cut. A network says independently what is sac (`agreed_sac`).
    plane (point, normal into the sac; mm) or hint (n,) (1 on the sac) decide in place of both; hint_confidence: that of a
    hint found by shape, None where it was labeled.
    Raises InputError where the plane cuts off no sac.
    """
    grid = lumen_grid(lumen, caps)
    tubes = parent_tubes(grid, caps)
    origin: Literal["automatic", "label", "plane"] = "automatic"
    confidence = 1.0
    notes: tuple[Note, ...] = ()
    if plane is not None:
        origin, field = "plane", _field_of_plane(lumen, *plane)
    elif hint is not None and np.any(hint):
        field = smooth_field(lumen.surface, hint.astype(bool), float(np.median(tubes[0].expected_mm)))
        if hint_confidence is None:
            origin = "label"
        else:
            confidence = hint_confidence
    else:
        wall, odds = told_wall(lumen, caps, grid, tubes)
        agreed = agreed_sac(wall, odds)
        if agreed is None:
            return SacResult(None, lumen)
        confidence, notes = agreed.confidence, _sac_notes(agreed)
        field = smooth_field(lumen.surface, agreed.chosen, wall.radius_mm)
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
    if openings > 1:
        notes = (*notes, Note("sac_several_openings", {"count": openings}))
    return SacResult(Aneurysm(ostium, kind, parent, daughters), split, notes)


def _sac_notes(agreed: AgreedSac) -> tuple[Note, ...]:
    notes = []
    if agreed.alone is not None:
        notes.append(Note(f"sac_by_{agreed.alone}_alone", {}))
    elif agreed.agreement < SAME:
        notes.append(Note("sac_methods_differ", {"agreement_percent": 100 * agreed.agreement}))
    if agreed.stability < _UNSURE:
        notes.append(Note("neck_uncertain", {"confidence_percent": 100 * agreed.stability}))
    return tuple(notes)


def told_wall(
    lumen: PatchedSurface, caps: tuple[Cap, ...], grid: LumenGrid, tubes: tuple[Tube, ...], session: Any = None
) -> tuple[Wall, FloatArray]:
    """What both methods need of a lumen: its wall, and the log-odds (n,) of the network that its points are sac.

    session: a network in place of that of the package.
    """
    outside = outside_tubes(grid, lumen.surface.points, tubes, CANDIDATE)
    odds = sac_odds(wall_cloud(lumen, caps, tubes, outside), lumen.surface.points, session)
    odds[_capped(lumen)] = odds.min()
    return _wall(lumen, grid, outside), odds


def _wall(lumen: PatchedSurface, grid: LumenGrid, outside: Outside) -> Wall:
    """The wall with the largest part outside the tubes as candidate, if there is any."""
    part = next(iter(outside_parts(grid, outside.inside)), None)
    if part is None:
        none = np.zeros(len(lumen.surface.points), dtype=bool)
        return wall_of(lumen.surface, outside.beyond.value, none, float(np.median(outside.tubes.expected_mm)))
    candidate = near_part(grid, part, lumen.surface.points)
    candidate[_capped(lumen)] = False
    return wall_of(lumen.surface, outside.beyond.value, candidate, float(np.median(outside.inside.expected_mm[part])))


def _capped(lumen: PatchedSurface) -> Any:
    """The indices of the points of the caps, their rims included."""
    return np.unique(lumen.surface.triangles[lumen.patch != WALL_PATCH])


def outside_parts(grid: LumenGrid, inside: Excess) -> list[np.ndarray]:
    """The connected voxels outside the tubes, (k,) each, those that hold the most first, thick ones more than thin ones."""
    outside = np.flatnonzero(inside.value > CANDIDATE)
    if not len(outside):
        return []
    component = csgraph.connected_components(grid.neighbors[outside][:, outside], directed=False)[1]
    holds = np.bincount(component, weights=grid.depth_mm[outside] ** 2)
    members = np.split(outside[np.argsort(component, kind="stable")], np.cumsum(np.bincount(component))[:-1])
    return [members[k] for k in np.argsort(-holds, kind="stable")]


def near_part(grid: LumenGrid, part: np.ndarray, points: FloatArray) -> BoolArray:
    """The points (n, 3) mm of a wall that bound a part of the grid, bool (n,)."""
    return np.asarray(cKDTree(grid.points_mm[part]).query(points)[0]) < 3 * grid.spacing_mm


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
    sac = _without_islands(split.points, split.triangles, split.below, lumen.patch[split.face] != WALL_PATCH)
    if not sac.any() or sac.all():
        return None
    region = np.full(len(split.points), REGION_PARENT, dtype=np.uint8)
    region[np.unique(split.triangles[sac])] = REGION_SAC
    surface = Surface(split.points, split.triangles)
    return PatchedSurface(surface, lumen.patch[split.face], region), sac


def _without_islands(points: FloatArray, triangles: Any, below: BoolArray, capped: BoolArray) -> BoolArray:
    """The largest connected part of the triangles chosen, with what it encloses of the wall; branches stay out."""
    if not below.any():
        return below
    part = sf.face_components(triangles, below)
    sac = part == np.bincount(part[below]).argmax()
    rest = sf.face_components(triangles, ~sac)
    ended = np.unique(rest[capped & ~sac])
    branches = [n for n in range(rest.max() + 1) if n in ended or _is_branch(points, triangles[rest == n])]
    return np.asarray(sac | ~np.isin(rest, branches))


def _is_branch(points: FloatArray, triangles: Any) -> bool:
    """Whether wall that a sac encloses is an artery with a closed end, as large as a tube of four radii, and no dent in it."""
    opening = max(float(np.linalg.norm(sf.polygon_area_vector(points[loop]))) for loop in sf.boundary_loops(triangles))
    return sf.area(points, triangles) > 2 * BRANCH_LENGTH * opening
