"""The tree in a label map: its skeleton, trimmed where branches grow too thin to be resolved, and the ends of its tubes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.morphology import skeletonize

from aneuflow.errors import InputError
from aneuflow.numerics.centerline import arc_length, smooth_line
from aneuflow.types import FloatArray

# The caliber is a mean over this length, so that single voxels do not decide.
_CALIBER_MM = 1.0
# A place narrower than this share of the least diameter ends the branch there, even if it widens again beyond.
_NARROW = 0.8
# A tube of a natural end is this many radii long and its caliber changes by no more than this factor; a dome is no tube.
_TUBE_RADII, _TUBE_CHANGE = 3.5, 1.5


@dataclass(frozen=True, eq=False)
class Tip:
    """A tube's end: its axis (n, 3) from the tip inward to the next fork, mm, and the radius (n,) of equal section, mm.

    at_border: the line stands on the section with the image's border instead, and the radius is that of the section.
    """

    points_mm: FloatArray
    radius_mm: FloatArray
    at_border: bool = False


@dataclass(frozen=True, eq=False)
class Trimmed:
    """The mask (nx, ny, nz) bool without thin ends, how many were trimmed, and where tubes end.

    ends: for each one or more tips, of which the first that can be cut holds: where the image's border cuts the vessel
    that is the section there, taken inward along the border's normal, and only then the axis of the tube. doubtful: tips
    that may as well be the dome of an aneurysm.
    """

    mask: Any
    trimmed: int
    ends: tuple[tuple[Tip, ...], ...]
    doubtful: tuple[Tip, ...]


@dataclass(eq=False)
class _Skeleton:
    """Nodes (n, 3) mm with the volume each owns, the lumen's depth there, the neighbors left, and which were cut off."""

    points: FloatArray
    volume: FloatArray
    depth: FloatArray
    neighbors: list[set[int]]
    cut: np.ndarray
    border: np.ndarray

    def remove(self, node: int) -> None:
        for other in self.neighbors[node]:
            self.neighbors[other].discard(node)
        self.neighbors[node] = set()

    def terminal_paths(self) -> Iterator[list[int]]:
        """From each tip to the next fork, which is the last node, or to the other end."""
        for tip in [k for k, near in enumerate(self.neighbors) if len(near) == 1]:
            path, seen = [tip], {tip}
            while len(path) == 1 or len(self.neighbors[path[-1]]) == 2:
                onward = [k for k in self.neighbors[path[-1]] if k not in seen]
                if not onward:
                    break
                path.append(onward[0])
                seen.add(onward[0])
            if len(path) > 1:
                yield path


def trimmed_tree(
    mask: Any, affine: FloatArray, least_diameter_mm: float, beyond: Callable[[FloatArray], Any] | None = None
) -> Trimmed:
    """The mask (nx, ny, nz) bool without the thin ends of its branches, and where its tubes end.

    From each free end a branch is left out up to where it is `least_diameter_mm` wide over a millimeter; its diameter is
    that of the circle of equal section, from the volume that lies about its axis. Links between vessels stay, however thin.
    affine (4, 4) maps voxels to LPS mm. beyond: whether places (n, 3) mm lie outside a region, at whose border the vessels
    are cut first. Raises InputError where the mask has no axis.
    """
    tree, owner, cells = _skeleton(mask, affine)
    if not len(tree.points):
        raise InputError(
            "The shape has neither openings nor an axis for blood to follow; give one that shows tubes, not a ball or a sheet."
        )
    for node in np.flatnonzero(beyond(tree.points)).tolist() if beyond else []:
        tree.remove(node)
        tree.cut[node] = True
    trimmed = 0
    for _ in range(8):
        changed = False
        for path in list(tree.terminal_paths()):
            if len(tree.neighbors[path[0]]) != 1:
                continue
            free = _free_nodes(tree, path)
            if _is_spur(tree, path, free):
                dropped = path[: len(path) - 1]
            else:
                dropped = path[: _thin_nodes(tree, path, free, least_diameter_mm)]
                tree.cut[dropped] = True
                trimmed += bool(dropped)
            for node in dropped:
                tree.remove(node)
            changed |= bool(dropped)
        if not changed:
            break
    kept = _without_cut(mask, tree, owner, cells, affine) if tree.cut.any() else mask
    kept = _with_wide_links(kept, tree, affine)
    at_axis = _tips(tree)
    near = cKDTree(tree.points)
    at_border = []
    for tip in _border_tips(kept, affine):
        depth = tree.depth[near.query(tip.points_mm[0])[1]]
        # A dome, or a vessel that passes by, may touch the border with a small part of itself.
        if tip.radius_mm[0] >= max(0.4 * least_diameter_mm, 0.6 * depth):
            at_border.append(tip)
    ends = [(tip, *[other for other, kind in at_axis if kind == "border" and _is_beside(other, tip)]) for tip in at_border]
    taken = {id(tip) for end in ends for tip in end}
    others = [(tip, kind) for tip, kind in at_axis if id(tip) not in taken]
    sure = [(tip,) for tip, kind in others if kind == "trimmed" or _is_tube(tip)]
    doubtful = tuple(tip for tip, kind in others if kind != "trimmed" and not _is_tube(tip))
    return Trimmed(kept, trimmed, (*ends, *sure), doubtful)


