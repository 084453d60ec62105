"""What the wall rule misses of a velocity that bends, from a fit of the velocity beside the wall.

With B = D2 - Laplace / 3, where u is the velocity along a link c and D2 its second difference along the link, what leaves a
cell along c in a flow driven by pressure is, but for a factor and to second order, F = u - D2 / 8 + product B half a link
further on, for the product of `relaxation.py`; what leaves it backward is -F half a link before it; a relaxation time above one
half adds (tau - 1/2) B. No slip asks for what comes back from the wall to be -F(1/2). The rule in `walls.py` gives shares of
what left; where the velocity is linear that is the same. What it misses else is taken here from a fit that holds no slip
exactly: u = d (g + k d + m d^2 + a s + b t), with d the distance from the wall and s, t the place along it, by weighted least
squares over the cells around.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from aneuflow.numerics.distance import distance_to_surface
from aneuflow.numerics.lattice.velocity_set import VELOCITIES
from aneuflow.numerics.lattice.voxels import Voxels
from aneuflow.numerics.lattice.walls import Behind
from aneuflow.numerics.surface import tangents
from aneuflow.types import Float32Array, FloatArray, IntArray

_CELLS = 27  # the most that one fit takes
_REACH = 2.5  # how far they may lie, in lattice spacings
_WIDTH = 1.2  # of the Gaussian weight, in lattice spacings
_OTHER_WALL = 0.7  # a cell is dropped where its distance differs this much from its depth below the nearest wall
_RIDGE = 1e-6  # of the trace of the normal equations: what the cells do not determine stays zero
# The sum of the cells' weights in a correction is bounded: with 4 a lattice of 0.2 mm ran away in a real vessel. The less
# viscous the lattice, the less it damps what a correction stirs up: at tau = 0.5025, with a bound of 0.5, the flow at a rough
# wall flickered and doubled the oscillatory shear index. So it fades out between these excesses of tau over one half.
_LARGEST = 1.5
_NONE_BELOW, _ALL_FROM = 0.0035, 0.007
_AT_ONCE = 5_000  # fits or links made together


@dataclass(frozen=True, eq=False)
class WallFits:
    """The fits, one for each cell with a link to the wall; lengths in lattice spacings.

    of_link (links,) int32: the fit of each wall link; cells (fits, 27) int32 and weights (fits, 5, 27) int16, in units
    (fits, 5): g, k, m, a, b from the velocities of those cells; distance (fits,): of the cell from the wall; inward (fits, 3):
    its gradient; bend (fits, 3, 3): its second derivatives; along (fits, 2, 3): the directions of s and t. Others float32.
    """

    of_link: IntArray
    cells: IntArray
    weights: npt.NDArray[np.int16]
    units: Float32Array
    distance: Float32Array
    inward: Float32Array
    bend: Float32Array
    along: Float32Array

    def weights_of(self, fits: IntArray) -> FloatArray:
        """(n, 5, 27), as they are."""
        return np.asarray(self.weights[fits] * self.units[fits][:, :, None], dtype=np.float64)


def wall_fits(
    voxels: Voxels, links: npt.NDArray[np.intp], points: FloatArray, triangles: IntArray, threads: int = 1
) -> tuple[WallFits, Float32Array]:
    """The fits for `links`, indices into the links of `voxels`, and the distance of cells from the wall, (cells,), NaN where
    no fit needed it; the wall is `triangles` (m, 3) over `points` (n, 3)."""
    cells, of_link = np.unique(voxels.link_cell[links], return_inverse=True)
    places = voxels.points / voxels.spacing
    tree = cKDTree(places)
    far, near = tree.query(places[cells], k=_CELLS, distance_upper_bound=_REACH)
    found = np.isfinite(far)
    near = np.where(found, near, 0)
    used = np.zeros(voxels.count, dtype=bool)
    used[near[found]] = True
    distance = np.full(voxels.count, np.nan)
    distance[used] = distance_to_surface(points, triangles, voxels.points[used])
    depth = np.nan_to_num(distance / voxels.spacing)
    weight = np.exp(-0.5 * (np.where(found, far, 0.0) / _WIDTH) ** 2) * found

    def fitted(at: slice) -> tuple[npt.NDArray[Any], ...]:
        weights, *local = _fit(places[near[at]] - places[cells[at], None], depth[near[at]], depth[cells[at]], weight[at])
        units = np.maximum(np.abs(weights).max(axis=2), 1e-30) / np.iinfo(np.int16).max
        single = (each.astype(np.float32) for each in (units, depth[cells[at]], *local))
        return np.rint(weights / units[:, :, None]).astype(np.int16), *single

    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(fitted, (slice(first, first + _AT_ONCE) for first in range(0, max(len(cells), 1), _AT_ONCE))))
    fits = (np.concatenate(each) for each in zip(*parts, strict=True))
    return WallFits(of_link.astype(np.int32), near.astype(np.int32), *fits), distance.astype(np.float32)


def _fit(
    offset: FloatArray, distance: FloatArray, own: FloatArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """weights, inward, bend and along of some fits, from the offsets (n, 27, 3) and wall distances (n, 27) of their cells."""
    x, y, z = offset[..., 0], offset[..., 1], offset[..., 2]
    quadric = np.stack([np.ones_like(x), x, y, z, 0.5 * x * x, 0.5 * y * y, 0.5 * z * z, x * y, x * z, y * z], axis=2)
    local = np.einsum("nck,nk->nc", _least_squares(quadric, weight), distance)
    inward = local[:, 1:4] / np.maximum(np.linalg.norm(local[:, 1:4], axis=1, keepdims=True), 1e-12)
    second = local[:, [4, 7, 8, 7, 5, 9, 8, 9, 6]].reshape(-1, 3, 3)
    flat = np.eye(3) - inward[:, :, None] * inward[:, None, :]
    along = np.stack(tangents(inward), axis=1)
    depth = own[:, None] + np.einsum("nkd,nd->nk", offset, inward)
    weight = np.where(np.abs(depth - distance) > _OTHER_WALL, 0.0, weight)
    s, t = (np.einsum("nkd,nd->nk", offset, along[:, axis]) for axis in (0, 1))
    basis = np.stack([distance, distance**2, distance**3, distance * s, distance * t], axis=2)
    return _least_squares(basis, weight), inward, flat @ second @ flat, along


def _least_squares(basis: FloatArray, weight: FloatArray) -> FloatArray:
    """(n, terms, cells): from values at the cells to the coefficients of `basis` (n, cells, terms)."""
    weighted = basis * weight[:, :, None]
    normal = np.einsum("nkc,nkd->ncd", weighted, basis)
    size = np.trace(normal, axis1=1, axis2=2)[:, None, None] / basis.shape[2]
    eye = np.eye(basis.shape[2])
    return np.linalg.solve(normal + _RIDGE * size * eye + 1e-30 * eye, weighted.transpose(0, 2, 1))


def wall_terms(
    voxels: Voxels, links: npt.NDArray[np.intp], fits: WallFits, shares: Float32Array, rear: Behind, tau: float, product: float
) -> Float32Array:
    """(links, 5) float32: with which g, k, m, a, b of the velocity along a link make what the rule's `shares` miss.

    Zero where fewer than two cells lie behind the link's; weaker where the cells near by determine the fit too loosely.
    """
    largest = _LARGEST * min(max((tau - 0.5 - _NONE_BELOW) / (_ALL_FROM - _NONE_BELOW), 0.0), 1.0)
    terms = np.empty((len(links), 5), dtype=np.float32)
    for first in range(0, len(links), _AT_ONCE):
        at = slice(first, first + _AT_ONCE)
        c = VELOCITIES[voxels.link_direction[links[at]]].astype(np.float64)
        missing = _missing(c, fits, fits.of_link[at], shares[at], tau, product)
        missing[rear.count[at] < 2] = 0.0
        size = np.abs(np.einsum("nc,nck->nk", missing, fits.weights_of(fits.of_link[at]))).sum(axis=1)
        terms[at] = -3.0 * missing * np.minimum(1.0, largest / np.maximum(size, 1e-12))[:, None]
    return terms


def _missing(c: FloatArray, fits: WallFits, fit: IntArray, shares: Float32Array, tau: float, product: float) -> FloatArray:
    """(n, 5): what the rule's `shares` miss of F on links of the directions c (n, 3), for each term of their `fit` (n,)."""
    d, bend = fits.distance[fit].astype(np.float64), fits.bend[fit].astype(np.float64)
    slope = np.einsum("nd,nd->n", c, fits.inward[fit])
    curve = np.einsum("nd,nde,ne->n", c, bend, c)
    spread = np.trace(bend, axis1=1, axis2=2)
    s, t = (np.einsum("nd,nd->n", c, fits.along[fit, axis]) for axis in (0, 1))

    def field(at: float, whole: bool = True) -> FloatArray:
        """F of d, d^2, d^3, d s, d t at x + `at` c; not `whole`: D2 - Laplace / 3 of them."""
        here, rise = d + at * slope + 0.5 * at**2 * curve, slope + at * curve
        value = np.stack([here, here**2, here**3, here * at * s, here * at * t], axis=1)
        along = (2 * rise + at * curve) * s, (2 * rise + at * curve) * t
        twice = np.stack([curve, 2 * rise**2 + 2 * here * curve, 6 * here * rise**2 + 3 * here**2 * curve, *along], axis=1)
        laplace = np.stack([spread, 2 + 2 * here * spread, 6 * here, at * s * spread, at * t * spread], axis=1)
        bent = twice - laplace / 3
        return np.asarray(value - twice / 8 + product * bent if whole else bent)

    a, b, back, far = shares[:, :4].T.astype(np.float64)[:, :, None]
    missing = (1 + a) * field(0.5) + (b - back) * field(-0.5) + far * field(-1.5)
    missing += (tau - 0.5) * (b + back + 2 * far) * field(0.0, whole=False)
    return np.asarray(missing)
