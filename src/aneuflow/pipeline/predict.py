"""`aneuflow predict`: the chain up to the boundary conditions, then the surrogate; and what it says beside a simulation."""

from __future__ import annotations

from pathlib import Path

from aneuflow.case import store
from aneuflow.case.folder import CaseFolder
from aneuflow.case.prediction_store import FOLDER
from aneuflow.pipeline.prediction import predict_flow
from aneuflow.pipeline.run import current_stages, run_stage
from aneuflow.pipeline.settings import Tables, settings_from
from aneuflow.pipeline.stages import StageEnd, StageProgress, silent
from aneuflow.types import Measure

LAST = "boundary"


def predict_case(case_path: Path, tables: Tables | None = None, progress: StageProgress = silent) -> list[StageEnd]:
    """Predict the flow of a case, whose chain is run up to the boundary conditions where it is not current.

    Raises as `predict_flow` does.
    """
    ends = run_stage(case_path, LAST, tables, progress)
    case = CaseFolder(case_path)
    with case.locked():
        return [*ends, predict_flow(case, settings_from(case.manifest().settings), progress)]


def predicted_and_simulated(case_path: Path) -> list[tuple[Measure, Measure | None]]:
    """Each number of the prediction, and the same of the simulation where the case has a current one."""
    case = CaseFolder(case_path)
    simulated = {}
    if "simulate" in current_stages(case):
        simulated = {m.id: m for m in store.read_flow_measures(case.stage_folder("flow"))}
    return [(m, simulated.get(m.id)) for m in store.read_flow_measures(case.stage_folder(FOLDER))]
