"""Case 4 of the Aneumo data set against its authors' finite-volume velocity, from their mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import simulate
from aneuflow.geometry.caps import close_ends
from aneuflow.geometry.from_labels import lumen_surface
from aneuflow.geometry.repair import repair
from aneuflow.geometry.settings import ModelSettings
from aneuflow.imaging import read_label_map
from aneuflow.numerics.surface import compact, split_by_field
from aneuflow.types import Blood, BoundaryConditions, FloatArray, InletCondition, LumenModel, OutletCondition, Surface
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
_MOVING_M_S = 0.03  # points of zero pressure that are faster lie in the outlet
_ROUND_MM, _NEAR_MM = 0.15, 3.0  # how much of the mask's ends is round; how far from an opening's center its plane may cut


@dataclass(frozen=True, eq=False)
class Cloud:
    """The authors' solution: points (n, 3) mm LPS, wall distance (n,) mm, velocity (n, 3) m/s, pressure (n,) Pa, whether they
    give a value there (n,); and of the planes of inlet and outlet a point (3,) mm and the normal (3,) out of the lumen."""

    points: FloatArray
    depth_mm: FloatArray
    velocity: FloatArray
    pressure: FloatArray
    known: npt.NDArray[np.bool_]
    inlet: tuple[FloatArray, FloatArray]
    outlet: tuple[FloatArray, FloatArray]


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
    speed = np.linalg.norm(velocity, axis=1)
    known = (speed > 0.0) | (pressure != 0.0) | (depth == 0.0)
    at_outlet = points[(pressure == 0.0) & (speed > _MOVING_M_S)]
    center = at_outlet.mean(axis=0)
    across = np.linalg.svd(at_outlet - center)[2][2]
    outlet = center, across * np.sign(across @ (center - points.mean(axis=0)))
    return Cloud(
        points, depth, velocity, pressure, known, ((inlet * turned).mean(axis=0), normal / np.linalg.norm(normal)), outlet
    )


def model_of(data: Path, cloud: Cloud) -> LumenModel:
    """The lumen of the mask, cut along the planes of their inlet and outlet, before them by what of the mask is round."""
    labeled = lumen_surface(read_label_map(data / MASK), ModelSettings().smoothing_steps)
    wall = repair(labeled.surface, largest_only=True)[0]
    for plane in (cloud.inlet, cloud.outlet):
        wall = _cut(wall, *plane)
    lumen, caps = close_ends(wall)
    return LumenModel(lumen, caps, (), None, lumen, caps)


def _cut(wall: Surface, place: FloatArray, normal: FloatArray) -> Surface:
    """Without what lies beyond the plane's cut, near the place."""

    def beyond(points: FloatArray) -> FloatArray:
        near = np.linalg.norm(points - place, axis=1) < _NEAR_MM
        return np.where(near, (points - place) @ normal + _ROUND_MM, -1.0)

    split = split_by_field(wall.points, wall.triangles, beyond(wall.points))
    kept = split.triangles[beyond(split.points)[split.triangles].max(axis=1) < 1e-6]
    return Surface(*compact(split.points, kept)[:2])


def conditions(model: LumenModel) -> BoundaryConditions:
    """Theirs: a uniform velocity over the inlet (0.306 m/s at every inlet point of the cloud), zero pressure at the outlets."""
    inlet = next(cap for cap in model.caps if cap.role == "inlet")
    outlets = tuple(OutletCondition(cap.id, "pressure", pressure=0.0) for cap in model.caps if cap.role == "outlet")
    return BoundaryConditions((InletCondition(inlet.id, FLOW_ML_S, "plug"),), outlets, BLOOD, None)


def compared_flow(means: Means, resolution_mm: float) -> Found:
    """Differences at the cloud's points with a value, and eight lattice neighbors in the lumen, over the mean inlet speed."""
    cloud = read_cloud(means.data)
    model = model_of(means.data, cloud)
    inlet = next(cap for cap in model.caps if cap.role == "inlet")
    settings = FlowSettings(resolution_mm=resolution_mm, steady=True, threads=means.threads)
    solution = simulate(model, conditions(model), settings, means.progress, means.checkpoint)
    ours = Grid.of(solution.volume, float(solution.numerics["resolution_mm"])).at(cloud.points)
    inside = np.isfinite(ours).all(axis=1) & (cloud.depth_mm > 0.0) & cloud.known
    mean_speed = FLOW_ML_S / inlet.area_mm2
    difference = np.linalg.norm(ours[:, :3] - cloud.velocity, axis=1) / mean_speed
    behind = -(cloud.points - cloud.inlet[0]) @ cloud.inlet[1]
    near = np.linalg.norm(cloud.points - cloud.inlet[0], axis=1) < 2.0 * inlet.radius_mm
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
        "unknown_points": float(np.count_nonzero(~cloud.known)),
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
        "Lumen from the published mask of 0.18 mm voxels, 0.013 mm from their wall points in the mean; uniform velocity at the "
        "inlet as theirs, zero pressure at the outlet, both 0.15 mm before the planes of theirs. Left out are 8,352 of their "
        "129,693 points that are said to be off the wall but have velocity and pressure of exactly zero, which is no value."
    )
    return (Case("aneumo4", "Aneumo case 4, 0.002 kg/s, against its OpenFOAM velocity", trials, _judge, _plots, note=note),)
