"""Flow from a Doppler record: the velocity at the gate, through the diameter at the gate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aneuflow.boundary.beats import SAMPLES, one_beat
from aneuflow.boundary.inflow import FLOW_RANGE_ML_S
from aneuflow.boundary.records import Record
from aneuflow.boundary.settings import BoundarySettings
from aneuflow.errors import InputError
from aneuflow.numerics.womersley import harmonic_profile, womersley_number
from aneuflow.types import Blood, FloatArray, Note, Waveform

LARGEST_ANGLE_DEG = 80.0
# Beyond this angle an error of 5 degrees is one of 15 % in the velocity.
_STEEP_ANGLE_DEG = 60.0
DIAMETER_RANGE_MM = (1.0, 10.0)


@dataclass(frozen=True, eq=False)
class MeasuredFlow:
    """Cycle-mean flow, its course, and what a reader must know of how it was had."""

    mean_ml_s: float
    waveform: Waveform
    notes: tuple[Note, ...]


def flow_from_center_velocity(velocity: FloatArray, period_s: float, radius_m: float, kinematic_viscosity: float) -> FloatArray:
    """Flow (n,) m3/s in a round tube whose velocity on the axis is `velocity` (n,) m/s at n equal steps of a period.

    Each harmonic by Womersley's profile, whose axis has twice the mean velocity at rest and about once at high frequency.
    Source: Womersley 1955; as an inverse of the velocity at the axis: Cezeaux and van Grondelle 1997.
    """
    spectrum = np.fft.rfft(velocity)
    alpha = womersley_number(radius_m, period_s, kinematic_viscosity) * np.sqrt(np.arange(len(spectrum)))
    axis_over_mean = harmonic_profile(np.zeros(1), alpha)[:, 0]
    return np.asarray(np.pi * radius_m**2 * np.fft.irfft(spectrum / axis_over_mean, n=len(velocity)))


def measured_flow(record: Record, settings: BoundarySettings, cap_id: int, radius_mm: float, blood: Blood) -> MeasuredFlow:
    """The flow through the inlet `cap_id`, whose artery has `radius_mm`, by a record of velocity or of flow.

    The velocity is divided by the cosine of the insonation angle. A peak velocity is taken as that on the axis. Without a
    diameter, recorded or set, the inlet's own is taken. Raises InputError where the record has no such curve or more than
    one, does not say whether its velocity is peak or mean, or gives a flow outside 0.2 to 15 mL/s.
    """
    curves = record.of("flow") or record.of("velocity")
    if len(curves) != 1:
        found = ", ".join(f"{curve.kind} {curve.quantity}".strip() for curve in record.curves)
        raise InputError(f"Record {record.name} must hold one curve of velocity or flow; it has {found}.")
    curve = curves[0]
    beat = one_beat(record.time_s, curve.values[None], settings.period_s, record.name)
    notes = [_beat_note(record.name, beat.beats, beat.left_out, beat.period_s)]
    if curve.quantity == "flow":
        flow = beat.values[0]
        notes.append(Note("inflow_recorded", {"name": record.name, "cap": cap_id}, "information"))
    else:
        kind = curve.kind if settings.doppler_velocity == "record" else settings.doppler_velocity
        if not kind:
            raise InputError(
                f"Record {record.name} does not say whether its velocity is the peak (the envelope) or the mean over the "
                "section; name its column peak_velocity_cm_s or mean_velocity_cm_s, or set --doppler-velocity."
            )
        diameter_mm, diameter_note = _diameter(record, settings, radius_mm)
        velocity, angle_notes = _along_vessel(record, beat.values[0], settings.doppler_angle_deg)
        radius = 0.5e-3 * diameter_mm
        if kind == "mean":
            flow = np.pi * radius**2 * velocity
        else:
            flow = flow_from_center_velocity(velocity, beat.period_s, radius, blood.parameters["viscosity"] / blood.density)
        notes += [Note(f"inflow_doppler_{kind}", {"name": record.name, "cap": cap_id}, "information"), diameter_note]
        notes += angle_notes
    mean_ml_s = 1e6 * float(flow.mean())
    low, high = FLOW_RANGE_ML_S
    if not low <= mean_ml_s <= high:
        raise InputError(
            f"Record {record.name} gives inlet {cap_id} a mean flow of {mean_ml_s:.3g} mL/s, outside {low:g} to {high:g} mL/s; "
            "check its units, the sign of the velocity, the diameter and the angle."
        )
    phase = np.arange(SAMPLES) / SAMPLES
    return MeasuredFlow(mean_ml_s, Waveform(record.name, beat.period_s, phase, flow / flow.mean()), tuple(notes))


def _beat_note(name: str, beats: int, left_out: int, period_s: float) -> Note:
    values = {"name": name, "beats": beats, "left_out": left_out, "period_s": period_s}
    return Note("record_beats" if beats > 1 else "record_one_beat", values, "information")


def _diameter(record: Record, settings: BoundarySettings, radius_mm: float) -> tuple[float, Note]:
    given = settings.doppler_diameter_mm or record.diameter_mm
    values = {"name": record.name, "diameter_mm": given or 2.0 * radius_mm}
    if given is None:
        return 2.0 * radius_mm, Note("doppler_diameter_of_model", values, "assumption")
    low, high = DIAMETER_RANGE_MM
    if not low <= given <= high:
        raise InputError(
            f"The diameter {given:g} mm at the gate of record {record.name} is outside {low:g} to {high:g} mm; check its unit."
        )
    return given, Note("doppler_diameter", values, "information")


def _along_vessel(record: Record, velocity: FloatArray, set_angle_deg: float | None) -> tuple[FloatArray, list[Note]]:
    """The velocity along the vessel (n,), from that along the beam where an angle is known."""
    angle = record.angle_deg if set_angle_deg is None else set_angle_deg
    if angle is None:
        return velocity, [Note("doppler_no_angle", {"name": record.name}, "assumption")]
    if not 0.0 <= angle <= LARGEST_ANGLE_DEG:
        raise InputError(
            f"The insonation angle {angle:g} degrees of record {record.name} is outside 0 to {LARGEST_ANGLE_DEG:g}; correct it."
        )
    values = {"name": record.name, "angle_deg": angle}
    steep = [Note("doppler_steep_angle", values)] if angle > _STEEP_ANGLE_DEG else []
    return velocity / np.cos(np.radians(angle)), [Note("doppler_angle", values, "information"), *steep]
