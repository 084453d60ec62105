"""Fields of two solvers on the same places: averages over patches, values on faces, pressure at a cap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from aneuflow.numerics.distance import distance_to_surface
from aneuflow.types import Cap, FloatArray, LumenModel, Surface, VolumeField

PATCH_MM = 0.5
_CAP_LAYERS = 4.0  # spacings next to a cap over which the pressure is taken to be linear
_NEAR = 12  # triangles, by their centers, among which the nearest is looked for: all of them of about one size
_CAP_SKIP = 0.5  # spacings right at the cap that the boundary condition itself has made


def patch_average(centers_mm: FloatArray, areas: FloatArray, values: FloatArray) -> FloatArray:
    """Area means of `values` (n, k) over the faces within PATCH_MM / 2 of each face center (n, 3)."""
    tree = cKDTree(centers_mm)
    pairs = tree.query_pairs(PATCH_MM / 2, output_type="ndarray")
    rows, columns = np.concatenate([pairs, pairs[:, ::-1], np.arange(len(areas))[:, None].repeat(2, axis=1)]).T
    weights = sparse.csr_array((areas[columns], (rows, columns)), shape=(len(areas), len(areas)))
    return np.asarray((weights @ values) / weights.sum(axis=1)[:, None])


def on_surface(surface: Surface, values: FloatArray, places_mm: FloatArray) -> FloatArray:
    """Point values (n, k) of a triangle surface at the points nearest to `places_mm` (m, 3), linear in each triangle."""
    near = cKDTree(surface.points[surface.triangles].mean(axis=1)).query(places_mm, k=min(_NEAR, len(surface.triangles)))[1]
    a, b, c = (surface.points[surface.triangles[near, k]] for k in range(3))
    shares = _nearest_shares(places_mm[:, None], a, b, c)
    closest = np.einsum("nks,nksd->nkd", shares, np.stack([a, b, c], axis=2))
    best = np.argmin(((closest - places_mm[:, None]) ** 2).sum(axis=2), axis=1)
    row = np.arange(len(places_mm))
    return np.asarray(np.einsum("ns,nsd->nd", shares[row, best], values[surface.triangles[near[row, best]]]))


def _nearest_shares(p: FloatArray, a: FloatArray, b: FloatArray, c: FloatArray) -> FloatArray:
    """Barycentric coordinates (..., 3), not below 0, of a point of each triangle near p: exact inside, clipped outside."""
    u, v, w = b - a, c - a, p - a
    uu, uv, vv = (np.einsum("...d,...d->...", x, y) for x, y in ((u, u), (u, v), (v, v)))
    wu, wv = np.einsum("...d,...d->...", w, u), np.einsum("...d,...d->...", w, v)
    scale = np.maximum(uu * vv - uv**2, 1e-30)
    second, third = (vv * wu - uv * wv) / scale, (uu * wv - uv * wu) / scale
    shares = np.clip(np.stack([1.0 - second - third, second, third], axis=-1), 0.0, None)
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def relative_l2(values: FloatArray, reference: FloatArray, weights: FloatArray) -> float:
    """Root of the weighted mean square difference over that of the reference; values (n, k) or (n,)."""
    square = ((values - reference) ** 2).reshape(len(weights), -1).sum(axis=1)
    scale = (reference**2).reshape(len(weights), -1).sum(axis=1)
    return float(np.sqrt((weights * square).sum() / (weights * scale).sum()))


def cap_distance(model: LumenModel, places_mm: FloatArray) -> FloatArray:
    """Distance (n,) of places from the nearest cap of the lumen, mm."""
    surface = model.lumen
    caps = surface.surface.triangles[surface.patch > 0]
    return distance_to_surface(surface.surface.points, caps, places_mm)


@dataclass(frozen=True, eq=False)
class Grid:
    """A volume field as dense arrays to interpolate in: values (nx, ny, nz, 4) of velocity and pressure, inside bool."""

    origin: FloatArray
    spacing: float
    values: FloatArray
    inside: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, field: VolumeField, spacing_mm: float) -> Grid:
        origin = field.points_mm.min(axis=0)
        index = np.rint((field.points_mm - origin) / spacing_mm).astype(int)
        shape = index.max(axis=0) + 2
        values, inside = np.zeros((*shape, 4)), np.zeros(shape, dtype=bool)
        at = tuple(index.T)
        values[at] = np.column_stack([field.velocity, field.pressure])
        inside[at] = np.abs(field.velocity).sum(axis=1) > 0.0
        return cls(origin, spacing_mm, values, inside)

    def at(self, places_mm: FloatArray) -> FloatArray:
        """(n, 4): velocity and pressure, trilinear; NaN where a corner lies outside the lumen."""
        place = ((places_mm - self.origin) / self.spacing).T
        whole = map_coordinates(self.inside.astype(np.float64), place, order=1)
        values = np.stack([map_coordinates(self.values[..., k], place, order=1) for k in range(4)], axis=1)
        values[whole < 1.0 - 1e-9] = np.nan
        return values


def cap_pressure(field: VolumeField, cap: Cap, spacing_mm: float) -> float:
    """Mean pressure in the plane of a cap, Pa: the line through the pressures of the layers next to it, carried to the cap."""
    offset = field.points_mm - cap.center_mm
    depth = -(offset @ cap.normal)
    aside = np.linalg.norm(offset + depth[:, None] * cap.normal, axis=1)
    near = (depth > _CAP_SKIP * spacing_mm) & (depth < _CAP_LAYERS * spacing_mm) & (aside < 2.0 * cap.radius_mm)
    near &= np.abs(field.velocity).sum(axis=1) > 0.0
    return float(np.polyfit(depth[near], field.pressure[near].astype(np.float64), 1)[1])