def _is_beside(tip: Tip, section: Tip) -> bool:
    reach = 1.5 * section.radius_mm[0] + tip.radius_mm[0]
    return bool(np.linalg.norm(tip.points_mm[0] - section.points_mm[0]) < reach)


def _border_tips(mask: Any, affine: FloatArray) -> list[Tip]:
    """The sections of the vessel with the image's border, each with the way inward from its middle."""
    tips = []
    for axis in range(3):
        others = [affine[:3, k] for k in range(3) if k != axis]
        inward = np.cross(others[0], others[1])
        pixel = float(np.linalg.norm(inward))
        inward *= np.sign(inward @ affine[:3, axis]) / pixel
        for side, turn in ((0, 1.0), (mask.shape[axis] - 1, -1.0)):
            parts, count = ndimage.label(np.take(mask, side, axis=axis), np.ones((3, 3)))
            for part in range(1, count + 1):
                cells = np.insert(np.argwhere(parts == part), axis, side, axis=1)
                radius = float(np.sqrt(len(cells) * pixel / np.pi))
                middle = (cells @ affine[:3, :3].T + affine[:3, 3]).mean(axis=0)
                line = middle + turn * np.linspace(0, 4 * radius, 41)[:, None] * inward
                tips.append(Tip(line, np.full(len(line), radius), at_border=True))
    return tips


def _skeleton(mask: Any, affine: FloatArray) -> tuple[_Skeleton, Any, Any]:
    nodes, cells = np.argwhere(skeletonize(mask)), np.argwhere(mask)
    points = nodes @ affine[:3, :3].T + affine[:3, 3]
    owner: Any = cKDTree(points).query(cells @ affine[:3, :3].T + affine[:3, 3])[1]
    volume = np.asarray(np.bincount(owner, minlength=len(nodes)) * abs(float(np.linalg.det(affine[:3, :3]))), dtype=float)
    # What lies outside beside it is enough to measure depth by; beyond the image's border nothing does.
    outside = np.argwhere(ndimage.binary_dilation(mask) & ~mask)
    inside = np.asarray(cKDTree(outside @ affine[:3, :3].T + affine[:3, 3]).query(points)[0], dtype=float)
    outer = ((cells == 0) | (cells == np.array(mask.shape) - 1)).any(axis=1)
    at_border = np.bincount(owner[outer], minlength=len(nodes)) > 0
    neighbors: list[set[int]] = [set() for _ in nodes]
    for a, b in cKDTree(nodes).query_pairs(1.8):
        neighbors[a].add(b)
        neighbors[b].add(a)
    _drop_shortcuts(nodes, neighbors)
    return _Skeleton(points, volume, inside, neighbors, np.zeros(len(nodes), dtype=bool), at_border), owner, cells


def _drop_shortcuts(nodes: Any, neighbors: list[set[int]]) -> None:
    """Leaves out the longest side of each triangle, which would make forks where there are none."""

    def square(a: int, b: int) -> int:
        return int(((nodes[a] - nodes[b]) ** 2).sum())

    for a, near in enumerate(neighbors):
        for b in [b for b in near if b > a]:
            if any(max(square(a, c), square(b, c)) < square(a, b) for c in near & neighbors[b]):
                near.discard(b)
                neighbors[b].discard(a)


def _free_nodes(tree: _Skeleton, path: list[int]) -> int:
    """How many nodes of the path lie outside the vessel it branches from."""
    if len(tree.neighbors[path[-1]]) < 2:
        return len(path)
    apart = np.linalg.norm(tree.points[path] - tree.points[path[-1]], axis=1)
    inside = np.flatnonzero(apart <= 1.1 * tree.depth[path[-1]])
    return int(inside[0]) if len(inside) else len(path)


