"""Hemodynamic indices: numbers that sum up the flow on the wall, in the sac and through its ostium."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from aneuflow.numerics.surface import vertex_areas
from aneuflow.numerics.womersley import womersley_number
from aneuflow.types import (
    PA_PER_MMHG,
    REGION_PARENT,
    REGION_SAC,
    BoundaryConditions,
    Centerline,
    Float32Array,
    FloatArray,
    FlowSolution,
    LumenModel,
    Measure,
    Surface,
)

LOW_SHEAR_PA = 0.4
# Under this cycle-mean shear vector the residence time says "stagnant", not how much: it is beneath what a lattice resolves.
RESIDENCE_FLOOR_PA = 1e-3
# What flows into a rigid sac flows out of it: with a sampled net flow above this part of the total the rates are not given.
OSTIUM_IMBALANCE_LIMIT = 0.25
# A steady flow says nothing about swings through the cycle: 0 would read as a finding.
CYCLE_MEASURES = frozenset(
    ("sac_osi_mean", "sac_osi_p99", "sac_rrt_mean", "sac_rrt_median", "vessel_osi_mean", "vessel_osi_p99", "inflow_rate_peak")
)

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class OstiumFlow:
    """Velocity on the ostium: normals (k, 3) into the sac, areas_mm2 (k,), cycle-mean and peak-flow velocity (k, 3) in m/s."""

    normals: FloatArray
    areas_mm2: FloatArray
    velocity_mean: FloatArray
    velocity_peak: FloatArray


@dataclass(frozen=True)
class ShearStatistics:
    """Area-weighted statistics of a wall field, in the field's unit; p99 is the value 99 % of the area lies under."""

    mean: float
    sd: float
    median: float
    p99: float
    maximum: float


def oscillatory_shear_index(mean_magnitude: FloatArray, magnitude_of_mean: FloatArray) -> FloatArray:
    """OSI in [0, 0.5]: (1 - |cycle mean of tau| / cycle mean of |tau|) / 2, same shape; 0 where there is no shear.

    mean_magnitude: TAWSS in Pa; magnitude_of_mean: length of the cycle-mean shear vector in Pa.
    Source: Ku et al. 1985; He and Ku 1996.
    """
    ratio = np.divide(magnitude_of_mean, mean_magnitude, out=np.ones_like(mean_magnitude), where=mean_magnitude > 0.0)
    return np.asarray(np.clip(0.5 * (1.0 - ratio), 0.0, 0.5))


def relative_residence_time(osi: FloatArray, tawss: FloatArray) -> FloatArray:
    """RRT in 1/Pa: 1 / ((1 - 2 OSI) TAWSS), at most 1000 1/Pa; TAWSS in Pa. Source: Himburg et al. 2004."""
    return np.asarray(1.0 / np.maximum((1.0 - 2.0 * osi) * tawss, RESIDENCE_FLOOR_PA))


def statistics(values: FloatArray | Float32Array, areas: FloatArray) -> ShearStatistics:
    """Area-weighted statistics of values (n,) over areas (n,), at least one of them positive."""
    values = values.astype(np.float64)
    mean = float(np.average(values, weights=areas))
    order = np.argsort(values)
    below = np.cumsum(areas[order]) / areas.sum()
    median, p99 = (float(values[order[min(int(np.searchsorted(below, part)), len(order) - 1)]]) for part in (0.5, 0.99))
    sd = float(np.sqrt(np.average((values - mean) ** 2, weights=areas)))
    return ShearStatistics(mean=mean, sd=sd, median=median, p99=p99, maximum=float(values[areas > 0.0].max()))


def area_fraction_below(values: FloatArray, areas: FloatArray, threshold: float) -> float:
    """Part of the area, in [0, 1], where the field is under `threshold`."""
    return float(areas[values < threshold].sum() / areas.sum())


def shear_concentration_index(tawss: FloatArray, areas: FloatArray, threshold_pa: float) -> float | None:
    """SCI = (F_high / F_sac) / (A_high / A_sac), over the sac's points; None where nothing lies above the threshold.

    F is the integral of wall shear, A the area; high is above `threshold_pa`, the parent region's mean plus one standard
    deviation. Source: Mut et al. 2011; Cebral et al. 2011.
    """
    high = tawss > threshold_pa
    if not areas[high].sum() > 0.0:
        return None
    force = tawss * areas
    return float(force[high].sum() / force.sum() / (areas[high].sum() / areas.sum()))


def ostium_inflow(velocity: FloatArray, normals: FloatArray, areas_mm2: FloatArray) -> tuple[float, float]:
    """Flow into the sac in mL/s and the part of the ostium's area, in [0, 1], through which it enters.

    velocity (k, 3) m/s; normals (k, 3) into the sac; areas_mm2 (k,). A rigid sac takes in what it lets out, so half of the
    integral of |u.n| is the inflow, with less sampling error than that of its positive part alone.
    """
    flux = np.einsum("kd,kd->k", velocity, normals)
    # m/s times mm2 is mL/s.
    return float(0.5 * np.abs(flux) @ areas_mm2), float(areas_mm2[flux > 0.0].sum() / areas_mm2.sum())


