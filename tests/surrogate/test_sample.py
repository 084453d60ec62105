"""Sampling of a flow that is known in every point, and the compact files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aneuflow.numerics.surface import area, compact
from aneuflow.surrogate.compact import CHANNELS, read_compact, write_compact
from aneuflow.surrogate.gates import missed_gate
from aneuflow.surrogate.sample import LUMEN_POINTS, WALL_POINTS, Place, Scales, sampled, velocity_at
from aneuflow.types import (
    Aneurysm,
    Blood,
    BoundaryConditions,
    Centerline,
    FlowSolution,
    InletCondition,
    LumenModel,
    Ostium,
    Surface,
    VolumeField,
)
from tests.sac_shapes import straight

RADIUS, FLOW, MU, RHO = 1.5, 2.0, 0.0035, 1060.0
SHEAR = np.array([[1.0, 0.2, -0.3], [0.1, 0.5, 0.2], [0.4, 0.0, 1.0]])
CORNERS = np.array([(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)])
BOUNDARY = BoundaryConditions((InletCondition(1, FLOW, "parabolic"),), (), Blood(RHO, "newtonian", {"viscosity": MU}), None)


def known_velocity(points: np.ndarray) -> np.ndarray:
    return np.asarray(points @ SHEAR.T + [3.0, 0.0, 0.0])


def volume(wall: Surface, spacing: float) -> VolumeField:
    low = wall.points.min(axis=0)
    shape = np.ceil(np.ptp(wall.points, axis=0) / spacing).astype(int) + 1
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, 3)
    points = low + spacing * index
    first = index[(index < shape - 1).all(axis=1)]
    voxels = ((first[:, None] + CORNERS) @ [shape[1] * shape[2], shape[2], 1]).astype(np.int32)
    return VolumeField(points, known_velocity(points).astype(np.float32), points[:, 2].astype(np.float32), voxels)


def flow(wall: Surface, region: np.ndarray, spacing: float) -> FlowSolution:
    shear = wall.points @ SHEAR.T
    fields = {"WSS_mean": shear, "WSS_peak": 2 * shear, "TAWSS": np.linalg.norm(shear, axis=1), "OSI": 0 * shear[:, 0]}
    fields["pressure"] = wall.points[:, 2] + 10.0
    kept = {name: values.astype(np.float32) for name, values in fields.items()}
    numerics = {"resolution_mm": spacing, "converged": True, "mass_imbalance_percent": 0.1}
    return FlowSolution(wall, region, kept, volume(wall, spacing), (), {}, numerics)


@pytest.fixture(scope="module")
def model() -> LumenModel:
    lumen, caps = straight(RADIUS, sac=(3.2, 2.2), step=0.4)
    z = np.linspace(-8, 8, 81)
    line, radius = np.stack([0 * z, 0 * z, z], axis=1), np.full(81, RADIUS)
    plane = Surface(np.array([[0, RADIUS, 0], [1, RADIUS, 0], [0, RADIUS, 1.0]]), np.array([[0, 1, 2]], dtype=np.int32))
    ostium = Ostium(plane, plane.points, np.array([0, RADIUS, 0.0]), np.array([0, 1.0, 0]), "automatic", 1.0)
    parent, daughter = Centerline(1, 2, line[:41], radius[:41]), Centerline(1, 2, line[40:], radius[40:])
    sac = Aneurysm(ostium, "sidewall", parent, (daughter,))
    return LumenModel(lumen, caps, (Centerline(1, 2, line, radius),), sac, lumen, caps)


@pytest.fixture(scope="module")
def both(model: LumenModel) -> tuple[FlowSolution, FlowSolution]:
    points, triangles, _ = compact(model.lumen.surface.points, model.lumen.surface.triangles[model.lumen.patch == 0])
    region = (points[:, 1] > 1.2 * RADIUS).astype(np.uint8)
    wall = Surface(points, triangles)
    return flow(wall, region, 0.4), flow(wall, region, 0.8)


def arrays(model: LumenModel, both: tuple[FlowSolution, FlowSolution]) -> dict[str, np.ndarray]:
    scales = Scales.of(2 * RADIUS, BOUNDARY)
    return sampled(model, Place.of(model), scales, *both, np.random.default_rng(1))


def test_scales_are_those_of_poiseuilles_flow() -> None:
    scales = Scales.of(2 * RADIUS, BOUNDARY)
    radius_m = 1e-3 * RADIUS
    assert scales.speed == pytest.approx(FLOW * 1e-6 / (np.pi * radius_m**2))
    assert scales.shear == pytest.approx(4 * MU * FLOW * 1e-6 / (np.pi * radius_m**3))
    assert scales.reynolds == pytest.approx(RHO * scales.speed * 2 * radius_m / MU)


def test_all_channels_have_their_shape_and_kind(model: LumenModel, both: tuple[FlowSolution, FlowSolution]) -> None:
    made = arrays(model, both)
    assert set(made) == set(CHANNELS)
    for name, channel in CHANNELS.items():
        count = WALL_POINTS if channel.points == "wall" else LUMEN_POINTS
        assert made[name].shape == ((count, channel.width) if channel.width else (count,)), name
        assert made[name].dtype == channel.kind, name


def test_fields_are_those_at_the_points(model: LumenModel, both: tuple[FlowSolution, FlowSolution]) -> None:
    made = {name: values.astype(np.float64) for name, values in arrays(model, both).items()}
    scales, origin = Scales.of(2 * RADIUS, BOUNDARY), Place.of(model).origin_mm
    wall = made["wall_point"] * scales.length_mm + origin
    for name in ("wall_shear", "coarse_wall_shear"):
        assert made[name] * scales.shear == pytest.approx(wall @ SHEAR.T, abs=0.02)
    assert made["wall_peak_shear"] == pytest.approx(2 * made["wall_shear"], rel=2e-3, abs=1e-3)
    assert made["wall_pressure"] * scales.pressure == pytest.approx(wall[:, 2] + 10, abs=0.02)
    lumen = made["lumen_point"] * scales.length_mm + origin
    for name in ("lumen_velocity", "coarse_lumen_velocity"):
        inside = (np.abs(lumen[:, 2]) < 7).ravel()
        assert (made[name] * scales.speed)[inside] == pytest.approx(known_velocity(lumen)[inside], abs=0.03)
    inward = wall - 0.8 * made["wall_normal"]
    inside = (np.abs(inward[:, 2]) < 7) & (inward[:, 1] < 4.5)
    assert (made["coarse_wall_velocity"] * scales.speed)[inside] == pytest.approx(known_velocity(inward)[inside], abs=0.03)


def test_points_are_dense_where_they_matter(model: LumenModel, both: tuple[FlowSolution, FlowSolution]) -> None:
    made = arrays(model, both)
    assert made["wall_region"].mean() == pytest.approx(0.5, abs=0.01)
    near = np.linalg.norm(made["wall_point"].astype(float), axis=1) < 2.1
    assert near.mean() == pytest.approx(0.85, abs=0.02)
    whole = area(both[0].wall.points, both[0].wall.triangles) / (2 * RADIUS) ** 2
    assert made["wall_area"].astype(float).sum() == pytest.approx(whole, rel=0.01)
    along = made["wall_along"].astype(float)[made["wall_region"] == 0] * 2 * RADIUS
    assert along == pytest.approx((made["wall_point"].astype(float) * 2 * RADIUS)[made["wall_region"] == 0, 2], abs=0.3)


def test_nothing_moves_outside_the_field(both: tuple[FlowSolution, FlowSolution]) -> None:
    assert not velocity_at(both[0].volume, np.array([[50.0, 0, 0]])).any()


def test_a_case_that_misses_a_gate_says_which(model: LumenModel, both: tuple[FlowSolution, FlowSolution]) -> None:
    fine, _ = both
    made = arrays(model, both)
    assert missed_gate(fine, made) is None
    assert missed_gate(fine, {**made, "wall_osi": np.full(3, np.inf)}) == "finite"
    leaking = replace(fine, numerics={**fine.numerics, "mass_imbalance_percent": 0.6})
    assert missed_gate(leaking, made) == "mass"
    assert missed_gate(replace(fine, numerics={**fine.numerics, "converged": False}), made) == "converged"


def test_the_compact_files_give_back_each_split(
    model: LumenModel, both: tuple[FlowSolution, FlowSolution], tmp_path: Path
) -> None:
    made = arrays(model, both)
    rows = [
        {"id": "A", "split": "train", "kind": "steady", "reynolds": 123.456789},
        {"id": "B", "split": "test", "kind": "steady", "reynolds": 1.0},
        {"id": "A-pulse", "split": "train", "kind": "pulsatile", "reynolds": 2.0, "fine_sac_osi_mean": 0.01},
    ]
    sizes = write_compact(tmp_path, rows, [made, made, made])
    assert sizes["train.npz"] < 400_000
    table, packed = read_compact(tmp_path, "train")
    assert [row["id"] for row in table] == packed["id"].tolist() == ["A", "A-pulse"]
    assert table[0]["reynolds"] == "123.457" and table[0]["fine_sac_osi_mean"] == ""
    assert np.array_equal(packed["wall_shear"][0], made["wall_shear"])
    assert packed["pulsatile"].tolist() == [1] and len(packed["wall_osi"]) == 1
    assert len(read_compact(tmp_path, "validation")[0]) == 0
    (tmp_path / "test.npz").replace(tmp_path / "train.npz")
    with pytest.raises(ValueError, match="not of one database"):
        read_compact(tmp_path, "train")
