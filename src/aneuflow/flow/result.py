"""What is read off the lattice at a sample, summed over a cycle, and handed on as the solution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.spatial import cKDTree

from aneuflow.flow.indices import OstiumFlow, hemodynamic_measures, oscillatory_shear_index, relative_residence_time
from aneuflow.flow.run import Run
from aneuflow.flow.setup import Domain, Units
from aneuflow.flow.volume import volume_field
from aneuflow.flow.wall_shear import WallOperator, wall_operator
from aneuflow.numerics.lattice.voxels import cells_inside
from aneuflow.numerics.surface import face_areas, face_normals, vertex_areas
from aneuflow.types import (
    REGION_EXTENSION,
    REGION_SAC,
    WALL_PATCH,
    BoundaryConditions,
    ByteArray,
    Float32Array,
    FloatArray,
    FlowSolution,
    LumenModel,
    Surface,
)

_SUMMED = ("shear", "shear_magnitude", "wall_pressure", "velocity", "pressure", "ostium_velocity")
_AT_PEAK = ("shear", "ostium_velocity")


@dataclass(frozen=True, eq=False)
class Section:
    """Points of a cut surface: interpolation (k, cells), normals (k, 3) and areas (k,) in mm2."""

    interpolation: sparse.csr_array
    normals: FloatArray
    areas_mm2: FloatArray


@dataclass(frozen=True, eq=False)
class RoundWall:
    """The wall of the round part of an inlet's extension, where the flow should be that of a straight tube."""

    operator: WallOperator
    areas: FloatArray
    radius_mm: float


@dataclass(frozen=True, eq=False)
class Sampler:
    """Reads wall, volume, caps and ostium off a lattice. lumen, sac (cells,): which cells lie there."""

    boundary: BoundaryConditions
    domain: Domain
    wall: Surface
    region: ByteArray
    areas: FloatArray
    operator: WallOperator
    lumen: npt.NDArray[np.bool_]
    sac: npt.NDArray[np.bool_]
    caps: Mapping[int, Section]
    ostium: Section | None
    upstream: Mapping[int, RoundWall]

    @classmethod
    def of(cls, model: LumenModel, boundary: BoundaryConditions, domain: Domain) -> Sampler:
        wall, region = _wall_of(model)
        points = domain.voxels.points
        tree = cKDTree(points)
        surface = model.lumen.surface
        lumen = cells_inside(domain.voxels, surface.points, surface.triangles)
        caps = {cap.id: _section(_patch(model, cap.id), domain, tree) for cap in model.caps}
        ostium = None if model.aneurysm is None else _section(model.aneurysm.ostium.surface, domain, tree)
        sac = np.zeros(len(points), dtype=bool)
        if model.aneurysm is not None:
            sac[lumen] = _in_sac(points[lumen], wall, region, model.aneurysm.ostium.surface)
        areas = vertex_areas(wall.points, wall.triangles)
        operator = wall_operator(domain, tree, model.extended, wall)
        upstream = _round_walls(model, boundary, domain, tree)
        return cls(boundary, domain, wall, region, areas, operator, lumen, sac, caps, ostium, upstream)

    def mean_shears(self, velocity: Float32Array) -> tuple[float, ...]:
        """Mean wall shear of the wall and, where there is one, of the sac, Pa; velocity (cells, 3) in m/s."""
        magnitude = np.linalg.norm(self.operator.shear(velocity, self.boundary.blood), axis=1)
        regions = [np.ones(len(magnitude), dtype=bool), self.region == REGION_SAC]
        return tuple(float(np.average(magnitude[r], weights=self.areas[r])) for r in regions if self.areas[r].sum() > 0.0)

    def sample(self, run: Run) -> dict[str, Any]:
        """The flow of this moment in SI (flows in mL/s): arrays by the names `Averages` sums, and the history's numbers."""
        units, fields = run.units, run.lattice.fields(run.threads)
        density, velocity = fields[0], np.ascontiguousarray(fields[1:4].T) * np.float32(units.velocity)
        pressure = density / np.float32(3.0) * np.float32(units.stress) + np.float32(run.reference)
        shear = self.operator.shear(velocity, self.boundary.blood)
        inlets = zip(self.boundary.inlets, run.inflow, strict=True)
        outlets = zip(self.boundary.outlets, run.outflow, strict=True)
        numbers = {f"inflow_{inlet.cap_id}": float(flow) for inlet, flow in inlets}
        numbers |= {f"outflow_{outlet.cap_id}": float(flow) for outlet, flow in outlets}
        for id, section in self.caps.items():
            numbers[f"pressure_{id}"] = float(np.average(section.interpolation @ pressure, weights=section.areas_mm2))
        for id, tube in self.upstream.items():
            stress = np.linalg.norm(tube.operator.shear(velocity, self.boundary.blood), axis=1)
            numbers[f"upstream_shear_{id}"] = float(np.average(stress, weights=tube.areas))
        if self.ostium is not None:
            square = np.einsum("nd,nd->n", velocity[self.sac], velocity[self.sac], dtype=np.float64)
            numbers["sac_kinetic_energy"] = 0.5 * units.density * float(square.mean()) if len(square) else 0.0
        return {
            "numbers": numbers,
            "shear": shear,
            "shear_magnitude": np.linalg.norm(shear, axis=1),
            "wall_pressure": self.operator.mean @ pressure,
            "velocity": velocity[self.lumen],
            "pressure": pressure[self.lumen],
            "ostium_velocity": np.empty((0, 3)) if self.ostium is None else self.ostium.interpolation @ velocity,
        }


