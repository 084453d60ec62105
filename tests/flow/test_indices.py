"""Hemodynamic indices on fields whose integrals are known: spheres, tubes, and numbers worked by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import pyvista

from aneuflow.flow.indices import (
    OstiumFlow,
    area_fraction_below,
    hemodynamic_measures,
    inflow_concentration_index,
    oscillatory_shear_index,
    ostium_imbalance,
    ostium_inflow,
    parent_region,
    relative_residence_time,
    shear_concentration_index,
    statistics,
)
from aneuflow.numerics.surface import vertex_areas
from aneuflow.quantities import registry
from aneuflow.types import (
    REGION_SAC,
    Aneurysm,
    Blood,
    BoundaryConditions,
    Cap,
    Centerline,
    FlowSolution,
    InletCondition,
    LumenModel,
    Ostium,
    OutletCondition,
    PatchedSurface,
    Surface,
    VolumeField,
    Waveform,
)
from tests.conftest import shared_data

TUBE_RADIUS, TUBE_HALF, SAC_RADIUS = 1.5, 12.0, 3.0


def lattice_surface(points: np.ndarray) -> Surface:
    """Triangles over a grid of points (n, k, 3), closed in the second direction."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b = index[:-1], np.roll(index, -1, axis=1)[:-1]
    c, d = index[1:], np.roll(index, -1, axis=1)[1:]
    triangles = np.stack([a, b, c, b, d, c], axis=-1).reshape(-1, 3)
    return Surface(points.reshape(-1, 3), triangles.astype(np.int32))


def tube() -> Surface:
    x = np.linspace(-TUBE_HALF, TUBE_HALF, 241)
    angle = 2 * np.pi * np.arange(64) / 64
    ring = np.stack([np.zeros(64), np.cos(angle), np.sin(angle)], axis=-1) * TUBE_RADIUS
    return lattice_surface(ring[None] + x[:, None, None] * np.array([1.0, 0.0, 0.0]))


def sphere() -> Surface:
    polar = np.linspace(0.0, np.pi, 161)
    angle = 2 * np.pi * np.arange(160) / 160
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(160)], axis=-1)
    points = np.sin(polar)[:, None, None] * ring[None] + np.cos(polar)[:, None, None] * np.array([0.0, 0.0, 1.0])
    return lattice_surface(SAC_RADIUS * points)


def turned(points: np.ndarray) -> np.ndarray:
    """Rotated by (0.4, 1.1) about two axes and moved."""
    a, b = 0.4, 1.1
    first = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    second = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return points @ (first @ second).T + np.array([30.0, -80.0, 12.0])


def line(start: float, end: float, caps: tuple[int, int]) -> Centerline:
    x = np.linspace(start, end, 121)
    return Centerline(*caps, np.column_stack([x, np.zeros_like(x), np.zeros_like(x)]), np.full(len(x), TUBE_RADIUS))


def model(with_sac: bool = True) -> LumenModel:
    """A tube along x between caps 1 (inlet) and 2, the neck at x = 0."""
    none = PatchedSurface(Surface(np.zeros((0, 3)), np.zeros((0, 3), np.int32)), np.zeros(0, np.int32), np.zeros(0, np.uint8))
    caps = tuple(
        Cap(id, role, np.array([x, 0.0, 0.0]), np.array([np.sign(x), 0.0, 0.0]), np.pi * TUBE_RADIUS**2, TUBE_RADIUS)
        for id, role, x in ((1, "inlet", -TUBE_HALF), (2, "outlet", TUBE_HALF))
    )
    up = np.array([0.0, 0.0, 1.0])
    ostium = Ostium(none.surface, np.zeros((0, 3)), np.array([0.0, 0.0, TUBE_RADIUS]), up, "automatic", 1.0)
    aneurysm = Aneurysm(ostium, "sidewall", line(-TUBE_HALF, 0.0, (1, 2)), (line(0.0, TUBE_HALF, (1, 2)),))
    return LumenModel(none, caps, (), aneurysm if with_sac else None, none, caps)  # type: ignore[arg-type]


