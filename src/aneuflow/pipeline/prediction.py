"""The surrogate's flow of a case, beside the chain or in the place of its simulation; it stays until what it needs changes."""

from __future__ import annotations

import time
from pathlib import Path

from aneuflow.case import store
from aneuflow.case.folder import CaseFolder, StageRecord
from aneuflow.case.prediction_store import FOLDER, STAGE, prediction_key, write_prediction
from aneuflow.errors import MethodError
from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import spacing_with_coarse
from aneuflow.pipeline.coarse import flow_to_correct
from aneuflow.pipeline.settings import Settings
from aneuflow.pipeline.stages import StageEnd, StageProgress
from aneuflow.surrogate.network import Ensemble, load_ensemble, shipped_networks
from aneuflow.surrogate.points import COARSER_LATTICE
from aneuflow.surrogate.predict import predict, predicts_cycle


def predict_flow(case: CaseFolder, settings: Settings, progress: StageProgress) -> StageEnd:
    """Fill prediction/ of a locked case whose boundary conditions are current.

    What was predicted by the same networks from the same inputs is kept. Raises InputError, and MethodError where the networks
    decline the case, which the case remembers.
    """
    chosen = settings.predict
    ensemble = load_ensemble(Path(chosen.networks) if chosen.networks else shipped_networks())
    key = prediction_key(case, ensemble.digest, chosen.coarse)
    record = case.manifest().stages.get(STAGE)
    if record is not None and record.state == "done" and record.key == key and case.outputs(FOLDER) == record.outputs:
        return StageEnd(STAGE, "kept", 0.0)
    start = time.monotonic()
    try:
        with case.writing(FOLDER) as target:
            _predict(case, target, ensemble, settings, progress)
    except MethodError as error:
        outputs = case.outputs(FOLDER)
        case.record(STAGE, StageRecord("failed", key, FOLDER, outputs, time.monotonic() - start, str(error)))
        raise
    seconds = time.monotonic() - start
    case.record(STAGE, StageRecord("done", key, FOLDER, case.outputs(FOLDER), seconds))
    return StageEnd(STAGE, "done", seconds)


def _predict(case: CaseFolder, target: Path, ensemble: Ensemble, settings: Settings, progress: StageProgress) -> None:
    model, boundary = store.read_model(case.stage_folder("model")), store.read_boundary(case.stage_folder("boundary"))
    morphology = store.read_morphology(case.stage_folder("morphology"))
    flow = None
    if settings.predict.coarse:
        predict(ensemble, model, boundary, morphology)  # declines before minutes are spent
        given = settings.simulate
        spacing = COARSER_LATTICE * spacing_with_coarse(model, float(ensemble.card["resolution_mm"]))
        steady = not predicts_cycle(ensemble.card, boundary)
        coarse = FlowSettings(steady=steady, resolution_mm=spacing, threads=given.threads, device=given.device)
        flow = flow_to_correct(model, boundary, coarse, progress(STAGE))
    write_prediction(target, predict(ensemble, model, boundary, morphology, flow))
