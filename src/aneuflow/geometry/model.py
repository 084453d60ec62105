"""The stage `model`: from a label map or a surface to the capped lumen with centerlines, sac and flow extensions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from aneuflow.errors import InputError, MethodError
from aneuflow.geometry.candidates import ArteryTree, artery_tree
from aneuflow.geometry.caps import TREE_BOX_MM, close_ends, cut_ends, cut_tips, is_tree, open_ends, without_flat_ends
from aneuflow.geometry.extensions import extend
from aneuflow.geometry.from_labels import LabeledSurface, lumen_surface, parts, voxelized
from aneuflow.geometry.region import Region
from aneuflow.geometry.repair import STRAY_HOLE_MM, refine, repair, without_degenerates
from aneuflow.geometry.sac import SacResult, find_aneurysm
from aneuflow.geometry.scale import check_scale
from aneuflow.geometry.second_opinion import SecondOpinion, second_opinion
from aneuflow.geometry.settings import ModelSettings
from aneuflow.geometry.whole_tree import Focus, focus_on, sac_on, told_of, with_flow_inlets
from aneuflow.numerics import centerline as cl
from aneuflow.numerics import surface as sf
from aneuflow.types import (
    ByteArray,
    Candidate,
    Cap,
    Centerline,
    LabelMap,
    LumenModel,
    Note,
    PatchedSurface,
    Progress,
    Surface,
    no_progress,
)

_FEW_BAD_EDGES = 20


@dataclass(frozen=True, eq=False)
class CutWall:
    """A clean wall with its ends cut open, the label map it was made from and what that said of it, where there is one."""

    surface: Surface
    labels: LabelMap | None
    labeled: LabeledSurface | None
    notes: tuple[Note, ...]
    cut_notes: tuple[Note, ...]


def build_model(source: LabelMap | Surface, settings: ModelSettings, progress: Progress = no_progress) -> LumenModel:
    """The lumen model of a label map or of a surface (mm, LPS; open or closed with flat caps).

    Of a whole artery tree (`caps.is_tree`) it is made of the region around an aneurysm, where one is found. Raises InputError
    where the source is no single vessel with at least two ends, MethodError where the model made of it fails its own checks.
    """
    progress(0.0, "surface")
    wall = cut_wall(source, settings)
    whole = settings.aneurysm == "auto" and settings.region_diameters > 0 and _is_tree(wall.surface)
    focus: Focus | None = None
    candidates: tuple[Candidate, ...] = ()
    if whole:
        progress(0.2, "whole tree")
        labels = cache(partial(labels_of, wall, source))
        focus, candidates = focus_on(artery_trees(wall, settings), settings, asked(labels, settings))
        if focus is not None:
            wall = cut_wall(labels(), settings, focus.region)
    lumen, caps = close_ends(wall.surface, settings.inlet_caps)
    if focus is not None and not settings.inlet_caps:
        caps = with_flow_inlets(caps, focus.tubes)
    progress(0.3, "centerlines")
    lines = _centerlines(lumen, caps)
    progress(0.6, "aneurysm")
    found = SacResult(None, lumen)
    if settings.aneurysm == "auto" and (focus is not None or not whole):
        found = _aneurysm(lumen, caps, settings, wall, focus)
    no_aneurysm = () if found.aneurysm is not None else (Note("no_aneurysm", {}, "information"),)
    progress(0.9, "flow extensions")
    extended, extended_caps, extension_notes = extend(
        found.lumen, caps, settings.inlet_extension_diameters, settings.outlet_extension_diameters
    )
    notes = (*wall.notes, *found.notes, *no_aneurysm, *wall.cut_notes, *_inlet_notes(caps, settings, focus), *extension_notes)
    model = LumenModel(
        lumen=found.lumen,
        caps=caps,
        centerlines=lines,
        aneurysm=found.aneurysm,
        extended=extended,
        extended_caps=extended_caps,
        notes=(*(focus.notes if focus is not None else ()), *told_of(candidates), *notes),
        candidates=candidates,
    )
    _check(model)
    progress(1.0, "model")
    return model


def _aneurysm(
    lumen: PatchedSurface, caps: tuple[Cap, ...], settings: ModelSettings, wall: CutWall, focus: Focus | None
) -> SacResult:
    if settings.neck_plane is not None:
        plane = np.array(settings.neck_plane.point_mm), np.array(settings.neck_plane.normal)
        return find_aneurysm(lumen, caps, plane)
    if focus is not None and focus.sac is not None:
        return find_aneurysm(lumen, caps, None, sac_on(lumen, focus.sac), focus.sac[2])
    return find_aneurysm(lumen, caps, None, _carried(wall.labeled, lumen))


def _is_tree(surface: Surface) -> bool:
    return is_tree(surface, len(sf.boundary_loops(surface.triangles)))


def artery_trees(wall: CutWall, settings: ModelSettings) -> list[ArteryTree]:
    """The trees of a head, that of this wall first: the carotid and the vertebral arteries are often not joined."""
    walls = [wall]
    for part in parts(wall.labels, TREE_BOX_MM)[1:] if wall.labels is not None else ():
        with contextlib.suppress(InputError):
            walls.append(cut_wall(part, settings))
    trees = []
    for each in walls:
        if _is_tree(each.surface):
            lumen, caps = close_ends(each.surface)
            trees.append(artery_tree(lumen, caps, _carried(each.labeled, lumen)))
    return trees


def asked(labels: Callable[[], LabelMap], settings: ModelSettings, session: Any = None) -> SecondOpinion:
    """What the network of the sac, or that given, says of candidates in the trees of a label map, made when first asked."""
    return second_opinion(lambda region: close_ends(cut_wall(labels(), settings, region).surface), session)


def labels_of(wall: CutWall, source: LabelMap | Surface) -> LabelMap:
    """The label map that a wall was drawn from, or one of its source."""
    return wall.labels or _filled(source)


def _filled(source: LabelMap | Surface) -> LabelMap:
    return voxelized(Surface(*without_degenerates(source))) if isinstance(source, Surface) else source


def cut_wall(source: LabelMap | Surface, settings: ModelSettings, region: Region | None = None) -> CutWall:
    """The wall of a source, or of a region of it."""
    if isinstance(source, Surface):
        if not np.isfinite(source.points).all():
            raise InputError("The surface has points that are not numbers (NaN or infinite); export it again.")
        check_scale(source)
        opened, repairs = _opened(source)
        if opened is not None:
            surface, refinements = refine(opened, settings.target_edge_mm)
            surface, cut_notes = _with_cut_ends(surface, None)
            return CutWall(surface, None, None, (*repairs, *refinements), cut_notes)
        source = _filled(source)
    labeled = lumen_surface(source, settings.smoothing_steps, settings.least_outlet_diameter_mm, region)
    surface, notes = repair(labeled.surface, largest_only=True)
    surface, cut_notes = _with_cut_ends(surface, labeled)
    return CutWall(surface, source, labeled, (*source.notes, *labeled.notes, *notes), cut_notes)


def _opened(surface: Surface) -> tuple[Surface | None, tuple[Note, ...]]:
    """The repaired surface with its ends open; None where it has no ends, or is closed but badly joined.

    Whole artery trees come like that: closed all around, with hundreds of edges where vessels touch.
    """
    clean = Surface(*without_degenerates(surface))
    badly_joined = len(clean.triangles) > 0 and len(sf.nonmanifold_edges(clean.triangles)) > _FEW_BAD_EDGES
    if badly_joined and len(_wide_loops(clean)) < 2:
        return None, ()
    repaired, notes = repair(surface)
    if len(sf.boundary_loops(repaired.triangles)) < 2:
        repaired = without_flat_ends(repaired)
    return (repaired if len(sf.boundary_loops(repaired.triangles)) >= 2 else None), notes


def _wide_loops(surface: Surface) -> list[Any]:
    rings = [surface.points[loop] for loop in sf.boundary_loops(surface.triangles)]
    return [ring for ring in rings if np.linalg.norm(sf.polygon_area_vector(ring)) > np.pi / 4 * STRAY_HOLE_MM**2]


def _with_cut_ends(surface: Surface, labeled: LabeledSurface | None) -> tuple[Surface, tuple[Note, ...]]:
    if labeled is None:
        cut, failed = cut_ends(surface, open_ends(surface))
    else:
        cut, failed = cut_tips(surface, labeled.ends, labeled.doubtful)
    if not len(cut.triangles):
        raise InputError("Nothing of a vessel is left between its ends; check that the input shows tubes and not specks.")
    label = sf.face_components(cut.triangles)
    largest = cut.triangles[label == np.argmax(np.bincount(label))]
    points, triangles, _ = sf.compact(cut.points, largest)
    return Surface(points, triangles), (Note("ends_uncut", {"count": failed}),) if failed else ()


def _centerlines(lumen: PatchedSurface, caps: tuple[Cap, ...]) -> tuple[Centerline, ...]:
    inlets = [cap for cap in caps if cap.role == "inlet"]
    outlets = [cap for cap in caps if cap.role == "outlet"]
    step = max(0.05, 0.1 * min(cap.radius_mm for cap in caps))
    starts, ends = (np.stack([cap.center_mm for cap in group]) for group in (inlets, outlets))
    try:
        lines = cl.centerlines(lumen.surface.points, lumen.surface.triangles, starts, ends, step)
    except cl.CenterlineError as error:
        raise MethodError(f"The centerline could not be drawn: {error}; check that the lumen is one open tube.") from None
    pairs = [(start.id, end.id) for start in inlets for end in outlets]
    return tuple(Centerline(a, b, points, radius) for (a, b), (points, radius) in zip(pairs, lines, strict=True))


def _carried(labeled: LabeledSurface | None, lumen: PatchedSurface) -> ByteArray | None:
    if labeled is None or not labeled.in_aneurysm.any():
        return None
    nearest = cKDTree(labeled.surface.points).query(lumen.surface.points)[1]
    return np.asarray(labeled.in_aneurysm[nearest], dtype=np.uint8)


def _inlet_notes(caps: tuple[Cap, ...], settings: ModelSettings, focus: Focus | None) -> tuple[Note, ...]:
    if settings.inlet_caps:
        return ()
    inlets = [cap.id for cap in caps if cap.role == "inlet"]
    chosen = {"caps": ", ".join(map(str, inlets)), "ends": len(caps)}
    return (Note("inlet_assumed" if focus is None else "inlet_by_tree", chosen, "assumption"),)


def _check(model: LumenModel) -> None:
    """Raises MethodError where the model is not what the later stages rely on."""
    for name, patched, caps in (("lumen", model.lumen, model.caps), ("extended lumen", model.extended, model.extended_caps)):
        surface = patched.surface
        if not np.isfinite(surface.points).all():
            raise MethodError(f"The {name} has points that are not numbers after repair; give a cleaner surface.")
        if not sf.is_closed(surface.triangles):
            raise MethodError(f"The {name} is not watertight after repair; give a cleaner surface.")
        if not sf.signed_volume(surface.points, surface.triangles) > 0:
            raise MethodError(f"The {name} encloses no volume after repair; check the orientation of its triangles.")
        lengths = np.linalg.norm(sf.vertex_normals(surface.points, surface.triangles), axis=1)
        if not (lengths[np.unique(surface.triangles)] > 0.5).all():
            raise MethodError(f"The {name} has points whose triangles all lack area after repair; give a cleaner surface.")
        areas = sf.face_areas(surface.points, surface.triangles)
        for cap in caps:
            if not areas[patched.patch == cap.id].sum() > 0:
                raise MethodError(f"End {cap.id} of the {name} has no area; cut the vessel's end elsewhere.")
