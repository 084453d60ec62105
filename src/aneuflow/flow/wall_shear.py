"""Wall shear and pressure on the lumen's wall from the flow in the cells beside it.

The slope of the velocity at the wall comes from a fit that holds no slip exactly: u = d (g + k d + m d^2 + a s + b t), with d
the distance of a cell from the wall and s, t its place along the wall, by weighted least squares over the cells near each
wall point. Without the cubic a layer as thin as one spacing reads 14 % low, with it 3 %. The momentum that the links hand to
the wall was tried and left: near a relaxation time of one half it is a small difference of large terms, right in the mean
and noisy in each point (docs/decisions/lattice.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from aneuflow.flow.setup import Domain
from aneuflow.numerics.distance import distance_to_surface
from aneuflow.numerics.rheology import viscosity
from aneuflow.numerics.surface import tangents, vertex_normals
from aneuflow.types import WALL_PATCH, Blood, Float32Array, FloatArray, PatchedSurface, Surface

_CELLS = 32  # the most that one fit takes
_REACH = 2.5  # how far from the wall point they may lie, in lattice spacings
_WIDTH = 1.2  # of the Gaussian weight, in lattice spacings
_OTHER_WALL = 0.7  # a cell is dropped where its distance differs this much from its depth below the point's tangent plane
_RANK = 1e-3  # singular values of a fit below this part of the largest are taken as undetermined


@dataclass(frozen=True, eq=False)
class WallOperator:
    """Linear maps (points, cells) made once and applied at every sample.

    slope: velocity to its derivative along the inward normal, 1/m; mean: cell values to values at the wall;
    normals (points, 3), outward.
    """

    slope: sparse.csr_array
    mean: sparse.csr_array
    normals: FloatArray

    def shear(self, velocity: Float32Array, blood: Blood) -> FloatArray:
        """Stress of the fluid on the wall, (points, 3), Pa, tangential, from the cells' velocity (cells, 3) in m/s."""
        slope = self.slope @ velocity
        slope = slope - np.einsum("nd,nd->n", slope, self.normals)[:, None] * self.normals
        rate = np.linalg.norm(slope, axis=1)
        return np.asarray(viscosity(rate, blood.model, blood.parameters)[:, None] * slope)


def wall_operator(domain: Domain, tree: cKDTree, surface: PatchedSurface, wall: Surface) -> WallOperator:
    """The operator for the points of `wall`, which lies on the wall of `surface`, from which the domain was made.

    tree: of the domain's cells.
    """
    spacing, cells = domain.voxels.spacing, domain.voxels.points
    normals = vertex_normals(wall.points, wall.triangles)
    far, near = tree.query(wall.points, k=_CELLS, distance_upper_bound=_REACH * spacing)
    found = np.isfinite(far)
    near = np.where(found, near, 0)
    used = np.unique(near[found])
    walls = surface.surface.triangles[surface.patch == WALL_PATCH]
    distance, unknown = domain.wall_distance, used[np.isnan(domain.wall_distance[used])]
    if len(unknown):
        distance = distance.copy()
        distance[unknown] = distance_to_surface(surface.surface.points, walls, cells[unknown])
    offset = (cells[near] - wall.points[:, None]) / spacing
    depth = -np.einsum("nkd,nd->nk", offset, normals)
    d = np.where(found, distance[near] / spacing, 0.0)
    weight = np.exp(-0.5 * (far / (_WIDTH * spacing)) ** 2, where=found, out=np.zeros_like(far))
    weight[found & ((depth < 0.0) | (np.abs(depth - d) > _OTHER_WALL))] = 0.0
    first, second = tangents(normals)
    basis = np.stack(
        [d, d**2, d**3, d * np.einsum("nkd,nd->nk", offset, first), d * np.einsum("nkd,nd->nk", offset, second)], axis=2
    )
    root = np.sqrt(weight)
    fit = np.linalg.pinv(basis * root[:, :, None], rcond=_RANK)[:, 0] * root
    total = np.maximum(weight.sum(axis=1, keepdims=True), 1e-30)
    shape = (len(wall.points), len(cells))
    rows = np.repeat(np.arange(shape[0]), _CELLS)
    slope = sparse.csr_array((fit.ravel() / (1e-3 * spacing), (rows, near.ravel())), shape=shape)
    mean = sparse.csr_array(((weight / total).ravel(), (rows, near.ravel())), shape=shape)
    return WallOperator(slope, mean, normals)
