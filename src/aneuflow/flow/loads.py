"""What lies beyond the outlets, as circuits: how a run begins with them, and what holds for them while the flow is steady."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aneuflow.errors import InputError
from aneuflow.numerics.windkessel import Circuit, periodic_flows
from aneuflow.types import BoundaryConditions, FloatArray, OutletCondition

_SAMPLES = 512  # of a cycle
# What stands for a fixed pressure where flows are estimated without the lumen: less than any vessel's, Pa s/m3.
_OPEN = 1e3


def outlet_circuits(boundary: BoundaryConditions) -> list[Circuit]:
    """A circuit for each outlet; empty where outlets are at zero pressure or split the flow by given shares.

    A compliance takes no part in a steady flow. Raises InputError where some outlets split the flow and others have a load.
    """
    if not boundary.absolute:
        return []
    split = [outlet.cap_id for outlet in boundary.outlets if outlet.kind == "flow-split"]
    if split:
        raise InputError(
            f"Outlet {split[0]} has a given share of the flow while others have a pressure or a resistance; give all outlets "
            "the one or the other."
        )
    circuits = [_circuit(outlet) for outlet in boundary.outlets]
    if boundary.waveform is not None:
        return circuits
    return [Circuit(c.resistance + c.distal_resistance, distal_pressure=c.distal_pressure) for c in circuits]


def _circuit(outlet: OutletCondition) -> Circuit:
    parts = (outlet.resistance, outlet.compliance, outlet.distal_resistance, outlet.pressure)
    return Circuit(*(part or 0.0 for part in parts))


def stored_pressures(boundary: BoundaryConditions, phase: float) -> FloatArray:
    """Pressure at the compliance of each outlet at a phase of the periodic flow, (outlets,) Pa; empty without loads.

    As if the lumen itself lost no pressure, which is little beside what the vessels beyond it lose.
    """
    circuits = outlet_circuits(boundary)
    if not circuits or boundary.waveform is None:
        return np.zeros(len(circuits))
    waveform = boundary.waveform
    inflow = 1e-6 * sum(inlet.mean_flow_ml_s for inlet in boundary.inlets)
    phases = np.arange(_SAMPLES) / _SAMPLES
    ratio = np.interp(phases, waveform.phase, waveform.ratio, period=1.0)
    closed = [replace(circuit, resistance=max(circuit.resistance, _OPEN)) for circuit in circuits]
    flows, pressure = periodic_flows(closed, inflow * ratio, waveform.period_s)
    stored = pressure - np.array([circuit.resistance for circuit in closed])[:, None] * flows
    return np.array([np.interp(phase, phases, values, period=1.0) for values in stored])


def held_outlets(boundary: BoundaryConditions, stored: FloatArray) -> tuple[OutletCondition, ...]:
    """The outlets with their compliances held at `stored` Pa: the steady flow with them is near the pulsatile one's moment."""
    if not len(stored):
        return boundary.outlets
    return tuple(
        replace(outlet, kind="resistance", compliance=None, distal_resistance=None, pressure=pressure)
        if outlet.kind == "windkessel"
        else outlet
        for outlet, pressure in zip(boundary.outlets, stored.tolist(), strict=True)
    )
