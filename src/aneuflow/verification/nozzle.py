"""The FDA's nozzle at a throat Reynolds number of 500, sudden expansion, against the laboratories' velocimetry."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import simulate
from aneuflow.types import Blood, BoundaryConditions, FloatArray, InletCondition, LumenModel, OutletCondition
from aneuflow.verification.compare import Grid
from aneuflow.verification.shapes import INLET, OUTLET, profile_model
from aneuflow.verification.trial import Asked, Case, Found, Gate, Means, Plot, Row, Trial, rows_of_each, variant
from aneuflow.verification.tubes import settings_reached

SETUP, PROFILES = "fda_nozzle/geometry_and_checks.json", "fda_nozzle/fda_nozzle_re500_axial_velocity.csv"
GEOMETRY = "sudden_expansion"
RESOLUTIONS_MM = (0.4, 0.25)
START_MM, END_MM = -92.0, 92.0  # z; the stations lie from -88 to 80
PLACES = 41  # across the tube at each station
TOLERANCE = 0.1  # of the highest velocity at the station, beside the laboratories' spread
_RING_MM = 1.0
_LEAST_LABS = 3
_GAP_MM = 0.4  # between a place and the nearest measured points that still speak for it


@dataclass(frozen=True, eq=False)
class Station:
    """Axial velocity across the tube at z_mm by laboratory: (labs, PLACES) m/s, NaN where one has none; x_mm (PLACES,)."""

    z_mm: float
    x_mm: FloatArray
    velocity: FloatArray


def nozzle_model(setup: Mapping[str, float]) -> LumenModel:
    """Cone, throat, sudden expansion at z = 0; flow along +z."""
    wide, narrow = 500.0 * setup["tube_diameter_m"], 500.0 * setup["throat_diameter_m"]
    throat, cone = -1e3 * setup["throat_length_m"], -1e3 * (setup["throat_length_m"] + setup["cone_length_m"])
    corners = [(START_MM, wide), (cone, wide), (throat, narrow), (0.0, narrow), (0.0, wide), (END_MM, wide)]
    heights, radii = [START_MM], [wide]
    for (z0, r0), (z1, r1) in pairwise(corners):
        part = np.linspace(0.0, 1.0, max(1, round((z1 - z0) / _RING_MM)) + 1)[1:]
        heights += (z0 + part * (z1 - z0)).tolist()
        radii += (r0 + part * (r1 - r0)).tolist()
    return profile_model(np.asarray(heights), np.asarray(radii))


def read_stations(file: Path, radius_mm: float) -> tuple[tuple[Station, ...], dict[str, tuple[list[float], list[float]]]]:
    """The profiles that at least three laboratories have measured, and each laboratory's centerline (z in mm, m/s)."""
    with file.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["geometry"] == GEOMETRY]
    profiles: dict[float, dict[str, list[tuple[float, float]]]] = {}
    centerline: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        point = (1e3 * float(row["coordinate_m"]), float(row["axial_velocity_m_s"]))
        if row["quantity"] == "profile":
            profiles.setdefault(1e3 * float(row["z_station_m"]), {}).setdefault(row["lab"], []).append(point)
        else:
            centerline.setdefault(row["lab"], []).append(point)
    x = np.linspace(-radius_mm, radius_mm, PLACES)
    stations = tuple(
        Station(z, x, np.stack([_at(np.asarray(sorted(points)), x) for points in labs.values()]))
        for z, labs in sorted(profiles.items())
        if len(labs) >= _LEAST_LABS
    )
    curves = {f"laboratory {lab}": _columns(sorted(points)) for lab, points in centerline.items()}
    return stations, curves


def _at(measured: FloatArray, x: FloatArray) -> FloatArray:
    """A laboratory's profile at the places x, NaN where none of its points is near."""
    values = np.interp(x, measured[:, 0], measured[:, 1])
    far = np.abs(measured[:, 0][None, :] - x[:, None]).min(axis=1) > _GAP_MM
    values[far] = np.nan
    return values


