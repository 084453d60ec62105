"""The surrogate's flow of a case, beside the chain: what it needs is made first, and its result stays until that changes."""

from __future__ import annotations

import time
from pathlib import Path

from aneuflow.case import store
from aneuflow.case.folder import CaseFolder, StageRecord
from aneuflow.case.prediction_store import FOLDER, STAGE, prediction_key, write_prediction
from aneuflow.errors import MethodError
from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import coarse_flow, spacing_with_coarse
from aneuflow.pipeline.run import StageEnd, StageProgress, current_stages, run_stage
from aneuflow.pipeline.settings import Tables, settings_from
from aneuflow.surrogate.network import Ensemble, load_ensemble
from aneuflow.surrogate.predict import predict
from aneuflow.types import Measure, no_progress

LAST = "boundary"


def predict_case(
    case_path: Path, models: Path, coarse: bool, tables: Tables | None = None, progress: StageProgress = lambda _: no_progress
) -> list[StageEnd]:
    """Fill prediction/ of a case by the networks in the folder `models`, with a coarse flow computed first or without one.

    The chain is run up to the boundary conditions where it is not current. What was predicted by the same networks from the
    same inputs is kept. Raises InputError, and MethodError where the networks decline the case, which the case remembers.
    """
    ensemble = load_ensemble(models)
    ends = run_stage(case_path, LAST, tables, progress)
    case = CaseFolder(case_path)
    with case.locked():
        key = prediction_key(case, ensemble.digest, coarse)
        record = case.manifest().stages.get(STAGE)
        if record is not None and record.state == "done" and record.key == key and case.outputs(FOLDER) == record.outputs:
            return [*ends, StageEnd(STAGE, "kept", 0.0)]
        start = time.monotonic()
        try:
            with case.writing(FOLDER) as target:
                _predict(case, target, ensemble, coarse, progress)
        except MethodError as error:
            outputs = case.outputs(FOLDER)
            case.record(STAGE, StageRecord("failed", key, FOLDER, outputs, time.monotonic() - start, str(error)))
            raise
        seconds = time.monotonic() - start
        case.record(STAGE, StageRecord("done", key, FOLDER, case.outputs(FOLDER), seconds))
        return [*ends, StageEnd(STAGE, "done", seconds)]


def _predict(case: CaseFolder, target: Path, ensemble: Ensemble, coarse: bool, progress: StageProgress) -> None:
    model, boundary = store.read_model(case.stage_folder("model")), store.read_boundary(case.stage_folder("boundary"))
    morphology = store.read_morphology(case.stage_folder("morphology"))
    flow = None
    if coarse:
        predict(ensemble, model, boundary, morphology)  # declines before minutes are spent
        given = settings_from(case.manifest().settings).simulate
        spacing = spacing_with_coarse(model, float(ensemble.card["resolution_mm"]))
        settings = FlowSettings(steady=True, resolution_mm=spacing, threads=given.threads, device=given.device)
        flow = coarse_flow(model, boundary, settings, progress("coarse flow"))
    write_prediction(target, predict(ensemble, model, boundary, morphology, flow))


def predicted_and_simulated(case_path: Path) -> list[tuple[Measure, Measure | None]]:
    """Each number of the prediction, and the same of the simulation where the case has a current one."""
    case = CaseFolder(case_path)
    simulated = {}
    if "simulate" in current_stages(case):
        simulated = {m.id: m for m in store.read_flow_measures(case.stage_folder("flow"))}
    return [(m, simulated.get(m.id)) for m in store.read_flow_measures(case.stage_folder(FOLDER))]
