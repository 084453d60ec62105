"""The same anatomy as another surface of the same lumen would show it: wall moved at random, neck moved, lines with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from aneuflow.morphology import size
from aneuflow.morphology.anatomy import Anatomy, SacAnatomy
from aneuflow.numerics import surface as sf
from aneuflow.numerics.centerline import arc_length, tangents
from aneuflow.types import Centerline, FloatArray, IntArray

# Share of the wall's variance that moves the whole lumen in or out, as another threshold would; the rest varies from place
# to place. The same for the neck: moved as a whole, or tilted.
_COMMON = 0.5
_WAVES = 128
# Wall farther along than this from the neck line is never reached by it, mm.
_MARGIN_MM = 2.0
_FEWEST_OF_RING = 6


@dataclass(frozen=True, eq=False)
class _Ring:
    """How a line follows the wall, to first order: the circle fitted to the wall around each of its points.

    along_u, along_v (k, n) sparse: shift along the normals u, v (k, 3) of the line; swell (k, n): change of the radius; known
    (j,): the points with wall enough around them.
    """

    line: Centerline
    along_u: Any
    along_v: Any
    swell: Any
    u: FloatArray
    v: FloatArray
    known: sf.LongArray

    def moved(self, shift: FloatArray) -> Centerline:
        """The line where the wall's points moved outward by shift (n,) mm."""
        if not len(self.known):
            return self.line
        points, radius = self.line.points_mm, self.line.radius_mm
        length = arc_length(points)
        offset = (self.along_u @ shift)[:, None] * self.u + (self.along_v @ shift)[:, None] * self.v
        change = np.concatenate([offset, (self.swell @ shift)[:, None]], axis=1)
        change = np.stack([np.interp(length, length[self.known], column) for column in change[self.known].T], axis=1)
        # Lines are smoothed over half a radius where they are made.
        width = 0.5 * float(radius.mean()) / max(float(np.median(np.diff(length))), 1e-3)
        change = gaussian_filter1d(change, width, axis=0, mode="nearest")
        return replace(self.line, points_mm=points + change[:, :3], radius_mm=np.maximum(radius + change[:, 3], 0.05))


@dataclass(frozen=True, eq=False)
class _Neck:
    """The wall near the sac: its triangles, and how far each lumen point lies from the neck line (below 0 in the sac)."""

    triangles: IntArray
    signed_mm: FloatArray
    rise_mm: FloatArray
    center: FloatArray
    axes: FloatArray
    radius_mm: float
    deepest_mm: float

    def offset(self, places: FloatArray, tilt: FloatArray) -> FloatArray:
        """How far the neck line moves toward the artery at the places (k, 3), mm (k,); tilt (3,): at the middle, the rim."""
        flat = np.clip((places - self.center) @ self.axes.T / self.radius_mm, -1.5, 1.5)
        return np.asarray(np.clip(tilt[0] + flat @ tilt[1:], -0.5 * self.deepest_mm, 0.8 * _MARGIN_MM))

    def cut(
        self, points: FloatArray, moved: FloatArray, local: FloatArray, tilt: FloatArray
    ) -> tuple[size.Sac, sf.LongArray, FloatArray]:
        """The sac of the moved points (n, 3) up to the moved neck line, its members and their rise over the ball inside."""
        split = sf.split_by_field(points, self.triangles, self.signed_mm - self.offset(points, tilt))
        part = sf.face_components(split.triangles, split.below)
        chosen = split.triangles[part == np.bincount(part[split.below]).argmax()]

        def carried(values: FloatArray) -> FloatArray:
            weight = split.weight.reshape(-1, *[1] * (values.ndim - 1))
            return np.asarray((1 - weight) * values[split.parents[:, 0]] + weight * values[split.parents[:, 1]])

        kept = np.unique(chosen)
        ripple = carried(local)[kept]
        rise = np.maximum(carried(self.rise_mm)[kept] + ripple - ripple.mean(), 0.0)
        return size.sac_of(carried(moved), chosen), kept, rise


