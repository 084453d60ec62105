"""Outlets from measured pressure: what the vessels beyond them must be for the pressure to come out as it was measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aneuflow.boundary.beats import SAMPLES, one_beat
from aneuflow.boundary.outlets import COMPLIANCE, RESISTANCE, loaded, murray_shares
from aneuflow.boundary.records import Record
from aneuflow.boundary.settings import BoundarySettings
from aneuflow.errors import InputError
from aneuflow.numerics.windkessel import Circuit, fit_resistance, fit_windkessel, shared_out
from aneuflow.types import PA_PER_MMHG, FloatArray, Note, OutletCondition, Waveform


@dataclass(frozen=True, eq=False)
class Inflow:
    """What all inlets let in: cycle mean in mL/s and its course, None where steady."""

    mean_ml_s: float
    waveform: Waveform | None

    def flow(self) -> FloatArray:
        """(SAMPLES,) m3/s over a period."""
        if self.waveform is None:
            return np.full(SAMPLES, 1e-6 * self.mean_ml_s)
        phase = np.arange(SAMPLES) / SAMPLES
        return 1e-6 * self.mean_ml_s * np.interp(phase, self.waveform.phase, self.waveform.ratio, period=1.0)


@dataclass(frozen=True, eq=False)
class MeasuredPressure:
    """One beat of arterial pressure, values (SAMPLES,) Pa."""

    name: str
    period_s: float
    values: FloatArray
    beats: int


def measured_pressure(record: Record, period_s: float | None) -> MeasuredPressure:
    """The beat of a record's pressure. Raises InputError where it has none or several, or is at or below the venous."""
    curves = record.of("pressure")
    if len(curves) != 1:
        raise InputError(f"Record {record.name} must hold one curve of pressure; it has {len(curves)}.")
    values = curves[0].values
    if np.ptp(values) < 1e-3 * abs(float(values.mean())):  # a line: no beat to look for
        return MeasuredPressure(record.name, period_s or float(record.time_s[-1]), np.full(SAMPLES, values.mean()), 1)
    beat = one_beat(record.time_s, values[None], period_s, record.name)
    return MeasuredPressure(record.name, beat.period_s, beat.values[0], beat.beats)


def fitted_outlets(
    radii_mm: Mapping[int, float],
    pressures: Mapping[int | None, MeasuredPressure],
    inflow: Inflow,
    settings: BoundarySettings,
) -> tuple[tuple[OutletCondition, ...], tuple[Note, ...]]:
    """Conditions that meet the measured pressures, and their notes.

    radii_mm: of the artery at each outlet, by cap id; pressures: by the cap they were measured at, None for an unnamed place.
    A pressure of an outlet sets that outlet's circuit, by its share of the flow after Murray; outlets without one share a
    circuit fitted to the unnamed pressure, else to the first that was measured at an outlet. A pressure at an inlet stands
    for all outlets where no other was measured: the lumen itself loses little beside it. Flow and pressure are aligned as
    their beats begin. Raises InputError where the mean pressure is not above the venous, or the beats of flow and pressure
    differ by more than a fifth.
    """
    kind: Literal["resistance", "windkessel"] = "windkessel"
    if inflow.waveform is None or settings.outlets == "resistance":
        kind = "resistance"
    shares = murray_shares(np.array(list(radii_mm.values())), settings.murray_exponent)
    own = {cap: pressures[cap] for cap in radii_mm if cap in pressures}
    if None in pressures:
        common = pressures[None]
    elif own:
        common = next(iter(own.values()))
    else:
        common = next(iter(pressures.values()))
    notes: list[Note] = []
    conditions = []
    fitted: dict[str, Circuit] = {}
    for cap, share in zip(radii_mm, shares.tolist(), strict=True):
        pressure = own.get(cap, common)
        if pressure.name not in fitted:
            fitted[pressure.name], left = _fit(pressure, inflow, settings.venous_pressure_mmhg * PA_PER_MMHG, kind)
            notes.append(_fit_note(pressure, fitted[pressure.name], left, kind))
        conditions.append(loaded(cap, shared_out(fitted[pressure.name], np.array([share]))[0]))
    notes.append(Note("venous_pressure_assumed", {"pressure_mmhg": settings.venous_pressure_mmhg}, "assumption"))
    values = {"outlets": len(radii_mm), "exponent": settings.murray_exponent}
    notes += [Note("outlets_shared_by_murray", values, "assumption")] if len(radii_mm) > 1 else []
    return tuple(conditions), tuple(notes)


def measured_drop(
    inlets: Collection[int], outlets: Collection[int], pressures: Mapping[int | None, MeasuredPressure]
) -> Note | None:
    """The mean pressure lost between an inlet and an outlet that were both measured, to be held against the computed loss."""
    upstream = [pressures[cap] for cap in inlets if cap in pressures]
    downstream = [pressures[cap] for cap in (*outlets, None) if cap in pressures]
    if not upstream or not downstream:
        return None
    drop = float(upstream[0].values.mean() - downstream[0].values.mean())
    values = {"drop_pa": drop, "drop_mmhg": drop / PA_PER_MMHG, "from": upstream[0].name, "to": downstream[0].name}
    return Note("pressure_drop_measured", values, "information")


def _fit(pressure: MeasuredPressure, inflow: Inflow, venous_pa: float, kind: str) -> tuple[Circuit, float]:
    mean = float(pressure.values.mean())
    if mean <= venous_pa:
        raise InputError(
            f"The mean pressure of record {pressure.name}, {mean / PA_PER_MMHG:.3g} mmHg, is not above the venous pressure of "
            f"{venous_pa / PA_PER_MMHG:.3g} mmHg; check its unit and zero, or set venous_pressure_mmhg."
        )
    if kind == "resistance" or not np.ptp(pressure.values) > 0.0:
        return fit_resistance(inflow.flow(), pressure.values, venous_pa), 0.0
    assert inflow.waveform is not None
    period = inflow.waveform.period_s
    if abs(pressure.period_s / period - 1.0) > 0.2:
        raise InputError(
            f"The beats of record {pressure.name} last {pressure.period_s:.2f} s and those of the flow {period:.2f} s; give "
            "records of the same heart rate."
        )
    return fit_windkessel(inflow.flow(), pressure.values, period, venous_pa)


def _fit_note(pressure: MeasuredPressure, circuit: Circuit, left_pa: float, kind: str) -> Note:
    low, high = float(pressure.values.min()), float(pressure.values.max())
    values = {
        "name": pressure.name,
        "beats": pressure.beats,
        "mean_mmhg": float(pressure.values.mean()) / PA_PER_MMHG,
        "low_mmhg": low / PA_PER_MMHG,
        "high_mmhg": high / PA_PER_MMHG,
        "resistance_mmhg_s_ml": (circuit.resistance + circuit.distal_resistance) / RESISTANCE,
        "compliance_ml_mmhg": circuit.compliance / COMPLIANCE,
        "left_mmhg": left_pa / PA_PER_MMHG,
    }
    return Note(f"outlets_fitted_{kind if circuit.compliance else 'resistance'}", values, "information")
