"""Whether the network of the sac sees one too where the shape of a whole tree's wall suggests it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scipy.spatial import cKDTree

from aneuflow.errors import AneuflowError
from aneuflow.geometry.candidates import ArteryTree, TreeSac
from aneuflow.geometry.parent_vessel import lumen_grid, parent_tubes
from aneuflow.geometry.region import Region, region_around
from aneuflow.geometry.sac import told_wall
from aneuflow.types import Cap, PatchedSurface

SecondOpinion = Callable[[ArteryTree, TreeSac], float | None]
# The network was trained on segments, so it is shown one: the vessels up to so many radii of the artery along the lumen.
_SHOWN_RADII = 8.0
# A tree's wall and that of a region of it are drawn from the same voxels; beyond this they are other wall.
_SAME_MM = 0.4


def second_opinion(region_of: Callable[[Region], tuple[PatchedSurface, tuple[Cap, ...]]], session: Any = None) -> SecondOpinion:
    """A function that gives the share, by area, of a candidate's wall that the network takes for sac, in [0, 1].

    It gives None where no segment can be cut out around the candidate. region_of: the closed lumen of a region and its caps;
    session: a network in place of that of the package.
    """

    def share(tree: ArteryTree, sac: TreeSac) -> float | None:
        region = region_around(tree.grid, sac.voxels, _SHOWN_RADII * sac.parent_radius_mm)
        try:
            lumen, caps = region_of(region)
            grid = lumen_grid(lumen, caps)
            wall, odds = told_wall(lumen, caps, grid, parent_tubes(grid, caps), session)
        except AneuflowError:
            return None
        own = cKDTree(tree.lumen.surface.points[sac.points]).query(lumen.surface.points)[0] < _SAME_MM
        area = float(wall.area[own].sum())
        return float(wall.area[own & (odds > 0)].sum()) / area if area > 0 else None

    return share
