"""A made-up sidewall aneurysm with smooth, plausible fields: what the report is tested on without running any stage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from skimage.measure import marching_cubes

from aneuflow.quantities import registry
from aneuflow.report.content import InputFile, Provenance, ReportContent, StageRun
from aneuflow.types import (
    Aneurysm,
    Blood,
    BoundaryConditions,
    Cap,
    Centerline,
    FlowSolution,
    InletCondition,
    LabelMap,
    LumenModel,
    Measure,
    Morphology,
    Note,
    Ostium,
    OutletCondition,
    PatchedSurface,
    Surface,
    Volume,
    VolumeField,
    Waveform,
)

TUBE_RADIUS, SAC_RADIUS, HALF_LENGTH, SAC_Z, NECK_Z = 1.8, 2.9, 11.0, 3.9, 2.0
MEASURES = {
    "maximum_diameter": (6.03, 5.78, 6.29), "height": (4.81, 4.55, 5.06), "maximum_height": (4.92, 4.66, 5.20),
    "width": (5.80, 5.54, 6.06), "neck_diameter": (4.41, 4.02, 4.83), "aspect_ratio": (1.09, 0.98, 1.22),
    "size_ratio": (1.37, 1.19, 1.58), "bottleneck_factor": (1.31, 1.16, 1.49), "nonsphericity_index": (0.12, 0.10, 0.15),
    "inflow_angle": (88.2, 81.0, 95.5), "outflow_angle": (91.3, 84.0, 98.0), "sac_volume": (93.7, 82.1, 106.4),
    "sac_area": (84.2, 77.0, 91.7), "parent_diameter": (3.60, 3.34, 3.86),
}  # fmt: skip
VESSEL_MEASURES = {"inlet_diameter": (3.61, 3.35, 3.87), "lumen_volume": (320.4, 275.0, 369.0)}
FLOW_MEASURES = {
    "sac_tawss_mean": 0.612, "parent_tawss_mean": 1.534, "tawss_ratio": 0.399, "sac_osi_mean": 0.0513, "sac_rrt_mean": 3.02,
    "inflow_rate": 0.81, "inflow_fraction": 28.3, "inflow_concentration_index": 0.57, "low_shear_area": 31.4,
    "pressure_loss": 21.4, "mean_flow": 2.86, "vessel_tawss_mean": 1.41, "vessel_osi_mean": 0.011,
}  # fmt: skip


def _distance(points: np.ndarray, with_sac: bool) -> np.ndarray:
    x, y, z = np.moveaxis(points, -1, 0)
    tube = np.hypot(y, z) - TUBE_RADIUS
    if with_sac:
        sac = np.sqrt(x**2 + y**2 + (z - SAC_Z) ** 2) - SAC_RADIUS
        blend = np.clip(0.5 + 0.5 * (sac - tube) / 0.6, 0, 1)
        tube = sac * (1 - blend) + tube * blend - 0.6 * blend * (1 - blend)
    return np.maximum(tube, np.abs(x) - HALF_LENGTH)


def _grid(spacing_mm: float) -> tuple[np.ndarray, ...]:
    axes = tuple(np.arange(low, high, spacing_mm) for low, high in ((-12.0, 12.1), (-4.0, 4.1), (-3.0, 8.1)))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1), np.array([axis[0] for axis in axes])


def _lumen(with_sac: bool) -> PatchedSurface:
    grid, origin = _grid(0.25)
    points, triangles, _, _ = marching_cubes(_distance(grid, with_sac), 0.0, spacing=(0.25,) * 3, gradient_direction="ascent")
    points = (points + origin).astype(float)
    surface = Surface(points, triangles[:, ::-1].astype(np.int32))
    middle = points[triangles].mean(axis=1)
    patch = np.where(middle[:, 0] < -HALF_LENGTH + 0.02, 1, np.where(middle[:, 0] > HALF_LENGTH - 0.02, 2, 0))
    region = ((points[:, 2] > NECK_Z) & with_sac).astype(np.uint8)
    return PatchedSurface(surface, patch.astype(np.int32), region)


def _line(start: tuple[float, ...], end: tuple[float, ...], ids: tuple[int, int]) -> Centerline:
    points = np.linspace(start, end, 60)
    return Centerline(*ids, points, np.full(60, TUBE_RADIUS))


def _ostium(lumen: PatchedSurface) -> Ostium:
    mesh = pv.PolyData.from_regular_faces(lumen.surface.points, lumen.surface.triangles)
    section = mesh.slice(normal="z", origin=(0, 0, NECK_Z)).strip(join=True)
    rim = section.points[section.lines[1 : section.lines[0] + 1]][:-1].astype(float)
    center = rim.mean(axis=0)
    count = len(rim)
    fan = np.column_stack([np.full(count, count), np.arange(count), np.roll(np.arange(count), -1)]).astype(np.int32)
    return Ostium(Surface(np.vstack([rim, center]), fan), rim, center, np.array([0.0, 0.0, 1.0]), "automatic", 0.86)


def sample_model(with_sac: bool = True) -> LumenModel:
    lumen = _lumen(with_sac)
    caps = tuple(
        Cap(id, role, np.array([x, 0.0, 0.0]), np.array([np.sign(x), 0.0, 0.0]), np.pi * TUBE_RADIUS**2, TUBE_RADIUS)
        for id, role, x in ((1, "inlet", -HALF_LENGTH), (2, "outlet", HALF_LENGTH))
    )
    lines = (_line((-HALF_LENGTH, 0, 0), (HALF_LENGTH, 0, 0), (1, 2)),)
    aneurysm = None
    if with_sac:
        parent, daughter = _line((-HALF_LENGTH, 0, 0), (-2, 0, 0), (1, 1)), _line((2, 0, 0), (HALF_LENGTH, 0, 0), (2, 2))
        aneurysm = Aneurysm(_ostium(lumen), "sidewall", parent, (daughter,))
    return LumenModel(lumen, caps, lines, aneurysm, lumen, caps, (Note("volume_loss", {"loss_percent": 0.31}, "information"),))


def sample_morphology(with_sac: bool = True) -> Morphology:
    wanted = {**(MEASURES if with_sac else {}), **VESSEL_MEASURES}
    measures = tuple(Measure(id, *values) for id, values in wanted.items() if id in registry())
    neck, dome = (0.0, 0.0, NECK_Z), (0.0, 0.0, SAC_Z + SAC_RADIUS)
    construction = {
        "inflow_angle": ((-5.0, 0.0, 0.0), (-2.0, 0.0, 0.0)), "outflow_angle": ((2.0, 0.0, 0.0), (5.0, 0.0, 0.0)),
        "height": (neck, dome), "maximum_height": (neck, (0.4, 0.0, 6.8)), "width": ((-2.9, 0.0, 3.9), (2.9, 0.0, 3.9)),
        "neck_diameter": ((-2.2, 0.0, NECK_Z), (2.2, 0.0, NECK_Z)), "maximum_diameter": ((-2.0, 0.0, 1.9), (2.0, 0.0, 6.0)),
    }  # fmt: skip
    return Morphology(measures, construction if with_sac else {}, ())


def sample_boundary(steady: bool = False) -> BoundaryConditions:
    phase = np.linspace(0, 1, 60, endpoint=False)
    ratio = 1 + 0.55 * np.exp(-(((phase - 0.2) / 0.08) ** 2)) + 0.2 * np.exp(-(((phase - 0.45) / 0.07) ** 2))
    waveform = None if steady else Waveform("ica-older-adults", 0.9, phase, ratio / ratio.mean())
    return BoundaryConditions(
        (InletCondition(1, 2.86, "womersley"),),
        (OutletCondition(2, "flow-split", flow_share=1.0),),
        Blood(1060.0, "newtonian", {"viscosity": 0.0035}),
        waveform,
        (),
    )


def _wall(lumen: PatchedSurface) -> tuple[Surface, np.ndarray]:
    triangles = lumen.surface.triangles[lumen.patch == 0]
    used, inverse = np.unique(triangles, return_inverse=True)
    return Surface(lumen.surface.points[used], inverse.reshape(-1, 3).astype(np.int32)), lumen.region[used]


def _wall_fields(points: np.ndarray) -> dict[str, np.ndarray]:
    x, _, z = points.T
    height = np.clip(z - NECK_Z, 0, None)
    impact = 2.5 * np.exp(-((x - 2.2) ** 2 + 2 * (z - 2.3) ** 2))
    tawss = (1.55 + 0.15 * np.sin(x)) * np.exp(-height / 2.2) + impact + 0.02
    osi = 0.38 * (1 - np.exp(-height / 2.5)) * (0.6 + 0.4 * np.cos(x))
    mean = np.stack([np.where(z > NECK_Z, -tawss, tawss) * (1 - 2 * osi), 0 * x, 0 * x], axis=1)
    fields = {
        "TAWSS": tawss, "OSI": osi, "RRT": 1 / ((1 - 2 * osi) * tawss), "WSS_mean": mean, "WSS_peak": 2.1 * mean,
        "pressure": 40 - 1.8 * x + 6 * impact,
    }  # fmt: skip
    return {name: values.astype(np.float32) for name, values in fields.items()}


def _volume_field(with_sac: bool) -> VolumeField:
    grid, _ = _grid(0.3)
    inside = _distance(grid, with_sac) < 0
    x, y, z = np.moveaxis(grid, -1, 0)
    velocity = np.zeros((*grid.shape[:3], 3))
    velocity[..., 0] = 0.55 * np.clip(1 - (y**2 + z**2) / TUBE_RADIUS**2, 0, None)
    radius = np.sqrt(x**2 + y**2 + (z - SAC_Z) ** 2) / SAC_RADIUS
    swirl = 0.07 * np.clip(1 - radius**2, 0, None) * with_sac
    velocity[..., 0] -= swirl * (z - SAC_Z)
    velocity[..., 2] += swirl * x
    velocity[~inside] = 0
    number = np.arange(inside.size).reshape(inside.shape)
    corner = [number[i : i - 1 or None, j : j - 1 or None, k : k - 1 or None] for k in (0, 1) for j in (0, 1) for i in (0, 1)]
    voxels = np.stack([part.ravel() for part in corner], axis=1)
    voxels = voxels[inside.ravel()[voxels].any(axis=1)]
    used, inverse = np.unique(voxels, return_inverse=True)
    return VolumeField(
        grid.reshape(-1, 3)[used],
        velocity.reshape(-1, 3)[used].astype(np.float32),
        (40 - 1.8 * x).ravel()[used].astype(np.float32),
        inverse.reshape(-1, 8).astype(np.int32),
    )


def sample_flow(model: LumenModel, steady: bool = False) -> FlowSolution:
    wall, region = _wall(model.lumen)
    with_sac = model.aneurysm is not None
    time = np.linspace(0, 0.9, 90)
    flow = 2.86 * (1 + 0.4 * np.sin(2 * np.pi * time / 0.9))
    history = {"time_s": time, "inflow_1": flow, "outflow_2": flow, "pressure_1": 60 * flow / 2.86}
    if with_sac:
        history["sac_kinetic_energy"] = 0.9 * (flow / 2.86) ** 2
    numerics: dict[str, Any] = {
        "resolution_mm": 0.2, "cells": 41234, "relaxation_time": 0.508, "time_step_s": 1.2e-5, "steps": 150000,
        "mach_peak": 0.094, "cycles": 2, "converged": True, "change_percent": 0.42, "mass_imbalance_percent": 0.08,
        "cells_per_parent_diameter": 18.0, "threads": 2,
    }  # fmt: skip
    measures = tuple(
        Measure(id, value)
        for id, value in FLOW_MEASURES.items()
        if id in registry() and (with_sac or not registry()[id].group.endswith("sac"))
    )
    return FlowSolution(
        wall, region, _wall_fields(wall.points), _volume_field(with_sac), measures, {} if steady else history, numerics, ()
    )


def sample_image(with_sac: bool = True) -> tuple[Volume, LabelMap]:
    grid, origin = _grid(0.4)
    inside = _distance(grid, with_sac) < 0
    noise = np.random.default_rng(1).normal(0, 12, inside.shape)
    affine = np.diag([0.4, 0.4, 0.4, 1.0])
    affine[:3, 3] = origin
    values = (80 + 180 * inside + noise).astype(np.float32)
    labels = inside.astype(np.uint8) + (inside & with_sac & (grid[..., 2] > NECK_Z)).astype(np.uint8)
    return Volume(values, affine, "MRA", "sample.nii.gz"), LabelMap(labels, affine, "threshold")


def sample_content(
    with_sac: bool = True, with_image: bool = True, steady: bool = False, case_name: str = "Sample case"
) -> ReportContent:
    """A whole report's content; `case_name` may be hostile on purpose."""
    model = sample_model(with_sac)
    volume, labels = sample_image(with_sac) if with_image else (None, None)
    notes = (
        ("segmentation", Note("volume_loss", {"loss_percent": 0.31}, "information")),
        ("simulate", Note("code_without_wording", {"value": 1}, "warning")),
    )
    return ReportContent(
        case_name=case_name,
        volume=volume,
        labels=labels,
        model=model,
        morphology=sample_morphology(with_sac),
        boundary=sample_boundary(steady),
        flow=sample_flow(model, steady),
        notes=notes,
        provenance=Provenance(
            version="0.1.0",
            created="2026-11-21 06:30 UTC",
            inputs=(InputFile("image", "ab" * 32),),
            settings={"simulate": {"resolution_mm": 0.2, "steady": steady}, "model": {"edge_length_mm": 0.25}},
            stages=(StageRun("segment", 2.1), StageRun("model", 8.4), StageRun("measure", 1.2), StageRun("simulate", 95.0)),
        ),
        credit="Made-up vessel of the tests.",
    )
