"""Where in a whole artery tree the model is made: around a candidate aneurysm, a labeled one, or a neck plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from aneuflow.errors import InputError
from aneuflow.geometry.candidates import ArteryTree, TreeSac, find_candidates
from aneuflow.geometry.caps import with_inlets
from aneuflow.geometry.parent_vessel import Tube
from aneuflow.geometry.region import Region, inlets_by_flow, region_around
from aneuflow.geometry.settings import ModelSettings
from aneuflow.types import ByteArray, Candidate, Cap, FloatArray, Note, PatchedSurface

# Candidates of a lower score are not told of, nor more than so many.
LEAST_SCORE, MOST_CANDIDATES = 0.61, 3


@dataclass(frozen=True, eq=False)
class Focus:
    """The region to keep, the tree's tubes in the direction of the flow, and all candidates.

    sac: of the chosen candidate the tree's wall points (n, 3) mm, which of them (n,) are its sac, and how sure the neck is.
    """

    region: Region
    tubes: tuple[Tube, ...]
    candidates: tuple[Candidate, ...] = ()
    sac: tuple[FloatArray, ByteArray, float] | None = None
    notes: tuple[Note, ...] = ()


def focus_on(trees: Sequence[ArteryTree], settings: ModelSettings) -> Focus | None:
    """The region of interest in the artery trees of a head; None where nothing in them has the shape of an aneurysm.

    It lies around the neck plane of the settings, else around the points labeled as aneurysm, else around the candidate
    chosen among those of all trees. Raises InputError where fewer candidates were found than the number of that.
    """
    trees = [tree for tree in trees if tree.tubes]
    if not trees:
        return None
    if settings.neck_plane is not None:
        place = np.array([settings.neck_plane.point_mm])
        tree = min(trees, key=lambda each: float(cKDTree(each.grid.points_mm).query(place)[0][0]))
        return _around(tree, place, settings)
    for tree in trees:
        if tree.labeled is not None:
            return _around(tree, tree.lumen.surface.points[tree.labeled.astype(bool)], settings)
    ranked = likely([(tree, sac) for tree in trees for sac in find_candidates(tree)])
    if not ranked:
        return None
    if settings.candidate > len(ranked):
        raise InputError(
            f"Candidate {settings.candidate} was asked for, but only {len(ranked)} of the tree's places look like an aneurysm; "
            f"choose 1{f' to {len(ranked)}' if len(ranked) > 1 else ''}, or give a neck plane."
        )
    tree, chosen = ranked[settings.candidate - 1]
    found = tuple(
        Candidate(number, (float(x), float(y), float(z)), sac.diameter_mm, sac.score, sac is chosen)
        for number, (_, sac) in enumerate(ranked, start=1)
        for x, y, z in [sac.center_mm]
    )
    region = region_around(tree.grid, chosen.voxels, _reach(settings, _parent_radius(tree, chosen)))
    sac = (tree.lumen.surface.points, chosen.points.astype(np.uint8), chosen.confidence)
    return Focus(region, tree.tubes, found, sac, (_note(region), *_others(found)))


def likely(sacs: Sequence[tuple[ArteryTree, TreeSac]]) -> list[tuple[ArteryTree, TreeSac]]:
    """Those of the candidates that are told of, the likeliest first."""
    ranked = sorted(sacs, key=lambda found: -found[1].score)[:MOST_CANDIDATES]
    return [(tree, sac) for tree, sac in ranked if sac.score >= LEAST_SCORE]


def _around(tree: ArteryTree, places: FloatArray, settings: ModelSettings) -> Focus:
    """The region around places (k, 3) mm that were labeled or given."""
    axis = np.concatenate([tube.points_mm for tube in tree.tubes])
    radius = np.concatenate([tube.expected_mm for tube in tree.tubes])
    parent = float(np.median(radius[cKDTree(axis).query(places)[1]]))
    seeds = np.unique(cKDTree(tree.grid.points_mm).query(places)[1])
    region = region_around(tree.grid, seeds, _reach(settings, parent))
    return Focus(region, tree.tubes, notes=(_note(region),))


def _parent_radius(tree: ArteryTree, sac: TreeSac) -> float:
    """The radius of the widest artery beside a sac; where arteries part it is the one that blood comes by."""
    axis = np.concatenate([tube.points_mm for tube in tree.tubes])
    radius = np.concatenate([tube.expected_mm for tube in tree.tubes])
    beside = cKDTree(tree.grid.points_mm[sac.voxels]).query(axis)[0] < 2 * radius
    return float(radius[beside].max(initial=sac.parent_radius_mm))


def _reach(settings: ModelSettings, parent_radius_mm: float) -> float:
    return 2 * settings.region_diameters * parent_radius_mm


def _note(region: Region) -> Note:
    return Note("region_of_interest", {"reach_mm": region.reach_mm}, "assumption")


def _others(found: tuple[Candidate, ...]) -> tuple[Note, ...]:
    if len(found) < 2:
        return ()
    chosen = next(candidate.number for candidate in found if candidate.chosen)
    return (Note("several_candidates", {"count": len(found), "chosen": chosen}),)


def sac_on(lumen: PatchedSurface, sac: tuple[FloatArray, ByteArray, float]) -> ByteArray:
    """Which points (n,) of the region's lumen are the sac found in the whole tree."""
    points, inside, _ = sac
    return np.asarray(inside[cKDTree(points).query(lumen.surface.points)[1]])


def with_flow_inlets(caps: tuple[Cap, ...], tubes: tuple[Tube, ...]) -> tuple[Cap, ...]:
    """The caps with those as inlets by which the tree's blood comes in; as they are where that tells nothing."""
    entering = inlets_by_flow(caps, tubes)
    return with_inlets(caps, entering) if 0 < len(entering) < len(caps) else caps
