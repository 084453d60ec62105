"""Wall shear and pressure on the lumen's wall from what the lattice's links hand to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from aneuflow.flow.setup import Domain
from aneuflow.numerics.lattice.velocity_set import VELOCITIES, WEIGHTS
from aneuflow.numerics.surface import face_normals, vertex_normals
from aneuflow.types import WALL_PATCH, Float32Array, FloatArray, PatchedSurface, Surface

# Width of the Gaussian that spreads a link's momentum over the wall, and how far it reaches, in cells.
_WIDTH = 0.8
_REACH = 2.2


@dataclass(frozen=True, eq=False)
class WallOperator:
    """Linear map from the links' momentum to wall points; made once, applied at every sample.

    spread (points, links): Gaussian weights over the wall area the links stand for; link_force (links, 3): direction of the
    momentum; link_rest (links,): momentum per density deviation; link_cell (links,); normals (points, 3), outward.
    """

    spread: sparse.csr_array
    mean: sparse.csr_array
    link_velocity: FloatArray
    link_rest: FloatArray
    link_cell: np.ndarray
    normals: FloatArray

    def shear(self, exchange: Float32Array, density: Float32Array) -> FloatArray:
        """Wall shear stress on the points, (n, 3), lattice units, tangential."""
        momentum = exchange - self.link_rest * density[self.link_cell]
        traction = self.spread @ (momentum[:, None] * self.link_velocity)
        return np.asarray(traction - np.einsum("nd,nd->n", traction, self.normals)[:, None] * self.normals)

    def pressure(self, density: Float32Array) -> FloatArray:
        """Pressure at the points, (n,), lattice units."""
        return np.asarray(self.mean @ density[self.link_cell]) / 3.0


def wall_operator(domain: Domain, surface: PatchedSurface, wall: Surface) -> WallOperator:
    """The operator for the points of `wall`, which lies on the wall of `surface`, from which the domain was made.

    A link along c that meets a wall of normal n stands for the area 6 w |c.n|: the sum over all links of a plane is then its
    true area, whatever its orientation. Momentum over area is taken at the same links, so that their scatter cancels.
    """
    links = domain.links(WALL_PATCH)
    cell, direction = domain.arrays(links)
    triangle = domain.voxels.link_triangle[links]
    outward = face_normals(surface.surface.points, surface.surface.triangles)[triangle]
    velocity = VELOCITIES[direction].astype(np.float64)
    area = 6.0 * WEIGHTS[direction] * np.maximum(np.einsum("kd,kd->k", velocity, outward), 0.0)
    area[triangle < 0] = 0.0
    normals = vertex_normals(wall.points, wall.triangles)
    weights = _gaussian(wall.points, normals, domain.cut_points(links), outward, domain.voxels.spacing)
    total = np.maximum(weights @ area, 1e-12)
    spread = sparse.diags_array(1.0 / total) @ weights
    mean = spread @ sparse.diags_array(area)
    return WallOperator(spread.tocsr(), mean.tocsr(), velocity, 2.0 * WEIGHTS[direction], cell, normals)


def _gaussian(
    points: FloatArray, normals: FloatArray, cuts: FloatArray, outward: FloatArray, spacing: float
) -> sparse.csr_array:
    """Weights (points, links) of the links near each point whose wall faces the same way; the nearest link where none is."""
    tree = cKDTree(cuts)
    near = cKDTree(points).sparse_distance_matrix(tree, _REACH * spacing, output_type="coo_matrix")
    row, column = near.row, near.col
    facing = np.einsum("kd,kd->k", normals[row], outward[column]) > 0.3
    row, column = row[facing], column[facing]
    value = np.exp(-0.5 * (near.data[facing] / (_WIDTH * spacing)) ** 2)
    lonely = np.setdiff1d(np.arange(len(points)), row)
    nearest = tree.query(points[lonely])[1] if len(lonely) else np.empty(0, dtype=np.intp)
    row, column = np.concatenate([row, lonely]), np.concatenate([column, nearest])
    value = np.concatenate([value, np.full(len(lonely), 1e-6)])
    return sparse.csr_array((value, (row, column)), shape=(len(points), len(cuts)))
