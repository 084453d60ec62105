"""Case 4 of the Aneumo data set against its authors' finite-volume velocity, from their mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import simulate
from aneuflow.geometry.model import build_model
from aneuflow.geometry.settings import ModelSettings
from aneuflow.imaging import read_label_map
from aneuflow.types import Blood, BoundaryConditions, FloatArray, InletCondition, LumenModel, OutletCondition
from aneuflow.verification.compare import Grid
from aneuflow.verification.trial import Asked, Case, Found, Gate, Means, Plot, Row, Trial, rows_of_each, variant
from aneuflow.verification.tubes import settings_reached

MASK, POINTS = "aneumo/case4_mask_cloud_frame.nii.gz", "aneumo/case4_points.npz"
FIELDS = "aneumo/case4_fields_mdot0.002.npz"
BLOOD = Blood(1050.0, "newtonian", {"viscosity": 0.00345})
FLOW_ML_S = 1e6 * 0.002 / 1050.0
RESOLUTIONS_MM = (0.2, 0.12)
_LAYERS_MM = (0.1, 0.2, 0.4, 0.7, 1.6)  # bounds of the distances from the wall by which the difference is drawn
_INSIDE_MM = (0.2, 0.6)  # behind the cut at the inlet, where the pressure is read
_MOVING_M_S = 0.03  # points of zero pressure that are faster lie in the outlet; those at rest are the wall's


@dataclass(frozen=True, eq=False)
class Cloud:
    """The authors' solution: points (n, 3) mm LPS, wall distance (n,) mm, velocity (n, 3) m/s, pressure (n,) Pa; the
    inlet's center (3,) mm and normal (3,) out of the lumen, and the center (3,) of the outlet's points."""

    points: FloatArray
    depth_mm: FloatArray
    velocity: FloatArray
    pressure: FloatArray
    inlet_mm: FloatArray
    inlet_normal: FloatArray
    outlet_mm: FloatArray


def read_cloud(data: Path) -> Cloud:
    """Their frame is that of the mask's NIfTI file (RAS), in metres; pressure is over the density."""
    turned = np.array([-1.0, -1.0, 1.0])
    with np.load(data / POINTS) as content:
        points = 1e3 * content["points_m"].astype(np.float64) * turned
        depth, inlet = (1e3 * content[name].astype(np.float64) for name in ("wall_distance_m", "inlet_points_m"))
        normal = content["simple_inlet"].astype(np.float64)[3:6] * turned
    with np.load(data / FIELDS) as content:
        velocity = content["velocity_m_s"].astype(np.float64) * turned
        pressure = BLOOD.density * content["kinematic_pressure_m2_s2"].astype(np.float64)
    at_outlet = (pressure == 0.0) & (np.linalg.norm(velocity, axis=1) > _MOVING_M_S)
    normal /= np.linalg.norm(normal)
    return Cloud(points, depth, velocity, pressure, (inlet * turned).mean(axis=0), normal, points[at_outlet].mean(axis=0))


def model_of(data: Path, cloud: Cloud) -> LumenModel:
    """The lumen of the mask, whose ends are cut a little inside of theirs, with extensions up to where theirs lie."""
    labels = read_label_map(data / MASK)
    inside = build_model(labels, ModelSettings(inlet_extension_diameters=0.0, outlet_extension_diameters=0.0))
    diameters = {}
    for cap in inside.caps:
        theirs = cloud.inlet_mm if cap.role == "inlet" else cloud.outlet_mm
        diameters[cap.role] = max(0.0, float((theirs - cap.center_mm) @ cap.normal) / (2.0 * cap.radius_mm))
    return build_model(
        labels,
        ModelSettings(inlet_extension_diameters=diameters["inlet"], outlet_extension_diameters=diameters["outlet"]),
    )


def conditions(model: LumenModel) -> BoundaryConditions:
    """Theirs: a uniform velocity over the inlet (0.306 m/s at every inlet point of the cloud), zero pressure at the outlets."""
    inlet = next(cap for cap in model.caps if cap.role == "inlet")
    outlets = tuple(OutletCondition(cap.id, "pressure", pressure=0.0) for cap in model.caps if cap.role == "outlet")
    return BoundaryConditions((InletCondition(inlet.id, FLOW_ML_S, "plug"),), outlets, BLOOD, None)


