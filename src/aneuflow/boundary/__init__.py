"""What drives the flow: inflow and its waveform, outlets, blood; and what of it is measured, given or assumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from aneuflow.boundary.blood import blood_of
from aneuflow.boundary.caliber import calibers
from aneuflow.boundary.doppler import MeasuredFlow, measured_flow
from aneuflow.boundary.inflow import inlet_flows
from aneuflow.boundary.outlets import assumed_loads, outlet_conditions
from aneuflow.boundary.pressure_wire import Inflow, fitted_outlets, measured_drop, measured_pressure
from aneuflow.boundary.records import Record, Records, parse_place, read_record, read_records, record_to_json
from aneuflow.boundary.settings import BoundarySettings
from aneuflow.boundary.waveform import bundled_names, bundled_waveform, is_bundled, read_waveform
from aneuflow.errors import InputError
from aneuflow.types import Blood, BoundaryConditions, InletCondition, LumenModel, Note, OutletCondition, Waveform

__all__ = [
    "BoundarySettings",
    "Records",
    "bundled_names",
    "is_bundled",
    "parse_place",
    "read_record",
    "read_records",
    "read_waveform",
    "record_to_json",
    "set_boundary",
]

_NOTHING_MEASURED = Records()


def set_boundary(
    model: LumenModel,
    settings: BoundarySettings,
    steady: bool = False,
    waveform: Waveform | None = None,
    records: Records = _NOTHING_MEASURED,
) -> BoundaryConditions:
    """Inflow, outlets and blood of one model, with a note on each choice that was measured, given or assumed.

    waveform: the one read from the file that the settings name (`read_waveform`); None takes the bundled one of that name.
    steady: no waveform, the flow is constant at its cycle mean. records: those that the settings name (`read_records`).
    Raises InputError where the model lacks an inlet or outlet, the inflow from its size is not that of a cerebral artery, the
    waveform is neither bundled nor handed in, or settings and records contradict each other or the model.
    """
    blood, blood_note = blood_of(settings.density_kg_m3, settings.viscosity)
    radii, caliber_notes = calibers(model)
    entering, leaving = ({cap.id: radii[cap.id] for cap in model.caps if cap.role == role} for role in ("inlet", "outlet"))
    # Without pulsation Womersley's profile is the developed one.
    profile = "parabolic" if steady and settings.profile == "womersley" else settings.profile
    if records.doppler:
        if settings.flow_ml_s is not None or waveform is not None:
            given = "--flow" if settings.flow_ml_s is not None else "--waveform"
            raise InputError(f"A Doppler record sets inflow and waveform, so {given} contradicts it; leave one of them out.")
        inlets, waveform, inflow_notes = _recorded_inflow(entering, records.doppler, settings, blood)
    else:
        flows, inflow_note = inlet_flows(entering, settings.flow_ml_s, settings.murray_exponent, blood)
        inlets = tuple(InletCondition(id, flow, profile) for id, flow in flows.items())
        waveform, waveform_note = _waveform(settings, waveform)
        inflow_notes = (inflow_note, waveform_note)
    if steady:
        inlets, waveform = tuple(replace(inlet, waveform=None) for inlet in inlets), None
        inflow_notes = (*(n for n in inflow_notes if not n.code.startswith("waveform_")), Note("flow_steady", {}, "assumption"))
    inflow = Inflow(sum(inlet.mean_flow_ml_s for inlet in inlets), waveform)
    outlets, outlet_notes = _outlets(leaving, records.pressure, list(entering), inflow, settings)
    profile_note = Note(f"profile_{profile}", {}, "assumption")
    return BoundaryConditions(
        inlets=tuple(replace(inlet, profile=profile) for inlet in inlets),
        outlets=outlets,
        blood=blood,
        waveform=waveform,
        notes=(*inflow_notes, *caliber_notes, profile_note, *outlet_notes, blood_note),
    )


def _waveform(settings: BoundarySettings, given: Waveform | None) -> tuple[Waveform, Note]:
    if given is not None:
        return given, Note("waveform_given", {"name": given.name, "period_s": given.period_s}, "information")
    bundled = bundled_waveform(settings.waveform, settings.period_s)
    return bundled, Note("waveform_bundled", {"name": bundled.name, "period_s": bundled.period_s}, "assumption")


def _recorded_inflow(
    radii_mm: Mapping[int, float], doppler: Mapping[int | None, Record], settings: BoundarySettings, blood: Blood
) -> tuple[tuple[InletCondition, ...], Waveform, tuple[Note, ...]]:
    """Inlets by their records; those without one get flow by their size, in proportion to those measured, and their course."""
    if not radii_mm:
        raise InputError("The model has no inlet, so no flow can be set; name one of its caps with --inlet.")
    largest = max(radii_mm, key=lambda cap: radii_mm[cap])
    named = {largest if cap is None else cap: record for cap, record in doppler.items()}
    unknown = set(named) - set(radii_mm)
    if unknown or len(named) < len(doppler):
        wrong = min(unknown) if unknown else largest
        raise InputError(f"A Doppler record is given for cap {wrong}; there may be one for each inlet, {sorted(radii_mm)}.")
    found = {cap: measured_flow(record, settings, cap, radii_mm[cap], blood) for cap, record in named.items()}
    notes = tuple(note for flow in found.values() for note in flow.notes)
    first = found[min(found)]
    periods = [flow.waveform.period_s for flow in found.values()]
    if max(periods) > 1.2 * min(periods):
        raise InputError(
            f"The Doppler records have beats of {min(periods):.2f} and {max(periods):.2f} s; give records of one heart rate."
        )
    power = settings.murray_exponent
    scale = sum(flow.mean_ml_s for flow in found.values()) / sum(radii_mm[cap] ** power for cap in found)
    means = {cap: found[cap].mean_ml_s if cap in found else scale * r**power for cap, r in radii_mm.items()}
    if len(found) < len(radii_mm):
        values = {"measured": len(found), "inlets": len(radii_mm), "exponent": power}
        notes += (Note("inflow_scaled_to_others", values, "assumption"),)
    ratio = sum(means[cap] * found.get(cap, first).waveform.ratio for cap in means) / sum(means.values())
    whole = Waveform(first.waveform.name, float(np.mean(periods)), first.waveform.phase, np.asarray(ratio))
    own = {cap: _own(found.get(cap, first), whole) if len(found) > 1 else None for cap in means}
    return tuple(InletCondition(cap, mean, settings.profile, own[cap]) for cap, mean in means.items()), whole, notes


def _own(flow: MeasuredFlow, whole: Waveform) -> Waveform:
    return replace(flow.waveform, period_s=whole.period_s)


def _outlets(
    radii_mm: Mapping[int, float],
    pressure: Mapping[int | None, Record],
    inlets: list[int],
    inflow: Inflow,
    settings: BoundarySettings,
) -> tuple[tuple[OutletCondition, ...], tuple[Note, ...]]:
    if not pressure:
        if settings.outlets in ("murray", "zero-pressure") or not radii_mm:
            outlets, note = outlet_conditions(radii_mm, settings.outlets, settings.murray_exponent)
        else:
            outlets, note = assumed_loads(radii_mm, settings, inflow.mean_ml_s)
        return outlets, (note,)
    if settings.outlets == "zero-pressure" or settings.outlet_loads or settings.resistance_mmhg_s_ml is not None:
        what = "zero-pressure outlets" if settings.outlets == "zero-pressure" else "a given resistance"
        raise InputError(f"A pressure record sets the outlets, so {what} contradict it; leave one of them out.")
    unknown = {cap for cap in pressure if cap is not None} - {*radii_mm, *inlets}
    if unknown or not radii_mm:
        raise InputError(f"A pressure record is given for cap {min(unknown, default=0)}, which is no open end of the model.")
    measured = {cap: measured_pressure(record, settings.period_s) for cap, record in pressure.items()}
    outlets, notes = fitted_outlets(radii_mm, measured, inflow, settings)
    drop = measured_drop(inlets, list(radii_mm), measured)
    return outlets, notes if drop is None else (*notes, drop)