def boundary(pulsatile: bool = True) -> BoundaryConditions:
    wave = Waveform("w", 0.9, np.arange(4) / 4, np.array([0.5, 2.0, 1.0, 0.5])) if pulsatile else None
    inlet = InletCondition(1, 2.0, "womersley")
    outlet = OutletCondition(2, "pressure", pressure=0.0)
    return BoundaryConditions((inlet,), (outlet,), Blood(1060.0, "newtonian", {"viscosity": 0.0035}), wave)


def solution() -> FlowSolution:
    """Tube and sphere side by side; TAWSS 2 Pa on the tube (4 Pa beyond 5 mm), 1 + z/R Pa on the sphere."""
    vessel, sac = tube(), sphere()
    points = np.vstack([vessel.points, sac.points])
    triangles = np.vstack([vessel.triangles, sac.triangles + len(vessel.points)]).astype(np.int32)
    region = np.repeat([0, REGION_SAC], [len(vessel.points), len(sac.points)]).astype(np.uint8)
    on_tube = np.where(np.abs(vessel.points[:, 0]) > 5.0, 4.0, 2.0)
    tawss = np.concatenate([on_tube, 1.0 + sac.points[:, 2] / SAC_RADIUS])
    osi = np.where(region == REGION_SAC, 0.2, 0.01)
    fields = {"TAWSS": tawss, "OSI": osi, "RRT": relative_residence_time(osi, tawss), "pressure": np.full(len(tawss), 55.0)}
    history = {
        "time_s": np.arange(4) * 0.225,
        "inflow_1": np.array([1.0, 4.0, 2.0, 1.0]),
        "outflow_2": np.array([1.0, 4.0, 2.0, 1.0]),
        "pressure_1": np.array([100.0, 300.0, 150.0, 90.0]),
        "pressure_2": np.array([20.0, 60.0, 30.0, 10.0]),
        "sac_kinetic_energy": np.array([1.0, 9.0, 3.0, 1.0]),
    }
    volume = VolumeField(np.zeros((0, 3)), np.zeros((0, 3), np.float32), np.zeros(0, np.float32), np.zeros((0, 8), np.int32))
    single = {name: values.astype(np.float32) for name, values in fields.items()}
    return FlowSolution(Surface(points, triangles), region, single, volume, (), history, {})


def ostium_flow() -> OstiumFlow:
    """Four patches of 1 mm2: 0.3 m/s in through one, 0.1 m/s out through the other three; twice that at peak."""
    up = np.tile([0.0, 0.0, 1.0], (4, 1))
    velocity = up * np.array([0.3, -0.1, -0.1, -0.1])[:, None] + np.array([0.5, 0.0, 0.0])
    return OstiumFlow(up, np.ones(4), velocity, 2.0 * velocity)


def values(pulsatile: bool = True, **changes: object) -> dict[str, float]:
    flow = replace(solution(), **changes)  # type: ignore[arg-type]
    return {measure.id: measure.value for measure in hemodynamic_measures(model(), boundary(pulsatile), flow, ostium_flow())}


def test_oscillatory_shear_index_of_known_series() -> None:
    time = np.linspace(0.0, 1.0, 2001)[:-1]
    swing = np.sin(2 * np.pi * time)
    for offset, expected in ((2.0, 0.0), (0.0, 0.5)):
        tau = offset + swing
        found = oscillatory_shear_index(np.array([np.abs(tau).mean()]), np.array([abs(tau.mean())]))
        assert found[0] == pytest.approx(expected, abs=1e-9)
    # Two thirds of the cycle forward, one third backward, equally strong: mean 1/3, so OSI = 1/3.
    assert oscillatory_shear_index(np.array([1.0]), np.array([1 / 3]))[0] == pytest.approx(1 / 3)
    assert oscillatory_shear_index(np.zeros(1), np.zeros(1))[0] == 0.0