def _is_spur(tree: _Skeleton, path: list[int], free: int) -> bool:
    """Whether the path is a whim of the skeleton: hardly longer than what it leaves is deep."""
    if len(tree.neighbors[path[-1]]) < 2:
        return False
    return free < 2 or float(arc_length(tree.points[path[:free]])[-1]) < 0.5 * tree.depth[path[-1]]


def _calibers(tree: _Skeleton, path: list[int]) -> FloatArray:
    """Radius (n,) of the circle of equal section along the path; the tip, which owns the end's volume, takes its neighbor's."""
    length = arc_length(tree.points[path])
    share = np.gradient(length)
    near = np.abs(length[:, None] - length) <= 0.5 * max(_CALIBER_MM, 2 * float(share.max()))
    near[:, 0] = False
    section = (near @ tree.volume[path]) / np.maximum(near @ share, 1e-9)
    radius = np.sqrt(section / np.pi)
    radius[0] = radius[min(1, len(radius) - 1)]
    return np.asarray(radius)


def _thin_nodes(tree: _Skeleton, path: list[int], free: int, least_diameter_mm: float) -> int:
    """How many nodes from the tip on are to be left out."""
    length, diameter = arc_length(tree.points[path]), 2 * _calibers(tree, path)
    narrow = np.flatnonzero(diameter[:free] < _NARROW * least_diameter_mm)
    start = int(narrow[-1]) + 1 if len(narrow) else 0
    while start < free and (diameter[start : np.searchsorted(length, length[start] + _CALIBER_MM)] < least_diameter_mm).any():
        start += 1
    if length[min(start, free - 1)] < least_diameter_mm:
        return 0
    if start < free and length[free - 1] - length[start] >= least_diameter_mm:
        return start
    return len(path) - 1


def _without_cut(mask: Any, tree: _Skeleton, owner: Any, cells: Any, affine: FloatArray) -> Any:
    alive = np.array([bool(near) for near in tree.neighbors])
    if not alive.any():
        return mask
    doomed = np.flatnonzero(tree.cut[owner])
    places = cells[doomed] @ affine[:3, :3].T + affine[:3, 3]
    apart, nearest = cKDTree(tree.points[alive]).query(places)
    doomed = doomed[apart > 1.05 * tree.depth[alive][nearest]]
    kept = mask.copy()
    kept[tuple(cells[doomed].T)] = False
    parts, _ = ndimage.label(kept, np.ones((3, 3, 3)))
    return parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1


def _with_wide_links(mask: Any, tree: _Skeleton, affine: FloatArray) -> Any:
    """The mask with vessels less than two voxels wide made three wide: thinner ones would be lost when it is contoured."""
    voxel = float(np.linalg.norm(affine[:3, :3], axis=0).max())
    thin = np.flatnonzero([bool(near) and depth < 1.01 * voxel for near, depth in zip(tree.neighbors, tree.depth, strict=True)])
    if not len(thin):
        return mask
    nodes = np.round(np.linalg.solve(affine[:3, :3], (tree.points[thin] - affine[:3, 3]).T).T).astype(int)
    links = np.zeros_like(mask)
    links[tuple(nodes.T)] = True
    return mask | ndimage.binary_dilation(links)


def _tips(tree: _Skeleton) -> list[tuple[Tip, str]]:
    """The free ends of the skeleton, and what ends the vessel there: "border" of the image, "trimmed", or "itself"."""
    tips = []
    was_cut = cKDTree(tree.points[tree.cut]) if tree.cut.any() else None
    step = float(
        np.median(
            [np.linalg.norm(tree.points[k] - tree.points[j]) for k, near in enumerate(tree.neighbors) for j in near] or [1]
        )
    )
    for path in tree.terminal_paths():
        free = max(_free_nodes(tree, path), 2)
        points, radius = smooth_line(tree.points[path], 1.5 * step)[:free], _calibers(tree, path)[:free]
        reach = max(1.5 * float(radius[0]), 2 * step)
        border = bool(tree.border[path[: max(2, round(reach / step))]].any())
        trimmed = was_cut is not None and float(was_cut.query(points[0])[0]) < 2.5 * step
        tips.append((Tip(points, radius), "border" if border else "trimmed" if trimmed else "itself"))
    return tips


def _is_tube(tip: Tip) -> bool:
    length, typical = arc_length(tip.points_mm), float(np.median(tip.radius_mm))
    window = tip.radius_mm[(length >= typical) & (length <= (_TUBE_RADII + 1) * typical)]
    return bool(length[-1] > _TUBE_RADII * typical and len(window) > 1 and window.max() < _TUBE_CHANGE * window.min())
