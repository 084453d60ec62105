"""Two examinations of one aneurysm: laid over each other by the artery alone, and where the sac's wall has moved since."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from aneuflow.errors import MethodError
from aneuflow.geometry.sac import find_aneurysm
from aneuflow.numerics import surface as sf
from aneuflow.numerics.registration import Rigid, fitted, frame_to_frame, signed_distance
from aneuflow.types import REGION_SAC, WALL_PATCH, FloatArray, IntArray, LumenModel, Surface

# Wall of the artery this near to the sac does not take part in the registration: the neck may have moved, mm.
_AROUND_NECK_MM = 1.0
_POINTS, _KEPT, _ROUGH_STEPS, _STEPS = 4000, 0.75, 15, 60
# Two surfaces of one artery lie this near to each other, mm, over this share of their common length, with this deviation, mm.
# Arteries of different patients, as well laid over each other as they can be: 0.4 to 0.7, 0.29 and more.
_NEAR_MM, _LEAST_SHARE, _MOST_DEVIATION_MM = 0.6, 0.75, 0.25
# A change is averaged over about this width, and shows where chance brings it at most once in ten times, mm and mm2.
_WIDTH_MM, _NINETY, _LEAST_AREA_MM2 = 0.4, 1.645, 1.0
_ARTERY_DEVIATIONS = 3.0


@dataclass(frozen=True, eq=False)
class Growth:
    """How the wall of the second examination lies to that of the first, in the frame of the first.

    wall: the second wall, moved; change_mm (n,): how far it lies outside the first one, the artery's mean difference taken
    off; is_sac (n,): the sac of either examination. grown_mm2, shrunk_mm2: area beyond limit_mm; largest_mm, least_mm: the
    extremes over the sac. artery_sd_mm, artery_shift_mm, overlap: how the arteries fit.
    """

    wall: Surface
    change_mm: FloatArray
    is_sac: Any
    motion: Rigid
    limit_mm: float
    grown_mm2: float
    shrunk_mm2: float
    largest_mm: float
    least_mm: float
    artery_sd_mm: float
    artery_shift_mm: float
    overlap: float


def compare_models(first: LumenModel, second: LumenModel, surface_sd_mm: float) -> Growth:
    """Where the sac's wall has moved between two lumens of one patient, beyond what surfaces of sd `surface_sd_mm` allow.

    The arteries are registered rigidly, sacs left out; what is left between them tells how well. Raises MethodError where
    a model has no sac, or the two arteries do not fit each other.
    """
    for name, model in (("first", first), ("second", second)):
        if model.aneurysm is None:
            raise MethodError(f"The {name} examination has no aneurysm, so there is no growth to show; give its neck plane.")
    motion = _registered(first, second)
    points, triangles = _wall(second)
    moved, first_wall = motion(points), _wall(first)
    inverse = Rigid(motion.rotation.T, -motion.rotation.T @ motion.translation)
    artery, beyond = _artery(second), _overlapping(second, first, inverse)
    distance = signed_distance(moved, *first_wall)
    both = artery & beyond & (np.abs(distance) < _NEAR_MM)
    share = float(both.sum() / max(int((artery & beyond).sum()), 1))
    shift = float(np.median(distance[both])) if both.any() else np.inf
    spread = 1.4826 * float(np.median(np.abs(distance[both] - shift))) if both.any() else np.inf
    if share < _LEAST_SHARE or spread > _MOST_DEVIATION_MM:
        raise MethodError(
            f"The arteries of the two examinations do not fit each other ({100 * share:.0f} % of their common wall within "
            f"{_NEAR_MM} mm, deviation {spread:.2f} mm; needed: {100 * _LEAST_SHARE:.0f} % and {_MOST_DEVIATION_MM} mm); "
            "check that both show the same artery of the same patient."
        )
    change = _averaged(points, triangles, distance - shift)
    is_sac = _in_either_sac(first, second, moved)
    # Both surfaces are uncertain. What of that is common to a whole lumen went off with the shift, which makes the limit wider
    # than it need be: how much of it is common is not known.
    limit = max(_NINETY * np.sqrt(2) * surface_sd_mm, _ARTERY_DEVIATIONS * spread)
    grown = _area_beyond(points, triangles, is_sac & (change > limit))
    shrunk = _area_beyond(points, triangles, is_sac & (change < -limit))
    return Growth(
        Surface(moved, triangles), change, is_sac, motion, float(limit), grown, shrunk,
        float(change[is_sac].max()), float(change[is_sac].min()), spread, shift, share,
    )  # fmt: skip


def with_neck_of(first: LumenModel, second: LumenModel, growth: Growth) -> LumenModel:
    """The second model with its sac up to the first one's neck: a neck found elsewhere must not look like growth.

    Raises MethodError where that neck does not part the second lumen.
    """
    points, triangles = _wall(first)
    in_sac = (first.lumen.region[triangles] == REGION_SAC).all(axis=1)
    nearest = cKDTree(points[triangles].mean(axis=1)).query(growth.wall.points)[1]
    found = find_aneurysm(second.lumen, second.caps, hint=in_sac[nearest].astype(np.uint8))
    if found.aneurysm is None:
        raise MethodError("The neck of the first examination does not part a sac from the second; give a neck plane there.")
    return replace(second, lumen=found.lumen, aneurysm=found.aneurysm)


def _wall(model: LumenModel) -> tuple[FloatArray, IntArray]:
    """All points of the lumen and the triangles of its wall."""
    return model.lumen.surface.points, model.lumen.surface.triangles[model.lumen.patch == WALL_PATCH]


def _artery(model: LumenModel) -> Any:
    """Which points (n,) are wall of the artery, away from the sac."""
    points, triangles = _wall(model)
    sac = model.lumen.region == REGION_SAC
    chosen = np.zeros(len(points), dtype=bool)
    chosen[np.unique(triangles)] = True
    away = cKDTree(points[sac]).query(points)[0] if sac.any() else np.full(len(points), np.inf)
    return chosen & (away > _AROUND_NECK_MM)


def _overlapping(model: LumenModel, other: LumenModel, inverse: Rigid) -> Any:
    """Which points (n,) lie before the ends of the other lumen: arteries are cut at different places."""
    inside = np.ones(len(model.lumen.surface.points), dtype=bool)
    for cap in other.caps:
        center, normal = inverse(cap.center_mm[None])[0], inverse.turned(cap.normal[None])[0]
        offset = model.lumen.surface.points - center
        behind = offset @ normal
        inside &= ~((behind > -0.5) & (np.linalg.norm(offset - np.outer(behind, normal), axis=1) < 2.5 * cap.radius_mm))
    return inside


def _registered(first: LumenModel, second: LumenModel) -> Rigid:
    """The motion of the second artery onto the first: the best of the starts that the necks, and the frames, suggest."""
    fixed, fixed_triangles = _wall(first)
    normals = sf.vertex_normals(fixed, fixed_triangles)
    keep = np.flatnonzero(_artery(first))
    moving = second.lumen.surface.points[_artery(second)]
    if len(keep) < 50 or len(moving) < 50:
        raise MethodError("Too little artery around the sac to lay two examinations over each other; include more of it.")
    random = np.random.default_rng(2026)
    sample = moving[random.permutation(len(moving))[:_POINTS]]
    rough = sample[: _POINTS // 4]
    tree = cKDTree(fixed[keep])

    def misfit(motion: Rigid) -> float:
        away = np.sort(tree.query(motion(rough))[0])
        return float(away[: int(_KEPT * len(away))].mean())

    tried = [
        fitted(rough, fixed[keep], normals[keep], start, _KEPT, _ROUGH_STEPS)
        for start in _starts(first, second, fixed[keep], moving)
    ]
    best = min(tried, key=misfit)
    return fitted(sample, fixed[keep], normals[keep], best, _KEPT, _STEPS)


def _starts(first: LumenModel, second: LumenModel, fixed: FloatArray, moving: FloatArray) -> list[Rigid]:
    """As they lie; middle on middle; neck on neck with the artery along itself either way, and turned about the neck."""
    assert first.aneurysm is not None and second.aneurysm is not None
    starts = [Rigid(np.eye(3), np.zeros(3)), Rigid(np.eye(3), fixed.mean(axis=0) - moving.mean(axis=0))]
    origin = first.aneurysm.ostium.center_mm
    starts.append(Rigid(np.eye(3), origin - second.aneurysm.ostium.center_mm))
    axes = _neck_axes(first)
    for turn in np.arange(8) * np.pi / 4:
        own = _neck_axes(second)
        around = np.array([[1, 0, 0], [0, np.cos(turn), np.sin(turn)], [0, -np.sin(turn), np.cos(turn)]]) @ own
        starts.append(frame_to_frame((second.aneurysm.ostium.center_mm, around), (origin, axes)))
    return starts


def _neck_axes(model: LumenModel) -> FloatArray:
    """Rows: normal of the neck plane, direction of the artery within it, their cross product."""
    assert model.aneurysm is not None
    normal = model.aneurysm.ostium.normal
    line = model.aneurysm.parent_line.points_mm
    along = line[-1] - line[max(0, len(line) - 20)]
    along = along - (along @ normal) * normal
    if np.linalg.norm(along) < 1e-9:
        along = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    along /= np.linalg.norm(along)
    return np.stack([normal, along, np.cross(normal, along)])


def _averaged(points: FloatArray, triangles: IntArray, values: FloatArray) -> FloatArray:
    """Values (n,) averaged over the wall around each point: single voxels do not count as growth."""
    pairs, _ = sf.edges(triangles)
    edge = float(np.median(np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)))
    average = sf.neighbor_average(len(points), triangles)
    for _ in range(max(1, round(2 * (_WIDTH_MM / edge) ** 2))):
        values = 0.5 * (values + average @ values)
    return values


def _in_either_sac(first: LumenModel, second: LumenModel, moved: FloatArray) -> Any:
    nearest = cKDTree(first.lumen.surface.points).query(moved)[1]
    return (second.lumen.region == REGION_SAC) | (first.lumen.region[nearest] == REGION_SAC)


def _area_beyond(points: FloatArray, triangles: IntArray, chosen: Any) -> float:
    """Area of the connected parts of the chosen points that hold at least 1 mm2, mm2."""
    areas = sf.vertex_areas(points, triangles)
    pairs, _ = sf.edges(triangles)
    pairs = pairs[chosen[pairs].all(axis=1)]
    graph = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(points), len(points)))
    part = csgraph.connected_components(graph, directed=False)[1]
    held = np.bincount(part[chosen], areas[chosen]) if chosen.any() else np.zeros(1)
    return float(held[held >= _LEAST_AREA_MM2].sum())
