"""The flow on the coarse lattice that networks correct: the same in a database and in a prediction."""

from __future__ import annotations

from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import coarse_flow, simulate
from aneuflow.types import BoundaryConditions, FlowSolution, LumenModel, Progress, no_progress


def flow_to_correct(
    model: LumenModel, boundary: BoundaryConditions, settings: FlowSettings, progress: Progress = no_progress
) -> FlowSolution:
    """The flow on the lattice of `settings.resolution_mm`: steady where the settings are, else one cardiac cycle.

    A second cycle would differ from it by far less than the lattices do. The steady flow has a subgrid closure and the cycle
    none; the intervals of each are calibrated on flows as they are made here. Raises what `simulate` raises.
    """
    if settings.steady:
        return coarse_flow(model, boundary, settings, progress)
    return simulate(model, boundary, settings.model_copy(update={"cycles": 1}), progress)