def ostium_imbalance(ostium: OstiumFlow) -> float:
    """Net over total cycle-mean flow through the ostium, in [0, 1]; 0 is exact mass balance of the sampled velocities."""
    flux = np.einsum("kd,kd->k", ostium.velocity_mean, ostium.normals) * ostium.areas_mm2
    total = float(np.abs(flux).sum())
    return abs(float(flux.sum())) / total if total > 0.0 else 0.0


def inflow_concentration_index(inflow_ml_s: float, vessel_flow_ml_s: float, area_part: float) -> float:
    """ICI = (Q_in / Q_vessel) / (A_in / A_ostium). Source: Mut et al. 2011; Cebral et al. 2011."""
    return inflow_ml_s / vessel_flow_ml_s / area_part


def parent_region(model: LumenModel, wall: Surface, region: npt.NDArray[np.uint8]) -> BoolArray:
    """Which wall points (n,) are the parent artery: within one local diameter up- and downstream of the neck.

    Without an aneurysm all of the wall. Distances run along the inflow artery's and the outflow branches' centerlines.
    """
    vessel = np.asarray(region == REGION_PARENT)
    if model.aneurysm is None:
        return vessel
    inflow = model.aneurysm.parent_line
    upstream = Centerline(inflow.end_cap, inflow.start_cap, inflow.points_mm[::-1], inflow.radius_mm[::-1])
    lines = (upstream, *model.aneurysm.daughter_lines)
    near = np.concatenate([_arc_length(line.points_mm) <= 2.0 * line.radius_mm[0] for line in lines])
    radius = np.concatenate([line.radius_mm for line in lines])
    distance, nearest = cKDTree(np.vstack([line.points_mm for line in lines])).query(wall.points)
    # Twice the inscribed radius reaches a flat section's far wall, but not along a side branch.
    return np.asarray(vessel & near[nearest] & (distance <= 2.0 * radius[nearest]))


def hemodynamic_measures(
    model: LumenModel, boundary: BoundaryConditions, solution: FlowSolution, ostium: OstiumFlow | None
) -> tuple[Measure, ...]:
    """All hemodynamic numbers of one solution, in the order tables show them; those that have no meaning for it are left out.

    solution: wall, region, wall_fields and history are read (its `measures` are still empty). history holds equal steps of the
    last cycle without its end point: inflow_<cap>, outflow_<cap> in mL/s, pressure_<cap> in Pa on the lumen's caps,
    sac_kinetic_energy in J/m3; of a steady flow the last value counts. ostium: None without aneurysm.
    """
    areas = vertex_areas(solution.wall.points, solution.wall.triangles)
    parent = parent_region(model, solution.wall, solution.region)
    numbers = _flow_numbers(model, boundary, solution.history)
    outlet_pressure = 0.0
    if boundary.absolute:
        outlet_pressure = _outlet_pressure(boundary, solution.history)
        numbers |= _arterial_pressure(boundary, solution.history)
    if model.aneurysm is not None:
        numbers |= _sac_wall_numbers(solution, areas, parent)
        if boundary.absolute:
            numbers["sac_pressure_absolute"] = numbers["sac_pressure_mean"] / PA_PER_MMHG
            numbers["sac_pressure_mean"] -= outlet_pressure
        vessel_flow = numbers["mean_flow"]
        if (key := f"inflow_{model.aneurysm.parent_line.start_cap}") in solution.history:
            vessel_flow = _mean(solution.history[key], boundary)
        if ostium is not None and ostium_imbalance(ostium) <= OSTIUM_IMBALANCE_LIMIT:
            numbers |= _ostium_numbers(ostium, vessel_flow)
        numbers["sac_kinetic_energy"] = _mean(solution.history["sac_kinetic_energy"], boundary)
    numbers |= _vessel_wall_numbers(solution, areas)
    steady = boundary.waveform is None
    return tuple(Measure(id, float(value)) for id, value in numbers.items() if not (steady and id in CYCLE_MEASURES))


def _sac_wall_numbers(solution: FlowSolution, areas: FloatArray, parent: BoolArray) -> dict[str, float]:
    sac = solution.region == REGION_SAC
    fields = {name: np.asarray(values, dtype=np.float64)[sac] for name, values in solution.wall_fields.items()}
    tawss, area = fields["TAWSS"], areas[sac]
    shear, osi, residence = (statistics(fields[name], area) for name in ("TAWSS", "OSI", "RRT"))
    numbers = {"sac_tawss_mean": shear.mean, "sac_tawss_max": shear.maximum, "sac_tawss_p99": shear.p99}
    if areas[parent].sum() > 0.0:
        reference = statistics(solution.wall_fields["TAWSS"][parent], areas[parent])
        low, high = reference.mean - reference.sd, reference.mean + reference.sd
        numbers |= {"parent_tawss_mean": reference.mean, "parent_tawss_sd": reference.sd}
        numbers |= {"tawss_ratio": shear.mean / reference.mean}
        numbers |= {"low_shear_area": 100.0 * area_fraction_below(tawss, area, low)}
        concentration = shear_concentration_index(tawss, area, high)
        if concentration is not None:
            numbers["shear_concentration_index"] = concentration
    return numbers | {
        "low_shear_area_absolute": 100.0 * area_fraction_below(tawss, area, LOW_SHEAR_PA),
        "sac_osi_mean": osi.mean,
        "sac_osi_p99": osi.p99,
        "sac_rrt_mean": residence.mean,
        "sac_rrt_median": residence.median,
        "sac_pressure_mean": statistics(fields["pressure"], area).mean,
    }