def test_relative_residence_time_is_the_inverse_mean_shear_and_stays_finite() -> None:
    found = relative_residence_time(np.array([0.0, 0.25, 0.5]), np.array([2.0, 2.0, 2.0]))
    np.testing.assert_allclose(found, [0.5, 1.0, 1000.0])


def test_statistics_on_a_sphere_are_those_of_a_uniform_height() -> None:
    # Archimedes: z is uniform on a sphere's area. 1 + z/R: mean 1, sd 1/sqrt 3, median 1, p99 1.98.
    ball = sphere()
    areas = vertex_areas(ball.points, ball.triangles)
    found = statistics(1.0 + ball.points[:, 2] / SAC_RADIUS, areas)
    assert found.mean == pytest.approx(1.0, abs=1e-6)
    assert found.sd == pytest.approx(1 / np.sqrt(3), rel=1e-3)
    assert found.median == pytest.approx(1.0, abs=0.02)
    assert found.p99 == pytest.approx(1.98, abs=0.005)
    assert found.maximum == pytest.approx(2.0)
    assert area_fraction_below(1.0 + ball.points[:, 2] / SAC_RADIUS, areas, 0.4) == pytest.approx(0.2, abs=0.01)


def test_statistics_weigh_by_area_not_by_point() -> None:
    found = statistics(np.array([1.0, 5.0]), np.array([3.0, 1.0]))
    assert (found.mean, found.median, found.p99, found.maximum) == (2.0, 1.0, 5.0, 5.0)
    assert found.sd == pytest.approx(np.sqrt(3.0))


def test_shear_concentration_index_by_hand() -> None:
    # F_high = 4 * 1, F_sac = 4 + 1 * 3; A_high = 1, A_sac = 4: (4/7) / (1/4).
    assert shear_concentration_index(np.array([4.0, 1.0]), np.array([1.0, 3.0]), 2.0) == pytest.approx(16 / 7)
    assert shear_concentration_index(np.array([4.0, 1.0]), np.array([1.0, 3.0]), 5.0) is None
    assert shear_concentration_index(np.array([4.0, 1.0]), np.array([1.0, 3.0]), 0.0) == pytest.approx(1.0)


def test_inflow_and_its_concentration_by_hand() -> None:
    flow = ostium_flow()
    rate, part = ostium_inflow(flow.velocity_mean, flow.normals, flow.areas_mm2)
    # 0.3 m/s through 1 mm2 is 0.3 mL/s, through a quarter of the ostium; the vessel carries 2 mL/s.
    assert (rate, part) == pytest.approx((0.3, 0.25))
    assert inflow_concentration_index(rate, 2.0, part) == pytest.approx(0.6)
    assert ostium_imbalance(flow) == pytest.approx(0.0, abs=1e-12)


def test_the_parent_region_is_one_diameter_to_each_side() -> None:
    flow = solution()
    parent = parent_region(model(), flow.wall, flow.region)
    x = flow.wall.points[parent, 0]
    assert np.abs(x).max() == pytest.approx(2 * TUBE_RADIUS, abs=0.11)
    area = vertex_areas(flow.wall.points, flow.wall.triangles)[parent].sum()
    assert area == pytest.approx(2 * np.pi * TUBE_RADIUS * 4 * TUBE_RADIUS, rel=0.03)
    assert not parent[flow.region == REGION_SAC].any()


def test_a_side_branch_does_not_belong_to_the_parent() -> None:
    flow = solution()
    away = flow.wall.points + np.where(flow.wall.points[:, :1] > 0.0, [[0.0, 9.0, 0.0]], 0.0)
    parent = parent_region(model(), Surface(away, flow.wall.triangles), flow.region)
    assert flow.wall.points[parent, 0].max() <= 0.0


