"""Velocity profiles on a real, not quite round, inlet cross section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import spsolve
from scipy.spatial import Delaunay, cKDTree
from threadpoolctl import threadpool_limits

from aneuflow.errors import InputError
from aneuflow.numerics.womersley import harmonic_profile
from aneuflow.types import FloatArray, IntArray, Waveform

# About this many elements: circle and ellipse come out within 0.2 % of the exact solution.
ELEMENTS = 6000
PHASES = 128
# Bessel functions of complex argument are slow: they are tabled at this many radii, not taken at every node.
RADII = 129


def poisson_profile(polygon_2d_mm: FloatArray, points_2d_mm: FloatArray) -> FloatArray:
    """Fully developed axial velocity over its section mean, (n,) float64, at points of a cross section; 0 outside it.

    polygon_2d_mm (k, 2): the closed rim in order, either sense; points_2d_mm (n, 2), same plane frame.
    Solves Laplacian w = -1 with w = 0 on the rim by linear finite elements; Poiseuille's parabola on a circle.
    Raises InputError where the polygon encloses no area.
    """
    section = _Section.of(polygon_2d_mm)
    return np.asarray(section.interpolation(points_2d_mm) @ section.velocity)


def inlet_velocity(
    polygon_2d_mm: FloatArray,
    points_2d_mm: FloatArray,
    profile: Literal["parabolic", "womersley", "plug"],
    waveform: Waveform | None,
    alpha: float,
) -> FloatArray:
    """Axial velocity over the cycle-mean section velocity at inlet points through one period, (n, m) float64.

    polygon_2d_mm (k, 2), points_2d_mm (n, 2) as in `poisson_profile`; alpha: Womersley number of the first harmonic for
    the radius of the circle of equal area. Column j holds at phase j / m, the period being cyclic; m is 1 for steady flow
    (waveform None) and PHASES else. The section mean of column j is the waveform's ratio at that phase.
    "womersley" takes the exact round-tube profile on the contours of the Poisson solution, s = sqrt(1 - w / max w), each
    harmonic scaled to mean 1: exact on a circle, and the Poisson profile in the steady limit on any section.
    """
    section = _Section.of(polygon_2d_mm)
    interpolation = section.interpolation(points_2d_mm)
    inside = np.asarray(interpolation.sum(axis=1)) > 0.5
    ratio = np.ones(1) if waveform is None else flow_ratio(waveform, np.arange(PHASES) / PHASES)
    if profile == "plug":
        return inside[:, None] * ratio[None, :]
    steady = np.asarray(interpolation @ section.velocity)
    if profile == "parabolic" or waveform is None:
        return steady[:, None] * ratio[None, :]
    peak = section.velocity.max()
    pulsatile = _harmonic_table(_radius_ratio(section.velocity / peak), section.weights, ratio, alpha)
    swing = _interpolate_rows(pulsatile, _radius_ratio(steady / peak))
    return np.asarray(steady[:, None] * ratio.mean() + inside[:, None] * swing)


def flow_ratio(waveform: Waveform, phase: FloatArray) -> FloatArray:
    """Flow over its cycle mean at `phase` (any shape, cyclic with period 1), linear between the waveform's samples."""
    return np.interp(phase, waveform.phase, waveform.ratio, period=1.0)


def _harmonic_table(node_radius_ratio: FloatArray, weights: FloatArray, ratio: FloatArray, alpha: float) -> FloatArray:
    """Velocity (RADII, n) at the radius ratios of the table due to the harmonics of `ratio` (n,), its mean left out.

    Each harmonic is scaled to mean 1 over the section, whose nodes have the radius ratio (p,) and the weights (p,).
    """
    spectrum = np.fft.rfft(ratio)[1:]
    alphas = alpha * np.sqrt(np.arange(1, len(spectrum) + 1, dtype=np.float64))
    shapes = harmonic_profile(_table_radius_ratio(), alphas)
    means = weights @ _interpolate_rows(shapes.T, node_radius_ratio)
    coefficients = np.zeros((len(spectrum) + 1, RADII), dtype=np.complex128)
    coefficients[1:] = (spectrum / means)[:, None] * shapes
    return np.fft.irfft(coefficients, n=len(ratio), axis=0).T


def _table_radius_ratio() -> FloatArray:
    # Dense toward the wall, where high harmonics have their boundary layer.
    return np.sin(0.5 * np.pi * np.arange(RADII) / (RADII - 1))


def _interpolate_rows(table: np.ndarray, radius_ratio: FloatArray) -> np.ndarray:
    place = np.clip(np.arcsin(radius_ratio) * 2.0 / np.pi * (RADII - 1), 0.0, RADII - 1.0)
    row = np.minimum(place.astype(int), RADII - 2)
    part = (place - row)[:, None]
    return np.asarray((1.0 - part) * table[row] + part * table[row + 1])


def _radius_ratio(velocity_over_peak: FloatArray) -> FloatArray:
    return np.sqrt(np.clip(1.0 - velocity_over_peak, 0.0, 1.0))


