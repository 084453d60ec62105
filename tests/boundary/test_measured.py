"""Flow and outlets from records: a known heart and circuit are found again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aneuflow.boundary import BoundarySettings, Records, read_record, set_boundary
from aneuflow.boundary.beats import one_beat
from aneuflow.boundary.doppler import flow_from_center_velocity
from aneuflow.boundary.records import Curve, Record
from aneuflow.errors import InputError
from aneuflow.numerics.womersley import womersley_profile
from aneuflow.types import PA_PER_MMHG, BoundaryConditions, Cap, LumenModel, OutletCondition, PatchedSurface, Surface, Waveform
from tests.boundary.beats import CIRCUIT, NU, STEPS, Heart, write_csv

Build = Callable[[list[float], list[float]], LumenModel]


@pytest.fixture
def lumen() -> Build:
    """lumen(inlet radii in mm, outlet radii in mm): caps numbered from 1, inlets first."""

    def build(inlets: list[float], outlets: list[float]) -> LumenModel:
        caps = tuple(
            Cap(number, "inlet" if number <= len(inlets) else "outlet", np.zeros(3), np.eye(3)[2], np.pi * r**2, r)
            for number, r in enumerate([*inlets, *outlets], start=1)
        )
        empty = PatchedSurface(
            Surface(np.zeros((0, 3)), np.zeros((0, 3), np.int32)), np.zeros(0, np.int32), np.zeros(0, np.uint8)
        )
        return LumenModel(empty, caps, (), None, empty, caps)

    return build


def velocity_record(heart: Heart, tmp_path: Path, kind: str = "peak", angle_deg: float = 0.0, cycles: float = 5.3) -> Record:
    along = (
        heart.center_velocity() if kind == "peak" else 1e-6 * heart.flow_ml_s() / (np.pi * (0.5e-3 * heart.diameter_mm) ** 2)
    )
    time, velocity = heart.over(100.0 * along * np.cos(np.radians(angle_deg)), cycles, 200.0)
    facts = f"# diameter_mm: {heart.diameter_mm}\n" + (f"# angle_deg: {angle_deg}\n" if angle_deg else "")
    return read_record(write_csv(tmp_path / "doppler.csv", f"t_s,{kind}_velocity_cm_s", time, velocity, facts=facts))


def pressure_record(heart: Heart, cycles: float = 4.6, scale: float = 1.0) -> Record:
    time, pressure = heart.over(scale * heart.pressure_pa(), cycles, 250.0)
    return Record("wire.csv", time, (Curve("pressure", "", pressure),))


def codes(boundary: BoundaryConditions) -> set[str]:
    return {note.code for note in boundary.notes}


def same_course(found: Waveform, wanted: np.ndarray) -> float:
    """Relative L2 difference at the best shift in time."""
    even = np.interp(np.arange(200) / 200, np.arange(STEPS) / STEPS, wanted / wanted.mean(), period=1.0)
    ratio = np.interp(np.arange(200) / 200, found.phase, found.ratio, period=1.0)
    return min(float(np.linalg.norm(np.roll(ratio, k) - even) / np.linalg.norm(even)) for k in range(200))


@pytest.mark.parametrize("alpha_radius_mm", [0.3, 1.5, 3.0])
def test_the_inverse_of_womersleys_profile(alpha_radius_mm: float) -> None:
    ratio = 1.0 + 0.8 * np.sin(2 * np.pi * np.arange(128) / 128) + 0.3 * np.cos(6 * np.pi * np.arange(128) / 128)
    radius, period = 1e-3 * alpha_radius_mm, 0.9
    alpha = radius * np.sqrt(2 * np.pi / (period * NU))
    axis = 0.3 * womersley_profile(np.zeros(1), ratio, alpha)[0]
    np.testing.assert_allclose(flow_from_center_velocity(axis, period, radius, NU), 0.3 * np.pi * radius**2 * ratio, rtol=1e-9)


@pytest.mark.parametrize(("kind", "angle"), [("peak", 0.0), ("mean", 0.0), ("peak", 50.0)])
def test_a_doppler_record_gives_the_flow_back(lumen: Build, tmp_path: Path, kind: str, angle: float) -> None:
    heart = Heart()
    record = velocity_record(heart, tmp_path, kind, angle)
    boundary = set_boundary(lumen([2.0], [1.5, 1.0]), BoundarySettings(), records=Records({None: record}))
    assert boundary.waveform is not None
    assert boundary.inlets[0].mean_flow_ml_s == pytest.approx(heart.mean_ml_s, rel=0.005)
    assert boundary.waveform.period_s == pytest.approx(heart.period_s, rel=0.005)
    assert same_course(boundary.waveform, heart.flow_ml_s()) < 0.02
    assert {f"inflow_doppler_{kind}", "record_beats", "doppler_diameter"} <= codes(boundary)
    assert "waveform_bundled" not in codes(boundary)


def test_noise_is_averaged_away_over_the_beats(lumen: Build, tmp_path: Path) -> None:
    heart = Heart()
    clean = velocity_record(heart, tmp_path, cycles=12.0)
    noise = np.random.default_rng(3).normal(size=len(clean.time_s)) * 0.08
    noisy = Record("noisy.csv", clean.time_s, (Curve("velocity", "peak", clean.curves[0].values + noise),), 4.2)
    boundary = set_boundary(lumen([2.0], [1.5]), BoundarySettings(), records=Records({1: noisy}))
    assert boundary.inlets[0].mean_flow_ml_s == pytest.approx(heart.mean_ml_s, rel=0.02)
    note = next(note for note in boundary.notes if note.code == "record_beats")
    assert 9 <= note.values["beats"] <= 12


def test_an_odd_beat_is_left_out() -> None:
    heart = Heart()
    time, flow = heart.over(heart.flow_ml_s(), 6.0, 200.0)
    late = np.where(time > 3.0 * heart.period_s, time + 0.5 * heart.period_s, time)  # a pause after the third beat
    beat = one_beat(late, flow[None], None, "pause.csv")
    assert beat.left_out == 1
    assert beat.period_s == pytest.approx(heart.period_s, rel=0.01)


def test_one_cycle_is_taken_as_it_is(lumen: Build, tmp_path: Path) -> None:
    heart = Heart()
    boundary = set_boundary(
        lumen([2.0], [1.5]), BoundarySettings(), records=Records({None: velocity_record(heart, tmp_path, cycles=1.004)})
    )
    assert boundary.inlets[0].mean_flow_ml_s == pytest.approx(heart.mean_ml_s, rel=0.01)
    assert "record_one_beat" in codes(boundary)


def test_each_inlet_by_its_own_record(lumen: Build, tmp_path: Path) -> None:
    left, right = Heart(mean_ml_s=2.0), Heart(mean_ml_s=1.0, diameter_mm=3.0)
    records = Records({1: velocity_record(left, tmp_path), 2: velocity_record(right, tmp_path)})
    boundary = set_boundary(lumen([2.0, 2.0, 1.0], [1.5]), BoundarySettings(), records=records)
    np.testing.assert_allclose([i.mean_flow_ml_s for i in boundary.inlets], [2.0, 1.0, 3.0 * 1.0 / 16.0], rtol=0.01)
    assert all(inlet.waveform is not None for inlet in boundary.inlets)
    assert "inflow_scaled_to_others" in codes(boundary)


def total(outlets: tuple[OutletCondition, ...], name: str) -> float:
    return sum(1.0 / getattr(outlet, name) for outlet in outlets) ** -1


def test_a_pressure_record_gives_the_circuit_back(lumen: Build, tmp_path: Path) -> None:
    heart = Heart()
    records = Records({None: velocity_record(heart, tmp_path)}, {None: pressure_record(heart)})
    boundary = set_boundary(lumen([2.0], [1.5, 1.0]), BoundarySettings(), records=records)
    assert {outlet.kind for outlet in boundary.outlets} == {"windkessel"}
    assert total(boundary.outlets, "resistance") == pytest.approx(CIRCUIT.resistance, rel=0.08)
    assert total(boundary.outlets, "distal_resistance") == pytest.approx(CIRCUIT.distal_resistance, rel=0.02)
    assert sum(outlet.compliance or 0.0 for outlet in boundary.outlets) == pytest.approx(CIRCUIT.compliance, rel=0.05)
    assert boundary.outlets[0].resistance / boundary.outlets[1].resistance == pytest.approx(1.5**-3)  # type: ignore[operator]
    assert {"outlets_fitted_windkessel", "venous_pressure_assumed", "outlets_shared_by_murray"} <= codes(boundary)
    assert boundary.absolute


def test_steady_flow_leaves_the_resistance_that_meets_the_mean(lumen: Build, tmp_path: Path) -> None:
    heart = Heart()
    records = Records({None: velocity_record(heart, tmp_path)}, {None: pressure_record(heart)})
    boundary = set_boundary(lumen([2.0], [1.5]), BoundarySettings(), steady=True, records=records)
    (outlet,) = boundary.outlets
    assert outlet.kind == "resistance" and boundary.waveform is None
    met = (outlet.pressure or 0.0) + 1e-6 * boundary.inlets[0].mean_flow_ml_s * (outlet.resistance or 0.0)
    assert met == pytest.approx(heart.pressure_pa().mean(), rel=0.002)


def test_two_places(lumen: Build, tmp_path: Path) -> None:
    heart = Heart()
    wire = {1: pressure_record(heart, scale=1.05), 2: pressure_record(heart)}
    boundary = set_boundary(
        lumen([2.0], [1.5]),
        BoundarySettings(outlets="resistance"),
        records=Records({1: velocity_record(heart, tmp_path)}, wire),
    )
    drop = next(note for note in boundary.notes if note.code == "pressure_drop_measured")
    assert drop.values["drop_pa"] == pytest.approx(0.05 * heart.pressure_pa().mean(), rel=0.02)
    assert boundary.outlets[0].kind == "resistance"


def test_loads_without_a_record(lumen: Build) -> None:
    chosen = BoundarySettings(flow_ml_s=4.0, outlets="windkessel", mean_pressure_mmhg=85.0)
    boundary = set_boundary(lumen([2.0], [1.5, 1.0]), chosen)
    whole = total(boundary.outlets, "resistance") + total(boundary.outlets, "distal_resistance")
    assert whole == pytest.approx(80.0 * PA_PER_MMHG / 4e-6)
    assert "outlets_windkessel_assumed" in codes(boundary)
    given = set_boundary(lumen([2.0], [1.5]), BoundarySettings(outlets="resistance", resistance_mmhg_s_ml=20.0))
    assert given.outlets[0].resistance == pytest.approx(20.0 * PA_PER_MMHG * 1e6)
    table = [{"cap": 2, "resistance_mmhg_s_ml": 2.0, "compliance_ml_mmhg": 0.02, "distal_resistance_mmhg_s_ml": 18.0}]
    named = set_boundary(lumen([2.0], [1.5]), BoundarySettings(outlets="windkessel", outlet_loads=table))  # type: ignore[arg-type]
    assert named.outlets[0].compliance == pytest.approx(0.02e-6 / PA_PER_MMHG)
    with pytest.raises(InputError, match=r"names the caps \[2\], but the outlets are \[2, 3\]"):
        set_boundary(lumen([2.0], [1.5, 1.0]), BoundarySettings(outlets="windkessel", outlet_loads=table))  # type: ignore[arg-type]


def flat(value: float, quantity: str = "velocity", kind: str = "peak") -> Record:
    time = np.arange(100) / 110.0
    return Record("r.csv", time, (Curve(quantity, kind, np.full(100, value) * (1.0 + 0.2 * np.sin(7 * time))),), 4.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "doppler", "pressure", "sentence"),
    [
        ({}, flat(0.01), None, r"mean flow of 0\.06.* mL/s, outside 0\.2 to 15"),
        ({}, flat(-0.4), None, r"mean flow of -2\.5.* mL/s.*sign"),
        ({}, flat(0.4, kind=""), None, "peak .* or the mean"),
        ({"flow_ml_s": 3.0}, flat(0.4), None, "--flow contradicts"),
        ({"doppler_diameter_mm": 0.9}, flat(0.4), None, r"diameter 0\.9 mm"),
        ({"period_s": 0.4}, flat(0.4), None, r"spans 0\.9 s"),
        ({"outlets": "zero-pressure"}, flat(0.4), flat(12e3, "pressure"), "zero-pressure outlets contradict"),
        ({"resistance_mmhg_s_ml": 9.0}, flat(0.4), flat(12e3, "pressure"), "given resistance contradict"),
        ({}, flat(0.4), flat(500.0, "pressure"), "not above the venous"),
        ({}, flat(12e3, "pressure"), None, "one curve of velocity or flow"),
        ({}, None, flat(0.4), "one curve of pressure"),
    ],
)
def test_contradictions_are_refused(
    lumen: Build, given: dict[str, Any], doppler: Record | None, pressure: Record | None, sentence: str
) -> None:
    records = Records({} if doppler is None else {None: doppler}, {} if pressure is None else {None: pressure})
    with pytest.raises(InputError, match=sentence):
        set_boundary(lumen([2.0], [1.5]), BoundarySettings(period_s=given.pop("period_s", 0.95), **given), records=records)


def test_a_record_of_no_end_of_the_model_is_refused(lumen: Build, tmp_path: Path) -> None:
    heart = Heart()
    for records in (Records({2: velocity_record(heart, tmp_path)}), Records({}, {9: pressure_record(heart)})):
        with pytest.raises(InputError, match="is given for cap"):
            set_boundary(lumen([2.0], [1.5]), BoundarySettings(), records=records)


def test_a_record_without_a_whole_beat_is_refused(lumen: Build, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no whole heartbeat"):
        set_boundary(
            lumen([2.0], [1.5]), BoundarySettings(), records=Records({1: velocity_record(Heart(), tmp_path, cycles=0.6)})
        )
