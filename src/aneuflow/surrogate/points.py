"""A vessel's points as the surrogate's network takes them: in a frame that turns with the vessel, with what is known of each.

Everything is without dimensions, as in `compact`: lengths by D, velocities by U, shear by tau0, pressure by p0. The frame's
axes are the parent artery's direction at the neck, across, and into the sac; vectors are written as components along them,
so a turned vessel gives the same numbers, and a mirrored one the same but for the sign of each vector's second component.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from aneuflow.types import FloatArray

Arrays = dict[str, npt.NDArray[Any]]

# What the network is told of the vessel as a whole, besides Reynolds number, size and outlets: quantity ids.
SHAPE = ("size_ratio", "aspect_ratio", "bottleneck_factor", "nonsphericity_index", "aneurysm_angle")
SCALARS = ("log_reynolds", "log_length_mm", *SHAPE, "outlets", "largest_share")
NUMBERS = ("pressure_loss", "inflow_fraction")
COARSER_LATTICE = 1.5  # spacing of the coarse lattice, in that of the fine one
_NEIGHBORS = 16
_COARSER = 4
_LEVELS = 3
_SAC_SHEAR, _SAC_SPEED = 0.3, 0.2  # what a sac's wall shear and speed are about, in tau0 and U, where no flow is known
_FLOOR = 0.1
_FARTHEST = 6.0
_NO_SLIP = 0.03


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of a case as a whole: up (3,) into the sac, patient axes; outlet radii in D and shares of the flow.

    measures: shape measures by quantity id. coarse: pressure loss in p0 and inflow into the sac in per cent of the vessel's,
    from the coarse flow, whose lattice spacing is coarse_spacing in D.
    """

    up: FloatArray
    length_mm: float
    reynolds: float
    outlet_radii: FloatArray
    outlet_shares: FloatArray
    measures: Mapping[str, float]
    coarse: Mapping[str, float] = field(default_factory=dict)
    coarse_spacing: float = np.nan


def facts_of(row: Mapping[str, str]) -> Facts:
    """The facts of one line of the compact form's table of cases."""
    length, pressure = float(row["length_mm"]), float(row["pressure"])
    flows = np.array(row["outflows_ml_s"].split(), dtype=np.float64)
    return Facts(
        up=np.array([float(row[f"up_{axis}"]) for axis in "xyz"]),
        length_mm=length,
        reynolds=float(row["reynolds"]),
        outlet_radii=np.array(row["outlet_radii_mm"].split(), dtype=np.float64) / length,
        outlet_shares=flows / flows.sum(),
        measures={id: float(row[f"shape_{id}"]) for id in SHAPE if row.get(f"shape_{id}")},
        coarse=numbers_of(row, "coarse", pressure),
        coarse_spacing=COARSER_LATTICE * float(row["resolution_mm"]) / length,
    )


def numbers_of(row: Mapping[str, str], lattice: str, pressure: float) -> dict[str, float]:
    """The numbers of `NUMBERS` that a line holds for the lattice "fine" or "coarse"; pressure: p0, Pa."""
    units = {"pressure_loss": pressure, "inflow_fraction": 1.0}
    return {id: float(row[f"{lattice}_{id}"]) / units[id] for id in NUMBERS if row.get(f"{lattice}_{id}")}


def scalars_of(facts: Facts) -> FloatArray:
    """The numbers `SCALARS`; NaN where a measure is not known."""
    shape = [facts.measures.get(id, np.nan) for id in SHAPE]
    outlets = [float(len(facts.outlet_shares)), float(facts.outlet_shares.max())]
    return np.array([np.log(facts.reynolds), np.log(facts.length_mm), *shape, *outlets])


def frame_of(points: FloatArray, along: FloatArray, region: npt.NDArray[Any], up: FloatArray) -> FloatArray:
    """The axes (3, 3), one a row, right-handed: the artery's direction just upstream of the neck, across, into the sac.

    points (n, 3), along (n,) and region (n,) of the wall. Without a sac (up is zero) the third axis is that in which the
    artery bends or reaches farthest.
    """
    artery = region == 0
    near = artery & (along > -1.5) & (along < 0.0)
    if near.sum() < 20:
        near = artery & (np.abs(along) < 2.0)
    direction = _gradient(points[near], along[near])
    if not np.any(up):
        direction /= np.linalg.norm(direction)
        rest = points[artery] - np.outer(points[artery] @ direction, direction)
        up = np.linalg.svd(rest - rest.mean(axis=0), full_matrices=False)[2][0]
        up = up * (1.0 if np.sum((rest @ up) ** 3) >= 0.0 else -1.0)
    up = up / np.linalg.norm(up)
    first = direction - (direction @ up) * up
    if np.linalg.norm(first) < 1e-6:  # an artery straight into the sac: any direction across it does
        first = np.cross(up, np.eye(3)[int(np.argmin(np.abs(up)))])
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(up, first), up])