@dataclass(frozen=True, eq=False)
class _Section:
    """A meshed cross section with its Poisson solution.

    polygon (k, 2): its rim. inside (t,) bool marks the Delaunay triangles that belong to it; weights (p,) sum to 1 and give
    the section mean of a nodal field; velocity (p,) has mean 1.
    """

    polygon: FloatArray
    mesh: Delaunay
    inside: np.ndarray
    weights: FloatArray
    velocity: FloatArray

    @classmethod
    def of(cls, polygon: FloatArray) -> _Section:
        polygon = np.asarray(polygon, dtype=np.float64)
        area = _area(polygon)
        if len(polygon) < 3 or not area > 0.0:
            raise InputError(
                f"The inlet cross section ({len(polygon)} rim points, {area:.3g} mm2) encloses no area; check the inlet's cap."
            )
        nodes, on_rim = _nodes(polygon, spacing=float(np.sqrt(area * 4.0 / (np.sqrt(3.0) * ELEMENTS))))
        mesh = Delaunay(nodes)
        inside = _contains(polygon, nodes[mesh.simplices].mean(axis=1))
        triangles = mesh.simplices[inside]
        weights, velocity = _solve_poisson(nodes, triangles, on_rim)
        return cls(polygon=polygon, mesh=mesh, inside=inside, weights=weights, velocity=velocity)

    def interpolation(self, points: FloatArray) -> csr_array:
        """(n, p) sparse: nodal field to points, linear; rows of points outside are empty."""
        points = np.asarray(points, dtype=np.float64)
        simplex = np.full(len(points), -1)
        within = _contains(self.polygon, points)  # the search for a point outside would go through all triangles
        # It solves thousands of tiny systems, for which BLAS threads on busy cores wait for each other: 17 s instead of 0.1.
        with threadpool_limits(1, "blas"):
            simplex[within] = self.mesh.find_simplex(points[within])
        rows = np.flatnonzero((simplex >= 0) & self.inside[simplex])
        transform = self.mesh.transform[simplex[rows]]
        two = np.einsum("nij,nj->ni", transform[:, :2], points[rows] - transform[:, 2])
        barycentric = np.clip(np.column_stack([two, 1.0 - two.sum(axis=1)]), 0.0, 1.0)
        columns = self.mesh.simplices[simplex[rows]]
        shape = (len(points), len(self.velocity))
        return coo_array((barycentric.ravel(), (np.repeat(rows, 3), columns.ravel())), shape=shape).tocsr()


def _area(polygon: FloatArray) -> float:
    x, y = polygon.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2.0)


def _nodes(polygon: FloatArray, spacing: float) -> tuple[FloatArray, np.ndarray]:
    """Rim nodes (the rim's edges divided to at most `spacing`), then a triangular grid inside; and which are on the rim."""
    ends = np.roll(polygon, -1, axis=0)
    lengths = np.linalg.norm(ends - polygon, axis=1)
    polygon, ends, lengths = polygon[lengths > 0], ends[lengths > 0], lengths[lengths > 0]
    pieces = np.ceil(lengths / spacing).astype(int)
    edge = np.repeat(np.arange(len(pieces)), pieces)
    step = (np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) / pieces[edge]
    rim = polygon[edge] + step[:, None] * (ends - polygon)[edge]
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    x, y = np.meshgrid(
        np.arange(low[0], high[0] + spacing, spacing), np.arange(low[1], high[1] + spacing, spacing * np.sqrt(0.75))
    )
    x = x + 0.5 * spacing * (np.arange(len(x)) % 2)[:, None]
    grid = np.column_stack([x.ravel(), y.ravel()])
    grid = grid[_contains(polygon, grid)]
    # Farther than half a piece from its middle, grid nodes leave each piece's diametral circle empty: it is a mesh edge.
    middle = rim + 0.5 * ((ends - polygon) / pieces[:, None])[edge]
    grid = grid[cKDTree(middle).query(grid)[0] > 0.55 * spacing]
    return np.vstack([rim, grid]), np.arange(len(rim) + len(grid)) < len(rim)


def _contains(polygon: FloatArray, points: FloatArray) -> np.ndarray:
    """Even-odd rule, (n,) bool."""
    start, end = polygon, np.roll(polygon, -1, axis=0)
    rise = end[:, 1] - start[:, 1]
    straddles = (start[:, 1] > points[:, 1, None]) != (end[:, 1] > points[:, 1, None])
    slope = (end[:, 0] - start[:, 0]) / np.where(rise == 0.0, 1.0, rise)
    crossing = start[:, 0] + (points[:, 1, None] - start[:, 1]) * slope
    return np.asarray((straddles & (points[:, 0, None] < crossing)).sum(axis=1) % 2 == 1)


def _solve_poisson(nodes: FloatArray, triangles: IntArray, on_rim: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """Section weights (p,) and the solution (p,) of Laplacian w = -1 scaled to mean 1."""
    corners = nodes[triangles]
    opposite = np.roll(corners, -1, axis=1) - np.roll(corners, 1, axis=1)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = 0.5 * np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    # A sliver of three nearly collinear rim nodes carries no flow but would divide by zero.
    sound = areas > 1e-9 * areas.mean()
    triangles, opposite, areas = triangles[sound], opposite[sound], areas[sound]
    stiffness = np.einsum("tid,tjd->tij", opposite, opposite) / (4.0 * areas)[:, None, None]
    rows, columns = np.repeat(triangles, 3, axis=1).ravel(), np.tile(triangles, (1, 3)).ravel()
    matrix = coo_array((stiffness.ravel(), (rows, columns)), shape=(len(nodes), len(nodes))).tocsr()
    load = np.bincount(triangles.ravel(), weights=np.repeat(areas / 3.0, 3), minlength=len(nodes))
    free = np.flatnonzero(~on_rim & (load > 0.0))
    solution = np.zeros(len(nodes))
    solution[free] = spsolve(matrix[free][:, free].tocsc(), load[free])
    weights = load / load.sum()
    return weights, solution / (weights @ solution)