def test_sac_measures_on_the_analytic_field() -> None:
    found = values()
    assert found["sac_tawss_mean"] == pytest.approx(1.0, abs=1e-4)
    assert found["sac_tawss_max"] == pytest.approx(2.0)
    assert (found["parent_tawss_mean"], found["parent_tawss_sd"]) == pytest.approx((2.0, 0.0))
    assert found["tawss_ratio"] == pytest.approx(0.5, abs=1e-4)
    assert found["low_shear_area"] == pytest.approx(100.0, abs=0.1)
    assert found["low_shear_area_absolute"] == pytest.approx(20.0, abs=1.0)
    assert "shear_concentration_index" not in found
    assert (found["sac_osi_mean"], found["sac_osi_p99"]) == pytest.approx((0.2, 0.2))
    assert found["sac_pressure_mean"] == pytest.approx(55.0)
    assert found["sac_rrt_median"] == pytest.approx(1 / 0.6, rel=0.03)
    assert (found["vessel_tawss_max"], found["vessel_osi_mean"], found["vessel_low_shear_area"]) == pytest.approx(
        (4.0, 0.01, 0.0)
    )
    # 5 of 12 mm carry 2 Pa, the rest 4 Pa.
    assert found["vessel_tawss_mean"] == pytest.approx((5 * 2 + 7 * 4) / 12, rel=0.01)


def test_low_shear_and_concentration_against_a_scattered_parent() -> None:
    # Half of the parent's area at 0.5 Pa, half at 1.5 Pa: mean 1, sd 0.5. z/R uniform: a quarter under 0.5, a quarter over 1.5.
    base = solution()
    tube_points = base.region != REGION_SAC
    tawss = base.wall_fields["TAWSS"].copy()
    tawss[tube_points] = np.where(base.wall.points[tube_points, 2] > 0.0, 1.5, 0.5)
    found = values(wall_fields={**base.wall_fields, "TAWSS": tawss})
    assert found["parent_tawss_sd"] == pytest.approx(0.5, abs=0.01)
    assert found["low_shear_area"] == pytest.approx(25.0, abs=1.0)
    # Mean of 1 + z/R over the upper quarter is 1.75.
    assert found["shear_concentration_index"] == pytest.approx(1.75, rel=0.02)


def test_flow_measures_and_their_units() -> None:
    found = values()
    assert (found["mean_flow"], found["peak_flow"]) == (2.0, 4.0)
    # Re = 4 rho Q / (pi D mu) = 4 * 1060 * 2e-6 / (pi * 3e-3 * 0.0035)
    assert found["reynolds_number"] == pytest.approx(257.07, abs=0.01)
    assert found["reynolds_number_peak"] == pytest.approx(514.14, abs=0.02)
    assert found["womersley_number"] == pytest.approx(1.5e-3 * np.sqrt(2 * np.pi * 1060 / (0.9 * 0.0035)), rel=1e-12)
    assert found["pressure_loss"] == pytest.approx(160.0 - 30.0)
    assert found["sac_kinetic_energy"] == pytest.approx(3.5)
    assert (found["inflow_rate"], found["inflow_rate_peak"]) == pytest.approx((0.3, 0.6))
    assert found["inflow_fraction"] == pytest.approx(15.0)
    assert found["inflow_concentration_index"] == pytest.approx(0.6)


def test_steady_flow_takes_the_last_value_and_has_neither_peaks_nor_swings() -> None:
    found = values(pulsatile=False)
    assert found["pressure_loss"] == pytest.approx(80.0)
    assert not {"peak_flow", "reynolds_number_peak", "womersley_number", "inflow_rate_peak", "sac_osi_mean"} & found.keys()


def test_rotation_and_translation_change_nothing() -> None:
    upright, flow, lumen = values(), solution(), model()
    assert lumen.aneurysm is not None
    daughter = lumen.aneurysm.daughter_lines[0]
    parent = lumen.aneurysm.parent_line
    aneurysm = replace(
        lumen.aneurysm,
        parent_line=replace(parent, points_mm=turned(parent.points_mm)),
        daughter_lines=(replace(daughter, points_mm=turned(daughter.points_mm)),),
    )
    moved = replace(flow, wall=Surface(turned(flow.wall.points), flow.wall.triangles))
    found = hemodynamic_measures(replace(lumen, aneurysm=aneurysm), boundary(), moved, ostium_flow())
    assert {measure.id: measure.value for measure in found} == pytest.approx(upright, rel=1e-6)


