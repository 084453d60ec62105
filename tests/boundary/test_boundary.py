"""What drives the flow: size rule, splits, and what the notes own up to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aneuflow.boundary import BoundarySettings, set_boundary
from aneuflow.errors import InputError
from aneuflow.types import Cap, LumenModel, PatchedSurface, Surface, Waveform

Build = Callable[[list[float], list[float]], LumenModel]


@pytest.fixture
def lumen() -> Build:
    """lumen(inlet radii in mm, outlet radii in mm): caps numbered from 1, inlets first."""

    def build(inlets: list[float], outlets: list[float]) -> LumenModel:
        caps = tuple(
            Cap(
                id=number,
                role="inlet" if number <= len(inlets) else "outlet",
                center_mm=np.zeros(3),
                normal=np.array([0.0, 0.0, 1.0]),
                area_mm2=float(np.pi * radius**2),
                radius_mm=radius,
            )
            for number, radius in enumerate([*inlets, *outlets], start=1)
        )
        empty = PatchedSurface(
            Surface(np.zeros((0, 3)), np.zeros((0, 3), np.int32)), np.zeros(0, np.int32), np.zeros(0, np.uint8)
        )
        return LumenModel(empty, caps, (), None, empty, caps)

    return build


def notes(boundary: object) -> dict[str, str]:
    return {note.code: note.kind for note in boundary.notes}  # type: ignore[attr-defined]


def test_the_default_follows_from_the_size_and_says_so(lumen: Build) -> None:
    boundary = set_boundary(lumen([2.0], [1.5, 1.0]), BoundarySettings())
    # pi (2e-3)^3 1.5 / (4 * 0.0035) m3/s
    assert boundary.inlets[0].mean_flow_ml_s == pytest.approx(2.6928, abs=1e-4)
    assert boundary.inlets[0].profile == "womersley"
    assert boundary.waveform is not None
    assert boundary.waveform.period_s == 0.9
    assert boundary.blood.density == 1060.0
    assert notes(boundary) == {
        "inflow_from_radius": "assumption",
        "waveform_bundled": "assumption",
        "profile_womersley": "assumption",
        "outlets_murray": "assumption",
        "blood_newtonian": "assumption",
    }


def test_the_reference_cases_flow_is_repeated(lumen: Build) -> None:
    # OpenFOAM case AN202: 131.2 mL/min from tau = 1.5 Pa, mu = 0.0035 Pa s; its inlet radius from that flow.
    flow = 131.2 / 60.0
    radius_mm = 1e3 * (4 * 0.0035 * flow * 1e-6 / (np.pi * 1.5)) ** (1 / 3)
    boundary = set_boundary(lumen([radius_mm], [1.5]), BoundarySettings(), steady=True)
    assert boundary.inlets[0].mean_flow_ml_s == pytest.approx(flow, rel=1e-9)


def test_given_flow_is_split_over_inlets_by_radius(lumen: Build) -> None:
    boundary = set_boundary(lumen([2.0, 2.0, 1.0], [1.0]), BoundarySettings(flow_ml_s="510 mL/min"))
    np.testing.assert_allclose([inlet.mean_flow_ml_s for inlet in boundary.inlets], [4.0, 4.0, 0.5], rtol=1e-12)
    assert notes(boundary)["inflow_given"] == "information"


def test_without_a_flow_each_inlet_has_its_own(lumen: Build) -> None:
    flows = [inlet.mean_flow_ml_s for inlet in set_boundary(lumen([2.0, 1.0], [1.0]), BoundarySettings()).inlets]
    assert flows[0] == pytest.approx(8.0 * flows[1])


def test_murray_shares_by_hand(lumen: Build) -> None:
    cube = set_boundary(lumen([2.0], [2.0, 1.0, 1.0]), BoundarySettings()).outlets
    assert [outlet.flow_share for outlet in cube] == pytest.approx([0.8, 0.1, 0.1])
    square = set_boundary(lumen([2.0], [2.0, 1.0, 1.0]), BoundarySettings(murray_exponent=2)).outlets
    assert [outlet.flow_share for outlet in square] == pytest.approx([2 / 3, 1 / 6, 1 / 6])
    assert {outlet.kind for outlet in cube} == {"flow-split"}


def test_zero_pressure_and_a_single_outlet(lumen: Build) -> None:
    zero = set_boundary(lumen([2.0], [2.0, 1.0]), BoundarySettings(outlets="zero-pressure"))
    assert [(outlet.kind, outlet.pressure, outlet.flow_share) for outlet in zero.outlets] == [("pressure", 0.0, None)] * 2
    single = set_boundary(lumen([2.0], [1.0]), BoundarySettings())
    assert single.outlets[0].kind == "pressure"
    assert "outlet_single" in notes(single)


def test_steady_flow_has_no_waveform(lumen: Build) -> None:
    boundary = set_boundary(lumen([2.0], [1.0]), BoundarySettings(), steady=True)
    assert boundary.waveform is None
    assert notes(boundary)["flow_steady"] == "assumption"


def test_a_waveform_handed_in_is_taken(lumen: Build) -> None:
    mine = Waveform("mine.csv", 0.8, np.arange(4) / 4, np.array([0.5, 2.0, 1.0, 0.5]))
    boundary = set_boundary(lumen([2.0], [1.0]), BoundarySettings(waveform="mine.csv"), waveform=mine)
    assert boundary.waveform is mine
    assert notes(boundary)["waveform_given"] == "information"


@pytest.mark.parametrize(("radius", "sentence"), [(0.5, r"0\.50 mm.*0\.042 mL/s"), (27.0, r"27\.00 mm.*units")])
def test_a_size_that_is_no_cerebral_artery_is_refused(lumen: Build, radius: float, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        set_boundary(lumen([radius], [1.0]), BoundarySettings())


def test_a_small_second_inlet_is_not_refused(lumen: Build) -> None:
    assert len(set_boundary(lumen([2.2, 0.6], [1.0]), BoundarySettings()).inlets) == 2


def test_a_given_flow_out_of_the_ordinary_is_kept_and_warned_of(lumen: Build) -> None:
    boundary = set_boundary(lumen([2.0], [1.0]), BoundarySettings(flow_ml_s=0.1))
    assert boundary.inlets[0].mean_flow_ml_s == 0.1
    assert notes(boundary)["inflow_unusual"] == "warning"


@pytest.mark.parametrize(("inlets", "outlets", "word"), [([], [1.0], "no inlet"), ([1.0], [], "no outlet")])
def test_a_lumen_without_in_or_outlet_is_refused(lumen: Build, inlets: list[float], outlets: list[float], word: str) -> None:
    with pytest.raises(InputError, match=word):
        set_boundary(lumen(inlets, outlets), BoundarySettings())


def test_an_unknown_waveform_is_refused_by_name(lumen: Build) -> None:
    with pytest.raises(InputError, match="no waveform 'carotid'; use ica-older-adults"):
        set_boundary(lumen([2.0], [1.0]), BoundarySettings(waveform="carotid"))
