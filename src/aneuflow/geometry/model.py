"""The stage `model`: from a label map or a surface to the capped lumen with centerlines, sac and flow extensions."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from aneuflow.errors import InputError, MethodError
from aneuflow.geometry.caps import close_ends, cut_ends, open_ends, tube_tips, without_flat_ends
from aneuflow.geometry.extensions import extend
from aneuflow.geometry.from_labels import lumen_surface
from aneuflow.geometry.repair import refine, repair
from aneuflow.geometry.sac import find_aneurysm
from aneuflow.geometry.settings import ModelSettings
from aneuflow.numerics import centerline as cl
from aneuflow.numerics import surface as sf
from aneuflow.types import (
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

# Ends of a label map are rounded by the voxels and the smoothing; so much of them, in radii, is cut away.
_ROUNDED_RADII = 0.35


def build_model(source: LabelMap | Surface, settings: ModelSettings, progress: Progress = no_progress) -> LumenModel:
    """The lumen model of a label map or of a surface (mm, LPS; open or closed with flat caps).

    Raises InputError where the source is no single vessel with at least two ends, MethodError where the model made of it
    fails its own checks.
    """
    progress(0.0, "surface")
    surface, hint, notes = _wall(source, settings)
    progress(0.2, "caps")
    surface, cut_notes = _with_cut_ends(surface, isinstance(source, LabelMap))
    lumen, caps = close_ends(surface, settings.inlet_caps)
    progress(0.3, "centerlines")
    lines = _centerlines(lumen, caps)
    progress(0.6, "aneurysm")
    aneurysm = None
    if settings.aneurysm == "auto":
        plane = settings.neck_plane and (np.array(settings.neck_plane.point_mm), np.array(settings.neck_plane.normal))
        found = find_aneurysm(lumen, caps, plane or None, _carried(hint, lumen))
        aneurysm, lumen, notes = found.aneurysm, found.lumen, (*notes, *found.notes)
    if aneurysm is None:
        notes = (*notes, Note("no_aneurysm", {}, "information"))
    progress(0.9, "flow extensions")
    extended, extended_caps, extension_notes = extend(
        lumen, caps, settings.inlet_extension_diameters, settings.outlet_extension_diameters
    )
    model = LumenModel(
        lumen=lumen,
        caps=caps,
        centerlines=lines,
        aneurysm=aneurysm,
        extended=extended,
        extended_caps=extended_caps,
        notes=(*notes, *cut_notes, *_inlet_notes(caps, settings), *extension_notes),
    )
    _check(model)
    progress(1.0, "model")
    return model


def _wall(source: LabelMap | Surface, settings: ModelSettings) -> tuple[Surface, tuple[Any, Any] | None, tuple[Note, ...]]:
    """The clean wall, the points and flags of a labeled aneurysm where there is one, and notes."""
    hint, notes = None, source.notes if isinstance(source, LabelMap) else ()
    if isinstance(source, LabelMap):
        source, labeled, label_notes = lumen_surface(source, settings.smoothing_steps)
        hint, notes = (source.points, labeled) if labeled.any() else None, (*notes, *label_notes)
    if not np.isfinite(source.points).all():
        raise InputError("The surface has points that are not numbers (NaN or infinite); export it again.")
    surface, repairs = repair(source)
    if len(sf.boundary_loops(surface.triangles)) < 2:
        surface = without_flat_ends(surface)
    surface, refinements = refine(surface, settings.target_edge_mm)
    return surface, hint, (*notes, *repairs, *refinements)


def _with_cut_ends(surface: Surface, from_labels: bool) -> tuple[Surface, tuple[Note, ...]]:
    ends = open_ends(surface)
    if from_labels:
        closed = Surface(*sf.fill_openings(surface.points, surface.triangles))
        centers = [surface.points[end.seeds].mean(axis=0) for end in ends]
        for tip in tube_tips(closed):
            place = closed.points[tip.seeds[0]]
            near = [
                np.linalg.norm(place - c) < 2 * max(e.radius_mm, tip.radius_mm) for c, e in zip(centers, ends, strict=False)
            ]
            if not any(near) and tip.seeds[0] < len(surface.points):
                ends.append(tip)
    cut, failed = cut_ends(surface, ends, _ROUNDED_RADII if from_labels else 0.0)
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


def _carried(hint: tuple[Any, Any] | None, lumen: PatchedSurface) -> Any:
    if hint is None:
        return None
    places, flags = hint
    return flags[cKDTree(places).query(lumen.surface.points)[1]].astype(np.uint8)


def _inlet_notes(caps: tuple[Cap, ...], settings: ModelSettings) -> tuple[Note, ...]:
    inlets = [cap.id for cap in caps if cap.role == "inlet"]
    chosen = {"caps": ", ".join(map(str, inlets)), "ends": len(caps)}
    return () if settings.inlet_caps else (Note("inlet_assumed", chosen, "assumption"),)


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
        areas = sf.face_areas(surface.points, surface.triangles)
        for cap in caps:
            if not areas[patched.patch == cap.id].sum() > 0:
                raise MethodError(f"End {cap.id} of the {name} has no area; cut the vessel's end elsewhere.")