@dataclass(frozen=True, eq=False)
class _Sources:
    """What all copies of an anatomy share."""

    anatomy: Anatomy
    normals: FloatArray
    lines: tuple[_Ring, ...]
    branches: tuple[_Ring, ...]
    neck: _Neck | None

    def copy(self, common: float, local: FloatArray, tilt: FloatArray) -> Anatomy:
        """The copy whose wall moved by common + local (n,) mm and whose neck by tilt (3,): mm at its middle and its rim."""
        anatomy, shift = self.anatomy, common + local
        moved = anatomy.points + shift[:, None] * self.normals
        inlet = anatomy.inlet_radius_mm + float(shift[anatomy.inlet_rim].mean())
        sac = None
        if self.neck is not None:
            cut, members, rise = self.neck.cut(anatomy.points, moved, local, tilt)
            parent, *daughters = (
                _from_neck(ring.moved(shift), self.neck, tilt, k == 0) for k, ring in enumerate(self.branches)
            )
            sac = SacAnatomy(cut, members, rise, parent, tuple(daughters))
        lines = tuple(ring.moved(shift) for ring in self.lines)
        return replace(anatomy, points=moved, lines=lines, inlet_radius_mm=max(inlet, 0.05), sac=sac)


def _sources(anatomy: Anatomy) -> _Sources:
    points, wall = anatomy.points, anatomy.wall
    normals = sf.vertex_normals(points, wall)
    everywhere = np.unique(wall).astype(np.int64)
    lines = tuple(_ring(line, points, normals, everywhere) for line in anatomy.lines)
    if anatomy.sac is None:
        return _Sources(anatomy, normals, lines, (), None)
    artery = np.setdiff1d(everywhere, anatomy.sac.members)
    branches = tuple(_ring(line, points, normals, artery) for line in (anatomy.sac.parent, *anatomy.sac.daughters))
    return _Sources(anatomy, normals, lines, branches, _neck(anatomy, anatomy.sac))


def _neck(anatomy: Anatomy, sac: SacAnatomy) -> _Neck:
    points = anatomy.points
    following = np.roll(sac.sac.neck, -1, axis=0)
    rim = np.concatenate([sac.sac.neck + part * (following - sac.sac.neck) for part in (0.0, 0.25, 0.5, 0.75)])
    away = np.asarray(cKDTree(rim).query(points)[0])
    away[sac.members] *= -1
    triangles = anatomy.wall[(away[anatomy.wall] < _MARGIN_MM).all(axis=1)]
    first = np.cross(sac.sac.normal, np.eye(3)[np.argmin(np.abs(sac.sac.normal))])
    first /= np.linalg.norm(first)
    rise = np.zeros(len(points))
    rise[sac.members] = sac.rise_mm
    radius = float(np.linalg.norm(sac.sac.neck - sac.sac.center, axis=1).mean())
    axes = np.stack([first, np.cross(sac.sac.normal, first)])
    return _Neck(triangles, away, rise, sac.sac.center, axes, radius, float(-away.min()))


def _ring(line: Centerline, points: FloatArray, normals: FloatArray, wall: sf.LongArray) -> _Ring:
    """The response of a line to the wall points numbered wall (k,): least squares on 1, cos, sin around each of its points."""
    along = tangents(line.points_mm)
    u = np.cross(along, np.eye(3)[np.abs(along).argmin(axis=1)])
    u /= np.maximum(np.linalg.norm(u, axis=1, keepdims=True), 1e-12)
    v = np.cross(along, u)
    near = cKDTree(points[wall]).query_ball_point(line.points_mm, 1.8 * line.radius_mm)
    rows: list[FloatArray] = []
    columns, owners, known = [], [], []
    for k, members in enumerate(near):
        ring = wall[members]
        offset = points[ring] - line.points_mm[k]
        ring, offset = (part[np.abs(offset @ along[k]) < 0.4 * line.radius_mm[k]] for part in (ring, offset))
        x, y = offset @ u[k], offset @ v[k]
        if len(ring) < _FEWEST_OF_RING or len(np.unique(np.floor(np.arctan2(y, x) / (np.pi / 8)))) < 8:
            continue
        reach = np.maximum(np.hypot(x, y), 1e-9)
        # A ring on an oblique or bulging wall moves by the part of its shift that lies in the section.
        inplane = (normals[ring] @ u[k]) * x / reach + (normals[ring] @ v[k]) * y / reach
        rows.append(np.linalg.pinv(np.stack([x / reach, y / reach, np.ones(len(ring))], axis=1)) * inplane)
        columns.append(ring)
        owners.append(np.full(len(ring), k))
        known.append(k)
    shape = (len(line.points_mm), len(points))
    if not known:
        empty = sparse.csr_matrix(shape)
        return _Ring(line, empty, empty, empty, u, v, np.zeros(0, dtype=np.int64))
    value, column, owner = np.concatenate(rows, axis=1), np.concatenate(columns), np.concatenate(owners)
    along_u, along_v, swell = (sparse.csr_matrix((value[part], (owner, column)), shape=shape) for part in range(3))
    return _Ring(line, along_u, along_v, swell, u, v, np.array(known))