def _ostium_numbers(ostium: OstiumFlow, vessel_flow_ml_s: float) -> dict[str, float]:
    inflow, area_part = ostium_inflow(ostium.velocity_mean, ostium.normals, ostium.areas_mm2)
    numbers = {"inflow_rate": inflow, "inflow_fraction": 100.0 * inflow / vessel_flow_ml_s}
    numbers["inflow_rate_peak"] = ostium_inflow(ostium.velocity_peak, ostium.normals, ostium.areas_mm2)[0]
    if area_part > 0.0:
        numbers["inflow_concentration_index"] = inflow_concentration_index(inflow, vessel_flow_ml_s, area_part)
    return numbers


def _vessel_wall_numbers(solution: FlowSolution, areas: FloatArray) -> dict[str, float]:
    vessel = solution.region == REGION_PARENT
    tawss, area = np.asarray(solution.wall_fields["TAWSS"], dtype=np.float64)[vessel], areas[vessel]
    shear, osi = statistics(tawss, area), statistics(solution.wall_fields["OSI"][vessel], area)
    return {
        "vessel_tawss_mean": shear.mean,
        "vessel_tawss_max": shear.maximum,
        "vessel_tawss_p99": shear.p99,
        "vessel_low_shear_area": 100.0 * area_fraction_below(tawss, area, LOW_SHEAR_PA),
        "vessel_osi_mean": osi.mean,
        "vessel_osi_p99": osi.p99,
    }


def _flow_numbers(model: LumenModel, boundary: BoundaryConditions, history: Mapping[str, FloatArray]) -> dict[str, float]:
    """Inflow, its dimensionless numbers at the largest inlet, and the pressure the flow loses from inlets to outlets."""
    largest = max(boundary.inlets, key=lambda inlet: inlet.mean_flow_ml_s)
    radius_m = 1e-3 * next(cap.radius_mm for cap in model.caps if cap.id == largest.cap_id)
    viscosity = boundary.blood.parameters["viscosity"] / boundary.blood.density
    reynolds = 2.0e-6 * largest.mean_flow_ml_s / (np.pi * radius_m * viscosity)
    numbers = {"mean_flow": sum(inlet.mean_flow_ml_s for inlet in boundary.inlets)}
    if boundary.waveform is not None:
        numbers["peak_flow"] = numbers["mean_flow"] * float(boundary.waveform.ratio.max())
    numbers["reynolds_number"] = float(reynolds)
    if boundary.waveform is not None:
        numbers["reynolds_number_peak"] = float(reynolds) * float(boundary.waveform.ratio.max())
        numbers["womersley_number"] = womersley_number(radius_m, boundary.waveform.period_s, viscosity)
    into = {inlet.cap_id: _mean(history[f"inflow_{inlet.cap_id}"], boundary) for inlet in boundary.inlets}
    upstream = sum(_mean(history[f"pressure_{cap}"], boundary) * flow for cap, flow in into.items()) / sum(into.values())
    numbers["pressure_loss"] = upstream - _outlet_pressure(boundary, history)
    return numbers


def _outlet_pressure(boundary: BoundaryConditions, history: Mapping[str, FloatArray]) -> float:
    """Mean pressure at the outlets, weighted by their flow, Pa."""
    out = {outlet.cap_id: _mean(history[f"outflow_{outlet.cap_id}"], boundary) for outlet in boundary.outlets}
    return sum(_mean(history[f"pressure_{cap}"], boundary) * flow for cap, flow in out.items()) / sum(out.values())


def _arterial_pressure(boundary: BoundaryConditions, history: Mapping[str, FloatArray]) -> dict[str, float]:
    """Pressure at the inlet of the largest flow, mmHg."""
    largest = max(boundary.inlets, key=lambda inlet: inlet.mean_flow_ml_s)
    pressure = np.asarray(history[f"pressure_{largest.cap_id}"]) / PA_PER_MMHG
    numbers = {"arterial_pressure_mean": _mean(pressure, boundary)}
    if boundary.waveform is not None:
        numbers |= {"arterial_pressure_systolic": float(pressure.max()), "arterial_pressure_diastolic": float(pressure.min())}
    return numbers


def _mean(series: FloatArray, boundary: BoundaryConditions) -> float:
    return float(series[-1] if boundary.waveform is None else np.mean(series))


def _arc_length(points: FloatArray) -> FloatArray:
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