@dataclass(eq=False)
class Averages:
    """Sums over the samples of a cycle, the sample at peak flow, and the history."""

    sums: dict[str, Any]
    peak: dict[str, Any]
    history: dict[str, list[float]]
    count: int = 0

    @classmethod
    def empty(cls) -> Averages:
        return cls({}, {}, {})

    @classmethod
    def of(cls, parts: Sequence[Averages]) -> Averages:
        """All samples of the parts, the peak that of the last."""
        sums = {name: sum(part.sums[name] for part in parts) for name in parts[0].sums}
        history = {name: [value for part in parts for value in part.history[name]] for name in parts[0].history}
        return cls(sums, parts[-1].peak, history, sum(part.count for part in parts))

    def add(self, sample: dict[str, Any], peak: bool) -> None:
        for name in _SUMMED:
            self.sums[name] = self.sums.get(name, 0.0) + np.asarray(sample[name], dtype=np.float64)
        if peak:
            self.peak = {name: np.asarray(sample[name]) for name in _AT_PEAK}
        for name, value in sample["numbers"].items():
            self.history.setdefault(name, []).append(float(value))
        self.count += 1

    def as_one(self) -> Averages:
        """The mean of all samples, as if it were the only one."""
        sums = {name: self.mean(name) for name in self.sums}
        history = {name: [float(np.mean(values))] for name, values in self.history.items()}
        return Averages(sums, {name: sums[name] for name in self.peak}, history, 1)

    def mean(self, name: str) -> FloatArray:
        return np.asarray(self.sums[name]) / self.count

    def mean_shear(self) -> FloatArray:
        return self.mean("shear_magnitude")

    def flow_sums(self) -> tuple[float, float]:
        into, out = (sum(sum(v) for n, v in self.history.items() if n.startswith(word)) for word in ("inflow", "outflow"))
        return into, out

    def arrays(self, prefix: str = "") -> dict[str, npt.NDArray[Any]]:
        """Everything as arrays, for a checkpoint."""
        named = {f"{prefix}sum_{name}": np.asarray(value) for name, value in self.sums.items()}
        named |= {f"{prefix}peak_{name}": value for name, value in self.peak.items()}
        return named | {f"{prefix}history_{name}": np.asarray(value) for name, value in self.history.items()}

    @classmethod
    def restored(cls, arrays: Mapping[str, npt.NDArray[Any]], prefix: str = "") -> Averages:
        def part(word: str) -> dict[str, npt.NDArray[Any]]:
            start = prefix + word
            return {name.removeprefix(start): np.asarray(a) for name, a in arrays.items() if name.startswith(start)}

        history = {name: [float(v) for v in values] for name, values in part("history_").items()}
        return cls(part("sum_"), part("peak_"), history, len(next(iter(history.values()), [])))


def solution_of(
    model: LumenModel,
    boundary: BoundaryConditions,
    sampler: Sampler,
    averages: Averages,
    units: Units,
    numerics: Mapping[str, Any],
) -> FlowSolution:
    """The solution from the averages of the last cycle, with its measures."""
    tawss, mean = averages.mean_shear(), averages.mean("shear")
    osi = oscillatory_shear_index(tawss, np.linalg.norm(mean, axis=1))
    fields = {
        "TAWSS": tawss,
        "OSI": osi,
        "RRT": relative_residence_time(osi, tawss),
        "WSS_mean": mean,
        "WSS_peak": averages.peak["shear"],
        "pressure": averages.mean("wall_pressure"),
    }
    period = 0.0 if boundary.waveform is None else boundary.waveform.period_s
    # A sample closes its interval; the first of the history is the cycle's start, which the last sample is too.
    history = {name: np.roll(np.asarray(values), 1) for name, values in averages.history.items()}
    history["time_s"] = np.arange(averages.count) * period / averages.count
    volume = volume_field(sampler.domain.voxels, sampler.lumen, averages.mean("velocity"), averages.mean("pressure"))
    wall_fields = {name: np.asarray(values, dtype=np.float32) for name, values in fields.items()}
    solution = FlowSolution(sampler.wall, sampler.region, wall_fields, volume, (), history, dict(numerics))
    ostium = None
    if sampler.ostium is not None:
        at_peak = averages.peak["ostium_velocity"]
        ostium = OstiumFlow(sampler.ostium.normals, sampler.ostium.areas_mm2, averages.mean("ostium_velocity"), at_peak)
    return replace(solution, measures=hemodynamic_measures(model, boundary, solution, ostium))