def _columns(points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [point[0] for point in points], [point[1] for point in points]


def beyond_spread(ours: FloatArray, labs: FloatArray) -> FloatArray:
    """How far a value lies outside what the laboratories measured or TOLERANCE of the station's peak about their mean.

    ours (n,), labs (k, n) with NaN; (n,) over the peak of the mean profile, 0 inside, NaN where too few have measured.
    """
    enough = np.isfinite(labs).sum(axis=0) >= _LEAST_LABS
    low, high, mean = (np.full(len(ours), np.nan) for _ in range(3))
    low[enough], high[enough] = np.nanmin(labs[:, enough], axis=0), np.nanmax(labs[:, enough], axis=0)
    mean[enough] = np.nanmean(labs[:, enough], axis=0)
    peak = float(np.nanmax(mean))
    low, high = np.minimum(low, mean - TOLERANCE * peak), np.maximum(high, mean + TOLERANCE * peak)
    return np.asarray(np.maximum(np.maximum(low - ours, ours - high), 0.0) / peak)


def nozzle_flow(means: Means, resolution_mm: float) -> Found:
    """Share of the measured places, and of the centerline, at which the velocity is within the laboratories' spread."""
    setup = json.loads((means.data / SETUP).read_text("utf-8"))
    model, fluid = nozzle_model(setup), setup["fluid"]
    boundary = BoundaryConditions(
        (InletCondition(INLET, 1e6 * fluid["flow_rate_m3_s"], "parabolic"),),
        (OutletCondition(OUTLET, "pressure", pressure=0.0),),
        Blood(fluid["density"], "newtonian", {"viscosity": fluid["viscosity"]}),
        None,
    )
    settings = FlowSettings(resolution_mm=resolution_mm, steady=True, threads=means.threads)
    solution = simulate(model, boundary, settings, means.progress, means.checkpoint)
    stations, centerline = read_stations(means.data / PROFILES, 500.0 * setup["tube_diameter_m"])
    grid = Grid.of(solution.volume, float(solution.numerics["resolution_mm"]))
    outside, middle = [], []
    curves = dict(centerline)
    for station in stations:
        ours = _axial(grid, station.x_mm, np.full(PLACES, station.z_mm))
        excess = beyond_spread(ours, station.velocity)
        outside.append(excess[np.isfinite(excess)])
        middle.append(excess[PLACES // 2])
        if station.z_mm in (8.0, 32.0, 80.0):
            shown = np.isfinite(ours)
            curves[f"z = {station.z_mm:g} mm, computed"] = (station.x_mm[shown].tolist(), ours[shown].tolist())
            mean = _mean(station.velocity)
            curves[f"z = {station.z_mm:g} mm, laboratories' mean"] = (
                station.x_mm[np.isfinite(mean)].tolist(),
                mean[np.isfinite(mean)].tolist(),
            )
    z = np.arange(START_MM + 1.0, END_MM - 1.0, 0.5)
    curves["computed"] = (z.tolist(), _axial(grid, np.zeros(len(z)), z).tolist())
    excess, center = np.concatenate(outside), np.asarray(middle)[np.isfinite(middle)]
    numbers = {
        "within_percent": 100.0 * float(np.mean(excess == 0.0)),
        "largest_excess_percent": 100.0 * float(excess.max()),
        "centerline_within_percent": 100.0 * float(np.mean(center == 0.0)),
        "centerline_excess_percent": 100.0 * float(center.max()),
        "stations": float(len(stations)),
    }
    return Found(numbers | settings_reached(solution), curves)


def _mean(labs: FloatArray) -> FloatArray:
    count = np.isfinite(labs).sum(axis=0)
    return np.where(count >= _LEAST_LABS, np.nansum(labs, axis=0) / np.maximum(count, 1), np.nan)


def _axial(grid: Grid, x_mm: FloatArray, z_mm: FloatArray) -> FloatArray:
    """Axial velocity at (x, 0, z), mean of the planes y = 0 and x = 0 on both sides; 0 between wall and first cells."""
    zero = np.zeros_like(x_mm)
    places = [np.stack(p, axis=1) for p in ((x_mm, zero, z_mm), (-x_mm, zero, z_mm), (zero, x_mm, z_mm), (zero, -x_mm, z_mm))]
    values = np.stack([grid.at(place)[:, 2] for place in places])
    return np.asarray(np.nan_to_num(values).mean(axis=0))


def _judge(found: Mapping[str, Found]) -> tuple[Row, ...]:
    asked = (
        Asked("places at all stations within the spread or 10 %", "%", "within_percent", Gate(100.0, least=True)),
        Asked("farthest place outside, of the station's peak", "%", "largest_excess_percent", Gate()),
        Asked(
            "stations whose centerline is within the spread or 10 %", "%", "centerline_within_percent", Gate(100.0, least=True)
        ),
        Asked("farthest centerline outside, of its peak", "%", "centerline_excess_percent", Gate()),
    )
    return rows_of_each(found, asked)


def _plots(found: Mapping[str, Found]) -> tuple[Plot, ...]:
    plots = []
    for name, one in found.items():
        label = variant(name)
        line = {key: curve for key, curve in one.curves.items() if not key.startswith("z =")}
        across = {key: curve for key, curve in one.curves.items() if key.startswith("z =")}
        labs = tuple(key for key in line if key != "computed")
        plots.append(Plot(f"Axial velocity on the axis, {label}", "z, mm", "m/s", line, labs))
        means = tuple(key for key in across if key.endswith("mean"))
        plots.append(Plot(f"Axial velocity across the tube, {label}", "x, mm", "m/s", across, means))
    return tuple(plots)


def cases() -> tuple[Case, ...]:
    trials = tuple(
        Trial(f"nozzle-{1e3 * h:.0f}um", {"resolution_mm": h}, partial(nozzle_flow, resolution_mm=h), (SETUP, PROFILES))
        for h in RESOLUTIONS_MM
    )
    note = (
        "Four or five laboratories; their own profiles integrate to 0.62 to 1.28 of the nominal flow. A place counts where at "
        "least three have measured."
    )
    return (Case("nozzle", "FDA nozzle, Reynolds number 500, sudden expansion", trials, _judge, _plots, note=note),)
