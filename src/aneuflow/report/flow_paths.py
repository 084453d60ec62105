"""Where the flow goes: streamlines of the mean flow, and the marks that the interactive view lets move along them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv

from aneuflow.numerics.registration import signed_distance
from aneuflow.report.content import ReportContent
from aneuflow.report.meshes import Grid, PolyData, flow_grid
from aneuflow.report.ranges import color_table
from aneuflow.report.viewer import encode
from aneuflow.types import REGION_SAC, FloatArray, LumenModel, Surface

SEEDS = 50
# Points of a path this near to each other, mm, show no bend more; a line between two of them takes at least this long, ms.
_STEP_MM, _LEAST_MS = 0.25, 1e-3


def streamlines(grid: Grid, model: LumenModel) -> PolyData:
    """Streamlines of the cycle-mean flow, both ways from seeds over every end, the ostium and the sac; always the same ones.

    grid: of `meshes.flow_grid`. Point arrays: speed, m/s, and IntegrationTime, ms (mm by m/s) from the seed, below 0 before.
    """
    random = np.random.default_rng(0)
    seeds = [_disc(cap.center_mm - 0.3 * cap.radius_mm * cap.normal, cap.normal, cap.radius_mm, random) for cap in model.caps]
    if model.aneurysm is not None:
        ostium = model.aneurysm.ostium
        radius = float(np.linalg.norm(ostium.neck_line_mm - ostium.center_mm, axis=1).mean())
        seeds.append(_disc(ostium.center_mm, ostium.normal, radius, random))
        points = model.lumen.surface.points[model.lumen.region == REGION_SAC]
        middle = points.mean(axis=0)
        seeds.append(middle + 0.6 * (points[random.integers(len(points), size=SEEDS // 2)] - middle))
    options = {"vectors": "velocity", "integration_direction": "both", "max_length": 150.0, "initial_step_length": 0.3}
    return grid.streamlines_from_source(pv.PolyData(np.vstack(seeds)), max_steps=600, terminal_speed=1e-4, **options)


def _disc(center: FloatArray, normal: FloatArray, radius_mm: float, random: np.random.Generator) -> FloatArray:
    first = np.linalg.svd(np.asarray(normal)[None])[2]
    angle, distance = random.uniform(0, 2 * np.pi, SEEDS), radius_mm * 0.9 * np.sqrt(random.uniform(0, 1, SEEDS))
    return np.asarray(center + (distance * np.cos(angle))[:, None] * first[1] + (distance * np.sin(angle))[:, None] * first[2])


def flow_payload(content: ReportContent) -> dict[str, Any]:
    """Paths of the mean flow with the times at which they are passed; no science is left to the page that draws them.

    `starts` (k + 1,) are the paths' places in `points` (n, 3) float32, mm less `center`, and `times` (n,) float32, ms from the
    path's start. `colors` and `range`, m/s, as of a field. `pace` (None for a steady flow): `period_ms` and the inflow of equal
    steps of the cycle by its mean, with which a mark's pace goes up and down.
    """
    grid = flow_grid(content.flow.volume)
    lumen = content.model.lumen.surface
    found = [_inside(*path, lumen) for path in _paths(streamlines(grid, content.model))]
    found = [path for path in found if len(path[1]) > 2]
    points = np.vstack([np.zeros((0, 3)), *(points for points, _ in found)])
    wall = content.flow.wall.points
    center = 0.5 * (wall.min(axis=0) + wall.max(axis=0))
    speed = grid["speed"][grid["speed"] > 0]
    return {
        "center": center.tolist(),
        "points": encode(points - center, "<f4"),
        "times": encode(np.concatenate([np.zeros(0), *(times for _, times in found)]), "<f4"),
        "starts": np.cumsum([0, *(len(times) for _, times in found)]).tolist(),
        "range": (0.0, float(np.percentile(speed, 99)) if len(speed) else 1.0),
        "colors": encode(np.round(255 * color_table("speed")), "<u1"),
        "pace": _pace(content),
    }


def _paths(lines: PolyData) -> list[tuple[FloatArray, FloatArray]]:
    """Each streamline from its upstream end on: points (n, 3) and times (n,)."""
    if not lines.n_points:
        return []
    time, points = np.asarray(lines["IntegrationTime"], dtype=np.float64), np.asarray(lines.points, dtype=np.float64)
    starts = np.asarray(lines.GetLines().GetOffsetsArray())
    ids = np.asarray(lines.GetLines().GetConnectivityArray())
    found: dict[int, list[tuple[FloatArray, FloatArray]]] = {}
    for seed, start, stop in zip(lines.cell_data["SeedIds"], starts[:-1], starts[1:], strict=True):
        order = ids[start:stop][np.argsort(time[ids[start:stop]], kind="stable")]
        found.setdefault(int(seed), []).append((points[order], time[order]))
    return [_thinned(*_joined(parts)) for parts in found.values()]


def _joined(parts: list[tuple[FloatArray, FloatArray]]) -> tuple[FloatArray, FloatArray]:
    """What lies before the seed and what lies after it as one path."""
    parts = sorted(parts, key=lambda part: part[1].mean())
    points, times = (np.concatenate([part[index] for part in parts]) for index in (0, 1))
    return points, times - times[0]


def _thinned(points: FloatArray, times: FloatArray) -> tuple[FloatArray, FloatArray]:
    kept = [0]
    for at in range(1, len(points)):
        if np.linalg.norm(points[at] - points[kept[-1]]) >= _STEP_MM and times[at] - times[kept[-1]] > _LEAST_MS:
            kept.append(at)
    return points[kept], times[kept]


def _inside(points: FloatArray, times: FloatArray, lumen: Surface) -> tuple[FloatArray, FloatArray]:
    """The longest part of a path within the lumen: voxels at the wall reach out of it."""
    inside = signed_distance(points, lumen.points, lumen.triangles) < 0
    ends = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]])))
    if not len(ends):
        return points[:0], times[:0]
    start, stop = max(ends.reshape(-1, 2), key=lambda part: part[1] - part[0])
    return points[start:stop], times[start:stop] - times[start]


def _pace(content: ReportContent) -> dict[str, Any] | None:
    """The inflow over the cycle by its mean; None for a steady flow."""
    waveform, history = content.boundary.waveform, content.flow.history
    if waveform is None:
        return None
    flow = sum(np.asarray(values) for name, values in history.items() if name.startswith("inflow_"))
    return {"period_ms": 1000 * waveform.period_s, "inflow": np.round(flow / np.mean(flow), 4).tolist()}