def flow_ratio(boundary: BoundaryConditions, samples: int) -> FloatArray:
    """Inflow over its mean at `samples` equal steps of the cycle."""
    waveform = boundary.waveform
    if waveform is None:
        return np.ones(samples)
    return np.interp(np.arange(samples) / samples, waveform.phase, waveform.ratio, period=1.0)


def upstream_shear_over_poiseuille(sampler: Sampler, averages: Averages) -> dict[str, float]:
    """Mean wall shear in each inlet's round extension over Poiseuille's, 4 mu Q / (pi r^3): a check of every run by itself.

    Keys are cap ids. Empty for blood that is not Newtonian and where there is no extension of more than two diameters.
    """
    blood = sampler.boundary.blood
    if blood.model != "newtonian":
        return {}
    ratios = {}
    for id, tube in sampler.upstream.items():
        flow_m3_s = 1e-6 * np.mean(averages.history[f"inflow_{id}"])
        exact = 4.0 * blood.parameters["viscosity"] * flow_m3_s / (np.pi * (1e-3 * tube.radius_mm) ** 3)
        ratios[str(id)] = float(np.mean(averages.history[f"upstream_shear_{id}"]) / exact)
    return ratios


def _round_walls(model: LumenModel, boundary: BoundaryConditions, domain: Domain, tree: cKDTree) -> dict[int, RoundWall]:
    """By inlet: the extension's wall from where it has become round to a diameter before its end."""
    surface, extended = model.extended.surface, {cap.id: cap for cap in model.extended_caps}
    walls = {}
    for cap in (cap for cap in model.caps if cap.id in {inlet.cap_id for inlet in boundary.inlets}):
        length = float((extended[cap.id].center_mm - cap.center_mm) @ cap.normal)
        along = (surface.points - cap.center_mm) @ cap.normal
        aside = np.linalg.norm(surface.points - cap.center_mm - along[:, None] * cap.normal, axis=1)
        inside = (along > 2.2 * cap.radius_mm) & (along < length - 2.0 * cap.radius_mm) & (aside < 1.5 * cap.radius_mm)
        inside &= model.extended.region == REGION_EXTENSION
        chosen = (model.extended.patch == WALL_PATCH) & inside[surface.triangles].all(axis=1)
        if chosen.any():
            used, renumbered = np.unique(surface.triangles[chosen], return_inverse=True)
            tube = Surface(surface.points[used], renumbered.reshape(-1, 3).astype(np.int32))
            operator = wall_operator(domain, tree, model.extended, tube)
            walls[cap.id] = RoundWall(operator, vertex_areas(tube.points, tube.triangles), extended[cap.id].radius_mm)
    return walls


def _wall_of(model: LumenModel) -> tuple[Surface, ByteArray]:
    triangles = model.lumen.surface.triangles[model.lumen.patch == WALL_PATCH]
    used, renumbered = np.unique(triangles, return_inverse=True)
    surface = Surface(model.lumen.surface.points[used], renumbered.reshape(-1, 3).astype(np.int32))
    return surface, model.lumen.region[used]


def _patch(model: LumenModel, id: int) -> Surface:
    return Surface(model.lumen.surface.points, model.lumen.surface.triangles[model.lumen.patch == id])


def _section(surface: Surface, domain: Domain, tree: cKDTree) -> Section:
    """Triangles cut down to about the lattice spacing, their centers interpolated from the nearest cells."""
    corners = surface.points[surface.triangles]
    while len(corners) < 100_000 and np.ptp(corners, axis=1).max() > domain.voxels.spacing:
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        corners = np.concatenate([np.stack(t, axis=1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    points, triangles = corners.reshape(-1, 3), np.arange(3 * len(corners), dtype=np.int32).reshape(-1, 3)
    interpolation = interpolation_from(tree, corners.mean(axis=1))
    return Section(interpolation, face_normals(points, triangles), face_areas(points, triangles))


def interpolation_from(nodes: cKDTree, points: FloatArray) -> sparse.csr_array:
    """Inverse-distance weights (points, nodes) over the eight nearest nodes."""
    distance, near = nodes.query(points, k=8)
    weight = 1.0 / np.maximum(distance, 1e-6) ** 3
    weight /= weight.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(len(points)), 8)
    return sparse.csr_array((weight.ravel(), (rows, near.ravel())), shape=(len(points), nodes.n))


def _in_sac(points: FloatArray, wall: Surface, region: ByteArray, ostium: Surface) -> npt.NDArray[np.bool_]:
    """Of points in the lumen: those within the box of sac and ostium whose nearest wall is the sac's, behind the ostium."""
    around = np.concatenate([wall.points[region == REGION_SAC], ostium.points])
    inside = ((points >= around.min(axis=0)) & (points <= around.max(axis=0))).all(axis=1)
    centers = ostium.points[ostium.triangles].mean(axis=1)
    normals = face_normals(ostium.points, ostium.triangles)
    closest = cKDTree(centers).query(points[inside])[1]
    inside[inside] = np.einsum("nd,nd->n", points[inside] - centers[closest], normals[closest]) > 0.0
    inside[inside] = region[cKDTree(wall.points).query(points[inside])[1]] == REGION_SAC
    return np.asarray(inside)