def test_an_unbalanced_ostium_gives_no_inflow() -> None:
    flow = ostium_flow()
    one_way = replace(flow, velocity_mean=np.abs(flow.velocity_mean))
    assert ostium_imbalance(one_way) == pytest.approx(1.0)
    found = {measure.id for measure in hemodynamic_measures(model(), boundary(), solution(), one_way)}
    assert "inflow_rate" not in found
    assert "inflow_concentration_index" not in found


def absolute() -> BoundaryConditions:
    outlet = OutletCondition(2, "windkessel", pressure=0.0, resistance=1e9, compliance=1e-10, distal_resistance=6e9)
    return replace(boundary(), outlets=(outlet,))


def test_behind_a_windkessel_pressures_are_absolute_too() -> None:
    base, raised = solution(), 12e3
    history = {name: series + raised * name.startswith("pressure_") for name, series in base.history.items()}
    fields = {**base.wall_fields, "pressure": base.wall_fields["pressure"] + np.float32(raised)}
    high = replace(base, wall_fields=fields, history=history)
    found = {m.id: m.value for m in hemodynamic_measures(model(), absolute(), high, ostium_flow())}
    assert found["pressure_loss"] == pytest.approx(values()["pressure_loss"])
    assert found["sac_pressure_mean"] == pytest.approx(55.0 - 30.0, abs=0.01)
    assert found["sac_pressure_absolute"] == pytest.approx(12055.0 / 133.322387, rel=1e-6)
    assert found["arterial_pressure_systolic"] == pytest.approx(12300.0 / 133.322387)
    assert found["arterial_pressure_diastolic"] == pytest.approx(12090.0 / 133.322387)
    assert found["arterial_pressure_mean"] == pytest.approx(12160.0 / 133.322387)
    assert not {"arterial_pressure_mean", "sac_pressure_absolute"} & values().keys()


def test_a_vessel_without_aneurysm_has_vessel_measures_only() -> None:
    flow = solution()
    keep = len(tube().points)
    fields = {name: field[:keep] for name, field in flow.wall_fields.items()}
    vessel = replace(flow, wall=tube(), region=flow.region[:keep], wall_fields=fields)
    found = hemodynamic_measures(model(with_sac=False), boundary(), vessel, None)
    groups = {registry()[measure.id].group for measure in found}
    assert groups == {"boundary", "flow-vessel"}


def test_every_measure_stands_in_the_registry_and_every_entry_is_reached() -> None:
    base = solution()
    tawss = base.wall_fields["TAWSS"].copy()
    tawss[base.region == REGION_SAC] *= 3.0
    flow = replace(base, wall_fields={**base.wall_fields, "TAWSS": tawss})
    found = {measure.id for measure in hemodynamic_measures(model(), absolute(), flow, ostium_flow())}
    ours = {id for id, entry in registry().items() if entry.group in ("boundary", "flow-sac", "flow-vessel")}
    assert found == ours


def test_statistics_reproduce_the_stored_numbers_of_a_real_wall() -> None:
    wall = pyvista.read(shared_data("openfoam/AN202/wall_h140.vtp"))
    stored = json.loads(shared_data("openfoam/AN202/case.json").read_text("utf-8"))["levels"][1]["wss"]["sac"]
    areas = np.asarray(wall.compute_cell_sizes(length=False, volume=False).cell_data["Area"], dtype=np.float64)
    sac = np.asarray(wall.cell_data["sac"]) == 1
    found = statistics(np.linalg.norm(wall.cell_data["wss"], axis=1)[sac], areas[sac])
    assert found.mean == pytest.approx(stored["mean_wss_Pa"], rel=1e-3)
    assert found.p99 == pytest.approx(stored["p99_wss_Pa"], rel=0.01)
    assert found.maximum == pytest.approx(stored["max_wss_Pa"], rel=1e-4)