def prepare(facts: Facts, arrays: Mapping[str, npt.NDArray[Any]], generator: np.random.Generator) -> Arrays:
    """What `points_input.assemble` takes, float32 and int64, from the wall's and, where they are there, the lumen's arrays of
    one case of the compact form; with the targets where the case is solved.

    The coarse flow may be missing: then only the input without it can be assembled. generator: where the coarser point sets
    start.
    """
    given = {name: np.asarray(values, dtype=np.float64) for name, values in arrays.items()}
    points, along, region = given["wall_point"], given["wall_along"], given["wall_region"]
    frame = frame_of(points, along, region, facts.up)
    direction = _directions(points, along, region)
    share = _share(facts, given["wall_radius"], along)
    poiseuille = np.clip(share / (2.0 * given["wall_radius"]) ** 3, 0.05, 20.0)
    drop = _pressure_drop(facts, along, given["wall_radius"], share)
    sac = region == 1
    normal = given["wall_normal"]
    tangential = direction - np.einsum("nd,nd->n", direction, normal)[:, None] * normal
    made: Arrays = {
        "frame": frame,
        "wall_vectors": np.stack([points, normal, direction], axis=1) @ frame.T,
        "wall_scalars": np.stack(
            [region, given["wall_radius"], np.clip(along, -_FARTHEST, _FARTHEST), np.log(poiseuille), drop], axis=1
        ),
        "area": given["wall_area"],
        "region": region,
        "shear_base": np.where(sac[:, None], 0.0, poiseuille[:, None] * tangential) @ frame.T,
        "shear_scale": np.where(sac, _SAC_SHEAR, poiseuille),
        "pressure_base": drop,
        "pressure_scale": np.full(len(points), 0.2 * (1.0 + np.ptp(drop))),
        "scalars": scalars_of(facts),
        "numbers_base": np.array([max(float(drop.max()), 0.1), 10.0]),
    }
    made |= _levels(made["wall_vectors"][:, 0], generator)
    if "coarse_wall_shear" in given:
        made |= _coarse(facts, given, frame)
    if "lumen_point" in given:
        made |= _lumen(given, frame, points, direction, share)
    if "wall_shear" in given:
        made |= {"shear": given["wall_shear"] @ frame.T, "pressure": given["wall_pressure"]}
    if "lumen_velocity" in given:
        made["velocity"] = given["lumen_velocity"] @ frame.T
    return {name: _stored(values) for name, values in made.items()}