def _from_neck(line: Centerline, neck: _Neck, tilt: FloatArray, at_end: bool) -> Centerline:
    """A branch that begins (at_end: ends) where the moved neck lies: cut back, or led on as its mirror through the end."""
    points, radius = (line.points_mm[::-1], line.radius_mm[::-1]) if at_end else (line.points_mm, line.radius_mm)
    length = arc_length(points)
    start = min(float(neck.offset(points[:1], tilt)[0]), 0.5 * float(length[-1]))
    if start < 0:
        echo = length[1:] < -start + 1e-9
        points = np.concatenate([(2 * points[0] - points[1:][echo])[::-1], points])
        radius = np.concatenate([np.full(int(echo.sum()), radius[0]), radius])
    elif start > 0:
        kept = length > start
        fresh = np.stack([np.interp(start, length, points[:, k]) for k in range(3)])
        points = np.concatenate([fresh[None], points[kept]])
        radius = np.concatenate([[np.interp(start, length, radius)], radius[kept]])
    if len(points) < 3:
        return line
    return (
        replace(line, points_mm=points[::-1], radius_mm=radius[::-1])
        if at_end
        else replace(line, points_mm=points, radius_mm=radius)
    )


def resampled(anatomy: Anatomy, sd_mm: float, correlation_mm: float, neck_sd_mm: float, pairs: int) -> Iterator[Anatomy]:
    """2 * pairs random copies of an anatomy, in pairs moved by opposite amounts; the same ones on every call.

    sd_mm: standard deviation of the wall's place along its normal, half of its variance common to the whole lumen, half
    with a Gaussian correlation of `correlation_mm`. neck_sd_mm: that of the neck line along the wall. A branch's end at the
    neck moves with the neck, its middle and its radius as the circle fitted to the wall around it.
    """
    random = np.random.default_rng(2026)
    sources = _sources(anatomy)
    for _ in range(pairs):
        common, local = _field(anatomy.points, correlation_mm, random)
        tilt = random.normal(size=3) * np.sqrt([_COMMON, 1 - _COMMON, 1 - _COMMON])
        for sign in (1.0, -1.0):
            yield sources.copy(sign * sd_mm * common, sign * sd_mm * local, sign * neck_sd_mm * tilt)


def _field(points: FloatArray, correlation_mm: float, random: np.random.Generator) -> tuple[float, FloatArray]:
    """A random number and a random field (n,) of Gaussian correlation, of variance one together."""
    # A sum of waves of random direction and phase (Rahimi, Recht 2007) needs no matrix of all pairs of points.
    waves = random.normal(size=(3, _WAVES)) / correlation_mm
    phase = random.uniform(0, 2 * np.pi, _WAVES)
    angle = ((points - points.mean(axis=0)) @ waves + phase).astype(np.float32)
    field = np.sqrt(2 / _WAVES) * np.cos(angle).sum(axis=1)
    return float(np.sqrt(_COMMON) * random.normal()), np.sqrt(1 - _COMMON) * field.astype(np.float64)
