"""One case of a database: its shape made from a real one, and the stages of a patient run on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from aneuflow.boundary import BoundarySettings, set_boundary
from aneuflow.errors import AneuflowError, MethodError
from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import simulate, spacing_with_coarse
from aneuflow.geometry.model import build_model
from aneuflow.geometry.settings import ModelSettings
from aneuflow.morphology import MorphologySettings, measure
from aneuflow.pipeline.coarse import flow_to_correct
from aneuflow.surrogate.deform import Frame, deformed, without_sac
from aneuflow.surrogate.design import PlannedCase
from aneuflow.surrogate.gates import FINEST_MM, GATES, missed_gate
from aneuflow.surrogate.points import COARSER_LATTICE
from aneuflow.surrogate.sample import Place, Scales, sampled
from aneuflow.types import BoundaryConditions, FlowSolution, LumenModel, Morphology, Progress, Surface, no_progress

# The database keeps no intervals of the measures, so as few copies as the stage allows.
_MEASURE = MorphologySettings(resampling_pairs=4)


class PutOff(Exception):
    """A case takes longer than this run has patience for; a later one may have more."""


@dataclass(frozen=True, eq=False)
class Solved:
    """How a case ended: entered, or refused by `stage` for `reason`; its numbers for the table and its arrays."""

    state: Literal["entered", "refused"]
    stage: str
    reason: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Any] = field(default_factory=dict)


def solve(
    case: PlannedCase,
    base: Callable[[], Surface],
    frame: Callable[[], Frame],
    settings: FlowSettings,
    generator: np.random.Generator,
    progress: Progress = no_progress,
) -> Solved:
    """The case solved and sampled; what a stage or a gate refuses is said, never raised.

    base: reads the real shape; frame: the same with what its deformations turn about; progress: of the flow, may raise PutOff.
    """
    stage = "deform"
    try:
        if case.shape in ("real", "ideal"):
            surface = base()
        else:
            surface = (without_sac if case.shape == "without-sac" else deformed)(frame(), case.values)
        stage = "model"
        model = build_model(surface, ModelSettings(aneurysm="none" if case.shape == "without-sac" else "auto"))
        if model.aneurysm is None and case.shape != "without-sac":
            raise MethodError("No aneurysm was found on the deformed shape.")
        stage = "measure"
        morphology = measure(model, _MEASURE)
        stage = "boundary"
        boundary = _boundary(case, model)
        stage = "simulate"
        spacing = spacing_with_coarse(model, settings.resolution_mm)
        if spacing < FINEST_MM:
            return Solved("refused", "gate", f"opening: {GATES['opening']}")
        fine, coarse = (
            flow(model, boundary, settings.model_copy(update={"resolution_mm": times * spacing}), progress)
            for flow, times in ((simulate, 1.0), (flow_to_correct, COARSER_LATTICE))
        )
    except AneuflowError as error:
        return Solved("refused", stage, str(error))
    except (ArithmeticError, ValueError, IndexError, RuntimeError) as error:
        return Solved("refused", stage, f"unforeseen {type(error).__name__}: {error}")
    return _judged(case, model, morphology, boundary, fine, coarse, generator)


def _boundary(case: PlannedCase, model: LumenModel) -> BoundaryConditions:
    """The flow is the planned multiple of that by the artery's size, at the usual viscosity."""
    values, steady = case.values, case.kind == "steady"
    usual = sum(inlet.mean_flow_ml_s for inlet in set_boundary(model, BoundarySettings(), steady).inlets)
    settings = BoundarySettings(
        flow_ml_s=values["flow_factor"] * usual,
        murray_exponent=values["outlet_exponent"],
        viscosity=f"newtonian:{1e-3 * values['viscosity_mpa_s']:.6g}",
    )
    return set_boundary(model, settings, steady)


def _judged(
    case: PlannedCase,
    model: LumenModel,
    morphology: Morphology,
    boundary: BoundaryConditions,
    fine: FlowSolution,
    coarse: FlowSolution,
    generator: np.random.Generator,
) -> Solved:
    measures = {measure.id: measure.value for measure in morphology.measures}
    diameter = measures.get("parent_diameter", 2.0 * max(cap.radius_mm for cap in model.caps if cap.role == "inlet"))
    scales, place = Scales.of(diameter, boundary), Place.of(model)
    arrays = sampled(model, place, scales, fine, coarse, generator)
    gate = missed_gate(fine, arrays)
    if gate is not None:
        return Solved("refused", "gate", f"{gate}: {GATES[gate]}")
    radii = {cap.id: cap.radius_mm for cap in model.caps}
    outflow = {outlet.cap_id: float(fine.history[f"outflow_{outlet.cap_id}"].mean()) for outlet in boundary.outlets}
    numbers: dict[str, Any] = {
        "length_mm": scales.length_mm,
        "speed": scales.speed,
        "shear": scales.shear,
        "pressure": scales.pressure,
        "reynolds": scales.reynolds,
        **{f"origin_{axis}_mm": float(value) for axis, value in zip("xyz", place.origin_mm, strict=True)},
        **{f"up_{axis}": float(value) for axis, value in zip("xyz", place.up, strict=True)},
        "inflow_ml_s": sum(inlet.mean_flow_ml_s for inlet in boundary.inlets),
        "viscosity": boundary.blood.parameters["viscosity"],
        "density": boundary.blood.density,
        "inlet_radii_mm": " ".join(f"{radii[inlet.cap_id]:.4g}" for inlet in boundary.inlets),
        "outlet_radii_mm": " ".join(f"{radii[cap]:.4g}" for cap in outflow),
        "outflows_ml_s": " ".join(f"{flow:.4g}" for flow in outflow.values()),
        **{
            name: fine.numerics[name]
            for name in ("resolution_mm", "cells", "steps", "mass_imbalance_percent", "change_percent")
        },
        "wavers": int(bool(fine.numerics.get("wavers"))),
        **{f"shape_{id}": value for id, value in measures.items()},
        **{f"fine_{measure.id}": measure.value for measure in fine.measures},
        **{f"coarse_{measure.id}": measure.value for measure in coarse.measures},
    }
    return Solved("entered", "", "", numbers, arrays)