def _stored(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values if values.dtype.kind == "i" else values.astype(np.float32)


def _coarse(facts: Facts, given: Arrays, frame: FloatArray) -> Arrays:
    shear, velocity, pressure = given["coarse_wall_shear"], given["coarse_wall_velocity"], given["coarse_wall_pressure"]
    size, speed = np.linalg.norm(shear, axis=1), np.linalg.norm(velocity, axis=1)
    floor = np.zeros(len(size))
    for number in (0, 1):
        mine = given["wall_region"] == number
        if mine.any():
            floor[mine] = _FLOOR * np.average(size[mine], weights=given["wall_area"][mine])
    scale = size + np.maximum(floor, 1e-3)
    swift = speed + 0.02
    # Shear by the speed one spacing off the wall: what it differs by from the lattice's own tells how well that resolves it.
    by_speed = speed / (8.0 * facts.coarse_spacing) + np.maximum(floor, 1e-3)
    around = 1.0 + np.abs(pressure).max()
    numbers = [max(facts.coarse.get(id, np.nan), 1e-3) if id in facts.coarse else np.nan for id in NUMBERS]
    return {
        "coarse_vectors": np.stack([shear / scale[:, None], velocity / swift[:, None]], axis=1) @ frame.T,
        "coarse_scalars": np.stack(
            [
                np.log(scale),
                np.log(swift),
                pressure / around,
                np.log(by_speed / scale),
                np.full(len(size), np.log(facts.coarse_spacing)),
            ],
            axis=1,
        ),
        "coarse_shear_base": shear @ frame.T,
        "coarse_shear_scale": scale,
        "coarse_pressure_base": pressure,
        "coarse_pressure_scale": np.full(len(size), 0.2 * around),
        "coarse_numbers_base": np.array(numbers),
    }


def _lumen(given: Arrays, frame: FloatArray, wall: FloatArray, direction: FloatArray, share: FloatArray) -> Arrays:
    points, radius, depth = given["lumen_point"], given["lumen_radius"], given["lumen_wall_distance"]
    sac = given["lumen_region"] == 1
    nearest = cKDTree(wall).query(points)[1]
    along = direction[nearest]
    inward = np.clip(depth / radius, 0.0, 1.0)
    profile = 2.0 * inward * (2.0 - inward) * share[nearest] / (2.0 * radius) ** 2
    base = np.where(sac[:, None], 0.0, np.clip(profile, 0.0, 8.0)[:, None] * along)
    made = {
        "lumen_vectors": np.stack([points, along], axis=1) @ frame.T,
        "lumen_scalars": np.stack(
            [given["lumen_region"], radius, np.clip(given["lumen_along"], -_FARTHEST, _FARTHEST), depth], axis=1
        ),
        "lumen_region": given["lumen_region"],
        "no_slip": depth / (depth + _NO_SLIP),
        "velocity_base": base @ frame.T,
        "velocity_scale": np.linalg.norm(base, axis=1) + _SAC_SPEED,
    }
    if "coarse_lumen_velocity" in given:
        coarse = given["coarse_lumen_velocity"]
        made |= {
            "coarse_velocity_base": coarse @ frame.T,
            "coarse_velocity_scale": np.linalg.norm(coarse, axis=1) + 0.05,
        }
    index, weight = spread(wall, points)
    return made | {"lumen_up": index, "lumen_weight": weight}


def _levels(points: FloatArray, generator: np.random.Generator) -> Arrays:
    """Each level a quarter of the points of the one before, far apart, with their neighbors there and the way back."""
    made: Arrays = {}
    for level in range(1, _LEVELS + 1):
        count = max(len(points) // _COARSER, 4)
        chosen = farthest_points(points, count, int(generator.integers(len(points))))
        near = cKDTree(points).query(points[chosen], k=min(_NEIGHBORS, len(points)))[1]
        index, weight = spread(points[chosen], points)
        made |= {f"pick_{level}": chosen, f"near_{level}": near, f"up_{level}": index, f"weight_{level}": weight}
        points = points[chosen]
    return made


def farthest_points(points: FloatArray, count: int, start: int) -> npt.NDArray[np.int64]:
    """`count` indices of points (n, 3), each the farthest from all before it, beginning with `start`."""
    chosen = np.empty(count, dtype=np.int64)
    distance = np.full(len(points), np.inf)
    for k in range(count):
        chosen[k] = start
        distance = np.minimum(distance, ((points - points[start]) ** 2).sum(axis=1))
        start = int(np.argmax(distance))
    return chosen


def spread(sources: FloatArray, targets: FloatArray, neighbors: int = 3) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """The nearest sources of each target and their inverse-distance weights, both (targets, neighbors)."""
    distance, index = cKDTree(sources).query(targets, k=neighbors)
    weight = 1.0 / np.maximum(distance, 1e-4) ** 2
    return np.asarray(index, dtype=np.int64), np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _gradient(points: FloatArray, values: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.lstsq(points - points.mean(axis=0), values - values.mean(), rcond=None)[0])


def _directions(points: FloatArray, along: FloatArray, region: npt.NDArray[Any]) -> FloatArray:
    """Unit vectors (n, 3) in which the distance along the centerline grows, from the neighbors of each point."""
    made = np.zeros((len(points), 3))
    for number in (0, 1):
        mine = np.flatnonzero(region == number)
        if len(mine) < 4:
            continue
        near = cKDTree(points[mine]).query(points[mine], k=min(24, len(mine)))[1]
        away = points[mine][near] - points[mine][:, None]
        rise = np.clip(along[mine][near] - along[mine][:, None], -1.0, 1.0)
        square = np.einsum("nka,nkb->nab", away, away)
        square += 0.05 * np.trace(square, axis1=1, axis2=2)[:, None, None] * np.eye(3) + 1e-9 * np.eye(3)
        slope = np.linalg.solve(square, np.einsum("nka,nk->na", away, rise)[..., None])[..., 0]
        made[mine] = slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 0.3)
    return made


def _share(facts: Facts, radius: FloatArray, along: FloatArray) -> FloatArray:
    """The part of the flow (n,) that passes a point's section: all upstream; by Murray's law in branches."""
    if len(facts.outlet_shares) < 2:
        return np.ones(len(radius))
    rate = float(np.mean(facts.outlet_shares / facts.outlet_radii**3))
    return np.where(along > 0.0, np.minimum(1.0, rate * radius**3), 1.0)


def _pressure_drop(facts: Facts, along: FloatArray, radius: FloatArray, share: FloatArray) -> FloatArray:
    """Pressure (n,) in p0 that Poiseuille's flow loses from each point's section to the end of the vessel."""
    edges = np.linspace(along.min(), along.max() + 1e-6, 41)
    place = np.clip(np.digitize(along, edges) - 1, 0, 39)
    slope = 32.0 / facts.reynolds * np.clip(share / (2.0 * radius) ** 4, 0.0, 50.0)
    count = np.bincount(place, minlength=40)
    mean = np.bincount(place, slope, minlength=40) / np.maximum(count, 1)
    mean = np.interp(np.arange(40), np.flatnonzero(count), mean[count > 0])
    left = np.append(np.cumsum((mean * np.diff(edges))[::-1])[::-1], 0.0)
    return np.asarray(np.interp(along, edges, left))
