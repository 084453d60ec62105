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
from aneuflow.geometry.second_opinion import SecondOpinion
from aneuflow.geometry.settings import ModelSettings
from aneuflow.types import ByteArray, Candidate, Cap, FloatArray, Note, PatchedSurface

# Candidates of a lower score are not told of, nor more than so many; unasked the model is made around a clear one only.
LEAST_SCORE, CLEAR_SCORE, MOST_CANDIDATES = 0.55, 0.6, 3
# An unclear one is told of only if the network takes at least this share of it for sac. It does not object to clear ones:
# of one large real sac in 48 it sees nothing (docs/shape.md).
_LEAST_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Focus:
    """The region to keep and the tree's tubes in the direction of the flow.

    sac: of the chosen candidate the tree's wall points (n, 3) mm, which of them (n,) are its sac, and how sure the neck is.
    """

    region: Region
    tubes: tuple[Tube, ...]
    sac: tuple[FloatArray, ByteArray, float] | None = None
    notes: tuple[Note, ...] = ()


def unasked(tree: ArteryTree, sac: TreeSac) -> None:
    """The opinion of a network that is not asked."""


def focus_on(
    trees: Sequence[ArteryTree], settings: ModelSettings, share_of: SecondOpinion = unasked
) -> tuple[Focus | None, tuple[Candidate, ...]]:
    """The region of interest in the artery trees of a head, None where nothing in them is clearly an aneurysm; the candidates.

    It lies around the neck plane of the settings, else around the points labeled as aneurysm, else around the candidate
    chosen among those of all trees. share_of: how much of each a network takes for sac. Raises InputError where fewer
    candidates were found than the number of that.
    """
    trees = [tree for tree in trees if tree.tubes]
    if not trees:
        return None, ()
    if settings.neck_plane is not None:
        place = np.array([settings.neck_plane.point_mm])
        tree = min(trees, key=lambda each: float(cKDTree(each.grid.points_mm).query(place)[0][0]))
        return _around(tree, place, settings), ()
    for tree in trees:
        if tree.labeled is not None:
            return _around(tree, tree.lumen.surface.points[tree.labeled.astype(bool)], settings), ()
    ranked = likely([(tree, sac) for tree in trees for sac in find_candidates(tree)], share_of)
    number = _chosen(ranked, settings)
    candidates = tuple(
        Candidate(place, (float(x), float(y), float(z)), sac.diameter_mm, sac.score, place == number)
        for place, (_, sac) in enumerate(ranked, start=1)
        for x, y, z in [sac.center_mm]
    )
    if number is None:
        return None, candidates
    tree, chosen = ranked[number - 1]
    region = region_around(tree.grid, chosen.voxels, _reach(settings, _parent_radius(tree, chosen)))
    sac = (tree.lumen.surface.points, chosen.points.astype(np.uint8), chosen.confidence)
    return Focus(region, tree.tubes, sac, (_note(region),)), candidates


def _chosen(ranked: Sequence[tuple[ArteryTree, TreeSac]], settings: ModelSettings) -> int | None:
    """The number of the candidate that the model is made around."""
    if settings.candidate is None:
        return 1 if ranked and ranked[0][1].score >= CLEAR_SCORE else None
    if settings.candidate > len(ranked):
        choice = f"choose 1{f' to {len(ranked)}' if len(ranked) > 1 else ''}, or " if ranked else ""
        raise InputError(
            f"Candidate {settings.candidate} was asked for, but only {len(ranked)} of the tree's places look like an aneurysm; "
            f"{choice}give a neck plane."
        )
    return settings.candidate


def likely(sacs: Sequence[tuple[ArteryTree, TreeSac]], share_of: SecondOpinion = unasked) -> list[tuple[ArteryTree, TreeSac]]:
    """Those of the candidates that are told of, the likeliest first; share_of: how much of each a network takes for sac."""
    told: list[tuple[ArteryTree, TreeSac]] = []
    for tree, sac in sorted(sacs, key=lambda found: -found[1].score):
        if sac.score < LEAST_SCORE or len(told) == MOST_CANDIDATES:
            break
        if is_told(sac.score, share_of(tree, sac) if sac.score < CLEAR_SCORE else None):
            told.append((tree, sac))
    return told


def is_told(score: float, share: float | None) -> bool:
    """Whether a candidate is told of; share: what part of it a network takes for sac, None where it was not asked."""
    return score >= LEAST_SCORE and (score >= CLEAR_SCORE or share is None or share >= _LEAST_SHARE)


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


def told_of(candidates: tuple[Candidate, ...]) -> tuple[Note, ...]:
    """What is to be said of candidates that the model is not made around."""
    chosen = [candidate.number for candidate in candidates if candidate.chosen]
    if not chosen:
        return (Note("unclear_candidates", {"count": len(candidates)}),) if candidates else ()
    return (Note("several_candidates", {"count": len(candidates), "chosen": chosen[0]}),) if len(candidates) > 1 else ()


def sac_on(lumen: PatchedSurface, sac: tuple[FloatArray, ByteArray, float]) -> ByteArray:
    """Which points (n,) of the region's lumen are the sac found in the whole tree."""
    points, inside, _ = sac
    return np.asarray(inside[cKDTree(points).query(lumen.surface.points)[1]])


def with_flow_inlets(caps: tuple[Cap, ...], tubes: tuple[Tube, ...]) -> tuple[Cap, ...]:
    """The caps with those as inlets by which the tree's blood comes in; as they are where that tells nothing."""
    entering = inlets_by_flow(caps, tubes)
    return with_inlets(caps, entering) if 0 < len(entering) < len(caps) else caps