def compared_flow(means: Means, resolution_mm: float) -> Found:
    """Differences at the cloud's points whose eight lattice neighbors are in the lumen, over the mean inlet speed."""
    cloud = read_cloud(means.data)
    model = model_of(means.data, cloud)
    inlet = next(cap for cap in model.caps if cap.role == "inlet")
    settings = FlowSettings(resolution_mm=resolution_mm, steady=True, threads=means.threads)
    solution = simulate(model, conditions(model), settings, means.progress, means.checkpoint)
    ours = Grid.of(solution.volume, float(solution.numerics["resolution_mm"])).at(cloud.points)
    inside = np.isfinite(ours).all(axis=1) & (cloud.depth_mm > 0.0)
    mean_speed = FLOW_ML_S / inlet.area_mm2
    difference = np.linalg.norm(ours[:, :3] - cloud.velocity, axis=1) / mean_speed
    behind = -(cloud.points - inlet.center_mm) @ inlet.normal
    near = np.linalg.norm(cloud.points - inlet.center_mm, axis=1) < 2.0 * inlet.radius_mm
    at_inlet = inside & near & (behind > _INSIDE_MM[0]) & (behind < _INSIDE_MM[1])
    loss = [float(pressure[at_inlet].mean()) for pressure in (ours[:, 3], cloud.pressure)]
    numbers = {
        "median_percent": 100.0 * float(np.median(difference[inside])),
        "p90_percent": 100.0 * float(np.quantile(difference[inside], 0.9)),
        "loss_percent": 100.0 * (loss[0] / loss[1] - 1.0),
        "loss_pa": loss[0],
        "reference_loss_pa": loss[1],
        "points_percent": 100.0 * float(inside.mean()),
        "inlet_area_mm2": inlet.area_mm2,
        "inlet_extension_mm": float((model.extended_caps[0].center_mm - model.caps[0].center_mm) @ model.caps[0].normal),
        "inlet_angle_deg": float(np.degrees(np.arccos(np.clip(abs(float(inlet.normal @ cloud.inlet_normal)), 0.0, 1.0)))),
    }
    layer = np.digitize(cloud.depth_mm, _LAYERS_MM)
    chosen = [inside & (layer == k) for k in range(len(_LAYERS_MM))]
    depth = [float(cloud.depth_mm[c].mean()) for c in chosen]
    curves = {
        "median": (depth, [100.0 * float(np.median(difference[c])) for c in chosen]),
        "90th percentile": (depth, [100.0 * float(np.quantile(difference[c], 0.9)) for c in chosen]),
    }
    return Found(numbers | settings_reached(solution), curves)


def _judge(found: Mapping[str, Found]) -> tuple[Row, ...]:
    asked = (
        Asked("velocity, median difference over the mean inlet speed", "%", "median_percent", Gate(6.0, 3.0)),
        Asked("velocity, 90th percentile of the same", "%", "p90_percent", Gate(15.0, 8.0)),
        Asked("pressure loss", "%", "loss_percent", Gate(10.0, 5.0)),
        Asked("points of the cloud that could be compared", "%", "points_percent", Gate()),
    )
    return rows_of_each(found, asked)


def _plots(found: Mapping[str, Found]) -> tuple[Plot, ...]:
    return tuple(
        Plot(f"Difference of velocity, {variant(name)}", "distance from the wall, mm", "% of inlet speed", one.curves)
        for name, one in found.items()
    )


def cases() -> tuple[Case, ...]:
    files = (MASK, POINTS, FIELDS)
    trials = tuple(
        Trial(f"aneumo4-{1e3 * h:.0f}um", {"resolution_mm": h}, partial(compared_flow, resolution_mm=h), files)
        for h in RESOLUTIONS_MM
    )
    note = (
        "Lumen from the published mask of 0.18 mm voxels, where the reference has the surface the mask was made from; uniform "
        "velocity at the inlet as theirs, zero pressure at the outlet, both where theirs lie."
    )
    return (Case("aneumo4", "Aneumo case 4, 0.002 kg/s, against its OpenFOAM velocity", trials, _judge, _plots, note=note),)
