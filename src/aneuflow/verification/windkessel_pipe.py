"""A pipe into a three-element Windkessel against the network solved exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from aneuflow.boundary.outlets import loaded
from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import simulate
from aneuflow.numerics.windkessel import Circuit, periodic_flows
from aneuflow.types import Blood, BoundaryConditions, FloatArray, InletCondition, Waveform
from aneuflow.verification.shapes import INLET, OUTLET, tube_model
from aneuflow.verification.trial import Case, Found, Gate, Means, Plot, Row, Trial
from aneuflow.verification.tubes import settings_reached

SETUP, FLOW = "svfsi/pipe_RCR_3d.json", "svfsi/pipe_RCR_3d_lumen_inlet.flow"
RADIUS_MM, LENGTH_MM = 20.0, 40.0
RESOLUTION_MM, MAX_MACH, CYCLES = 2.0, 0.05, 2
_SI_OF_CGS_RESISTANCE = 1e5
_FINE = 800


def read_conditions(data: Path) -> tuple[BoundaryConditions, Circuit]:
    """The published inflow, blood and circuit, in SI."""
    facts = json.loads((data / SETUP).read_text("utf-8"))
    rows = np.loadtxt(data / FLOW, skiprows=1)
    rcr = facts["outlet_RCR"]
    circuit = Circuit(
        _SI_OF_CGS_RESISTANCE * rcr["proximal_resistance_dyn_s_per_cm5"],
        rcr["capacitance_cm5_per_dyn"] / _SI_OF_CGS_RESISTANCE,
        _SI_OF_CGS_RESISTANCE * rcr["distal_resistance_dyn_s_per_cm5"],
        0.1 * rcr["distal_pressure"],
    )
    flow = -rows[:-1, 1]
    waveform = Waveform("svfsi", float(rows[-1, 0]), rows[:-1, 0] / float(rows[-1, 0]), flow / flow.mean())
    blood = Blood(1e3 * facts["density"], "newtonian", {"viscosity": 0.1 * facts["viscosity"]})
    inlet = InletCondition(INLET, float(flow.mean()), "parabolic")
    return BoundaryConditions((inlet,), (loaded(OUTLET, circuit),), blood, waveform), circuit


def exact_curves(boundary: BoundaryConditions, circuit: Circuit, samples: int) -> tuple[FloatArray, FloatArray]:
    """Outflow in mL/s, the mean since the sample before, and pressure in Pa, both (samples,), without the pipe's inertia."""
    waveform = boundary.waveform
    assert waveform is not None
    fine, at = np.arange(_FINE) / _FINE, np.arange(samples) / samples
    inflow = 1e-6 * boundary.inlets[0].mean_flow_ml_s * np.interp(fine, waveform.phase, waveform.ratio, period=1.0)
    flows, pressure = periodic_flows([circuit], inflow, waveform.period_s)
    between = at - 0.5 / samples
    return 1e6 * np.interp(between, fine, flows[0], period=1.0), np.interp(at, fine, pressure, period=1.0)


def loaded_pipe(means: Means) -> Found:
    """L2 differences of outflow and of pressure at the outlet through the cycle."""
    boundary, circuit = read_conditions(means.data)
    # Coarser than an artery may be set to: the pipe is 4 cm wide. A small Mach number, because the flow is so slow that sound
    # would need a tenth of the cycle for its length.
    settings = FlowSettings(cycles=CYCLES, threads=means.threads, max_mach=MAX_MACH)
    settings = settings.model_copy(update={"resolution_mm": RESOLUTION_MM})
    model = tube_model(RADIUS_MM, LENGTH_MM, np.array([0.0, 0.0, 1.0]))
    solution = simulate(model, boundary, settings, means.progress, means.checkpoint)
    flow, pressure = solution.history[f"outflow_{OUTLET}"], solution.history[f"pressure_{OUTLET}"]
    exact_flow, exact_pressure = exact_curves(boundary, circuit, len(flow))
    time = solution.history["time_s"].tolist()
    numbers = {
        "flow_percent": 100.0 * float(np.linalg.norm(flow - exact_flow) / np.linalg.norm(exact_flow)),
        "pressure_percent": 100.0 * float(np.linalg.norm(pressure - exact_pressure) / np.linalg.norm(exact_pressure)),
    }
    curves = {"exact": (time, exact_pressure.tolist()), "computed": (time, pressure.tolist())}
    return Found(numbers | settings_reached(solution), curves)


def _judge(found: Mapping[str, Found]) -> tuple[Row, ...]:
    numbers = next((one.numbers for one in found.values()), {})
    return (
        Row("outflow, L2 over the cycle", "%", Gate(3.0, 1.0), numbers.get("flow_percent")),
        Row("pressure at the outlet, L2 over the cycle", "%", Gate(3.0, 1.0), numbers.get("pressure_percent")),
    )


def _plots(found: Mapping[str, Found]) -> tuple[Plot, ...]:
    return tuple(Plot("Pressure at the outlet", "t, s", "Pa", one.curves, ("computed",)) for one in found.values())


def cases() -> tuple[Case, ...]:
    settings = {"resolution_mm": RESOLUTION_MM, "max_mach": MAX_MACH, "cycles": CYCLES, "radius_mm": RADIUS_MM}
    trial = Trial("windkessel-pipe", settings, loaded_pipe, (SETUP, FLOW))
    note = "Inflow, blood and circuit of svMultiPhysics's pipe_RCR_3d, whose mesh is not at hand: radius and length are chosen."
    return (Case("windkessel", "Pipe into a three-element Windkessel", (trial,), _judge, _plots, (trial.name,), note),)
