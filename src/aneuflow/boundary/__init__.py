"""What drives the flow: inflow and its waveform, outlets, blood; and what of it is given or assumed."""

from __future__ import annotations

from aneuflow.boundary.blood import blood_of
from aneuflow.boundary.caliber import calibers
from aneuflow.boundary.inflow import inlet_flows
from aneuflow.boundary.outlets import outlet_conditions
from aneuflow.boundary.settings import BoundarySettings
from aneuflow.boundary.waveform import bundled_waveform, is_bundled, read_waveform
from aneuflow.types import BoundaryConditions, InletCondition, LumenModel, Note, Waveform

__all__ = ["BoundarySettings", "is_bundled", "read_waveform", "set_boundary"]


def set_boundary(
    model: LumenModel, settings: BoundarySettings, steady: bool = False, waveform: Waveform | None = None
) -> BoundaryConditions:
    """Inflow, outlets and blood of one model, with a note on each choice that was given or assumed.

    waveform: the one read from the file that the settings name (`read_waveform`); None takes the bundled one of that name.
    steady: no waveform, the flow is constant at its cycle mean.
    Raises InputError where the model lacks an inlet or outlet, the inflow from its size is not that of a cerebral artery, or
    the waveform is neither bundled nor handed in.
    """
    blood, blood_note = blood_of(settings.density_kg_m3, settings.viscosity)
    radii, caliber_notes = calibers(model)
    entering, leaving = ({cap.id: radii[cap.id] for cap in model.caps if cap.role == role} for role in ("inlet", "outlet"))
    flows, inflow_note = inlet_flows(entering, settings.flow_ml_s, settings.murray_exponent, blood)
    outlets, outlet_note = outlet_conditions(leaving, settings.outlets, settings.murray_exponent)
    if steady:
        waveform, waveform_note = None, Note("flow_steady", {}, "assumption")
    elif waveform is not None:
        waveform_note = Note("waveform_given", {"name": waveform.name, "period_s": waveform.period_s}, "information")
    else:
        waveform = bundled_waveform(settings.waveform, settings.period_s)
        waveform_note = Note("waveform_bundled", {"name": waveform.name, "period_s": waveform.period_s}, "assumption")
    # Without pulsation Womersley's profile is the developed one.
    profile = "parabolic" if steady and settings.profile == "womersley" else settings.profile
    profile_note = Note(f"profile_{profile}", {}, "assumption")
    return BoundaryConditions(
        inlets=tuple(InletCondition(id, flow, profile) for id, flow in flows.items()),
        outlets=outlets,
        blood=blood,
        waveform=waveform,
        notes=(inflow_note, *caliber_notes, waveform_note, profile_note, outlet_note, blood_note),
    )
