"""A forked vessel with flow extensions for the solver's tests, and conditions for it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from aneuflow.geometry.model import build_model
from aneuflow.geometry.settings import ModelSettings
from aneuflow.types import Blood, BoundaryConditions, InletCondition, LumenModel, OutletCondition, Waveform
from tests.shapes import Bifurcation

BLOOD = Blood(1060.0, "newtonian", {"viscosity": 0.0035})
TRUNK, WIDE, NARROW = 1, 2, 3


@cache
def fork() -> LumenModel:
    """A trunk of 1.5 mm radius (cap 1) that forks into branches of 1.2 mm (cap 2) and 1 mm (cap 3)."""
    settings = ModelSettings(aneurysm="none", inlet_extension_diameters=2.0, outlet_extension_diameters=2.0)
    return build_model(Bifurcation(length=5.0).surface(0.3), settings)


def diverging(share: float, waveform: Waveform | None = None, flow_ml_s: float = 1.0) -> BoundaryConditions:
    """All the flow in by the trunk, `share` of it out by the wide branch."""
    outlets = (
        OutletCondition(WIDE, "flow-split", flow_share=share),
        OutletCondition(NARROW, "flow-split", flow_share=1.0 - share),
    )
    return BoundaryConditions((InletCondition(TRUNK, flow_ml_s, "womersley"),), outlets, BLOOD, waveform)


def converging(wide_ml_s: float, narrow_ml_s: float) -> tuple[LumenModel, BoundaryConditions]:
    """The fork the other way round: in by both branches, out by the trunk, as in the basilar artery."""
    inlets = (InletCondition(WIDE, wide_ml_s, "parabolic"), InletCondition(NARROW, narrow_ml_s, "parabolic"))
    boundary = BoundaryConditions(inlets, (OutletCondition(TRUNK, "pressure", pressure=0.0),), BLOOD, None)
    model = fork()
    caps = {"caps": model.caps, "extended_caps": model.extended_caps}
    turned = {
        name: tuple(replace(cap, role="outlet" if cap.id == TRUNK else "inlet") for cap in group)
        for name, group in caps.items()
    }
    return replace(model, **turned), boundary


def sine(period_s: float, swing: float) -> Waveform:
    phase = np.arange(64) / 64
    return Waveform("sine", period_s, phase, 1.0 + swing * np.sin(2 * np.pi * phase))
