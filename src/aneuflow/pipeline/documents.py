"""Gathers a finished case for its report."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from aneuflow import __version__
from aneuflow.case import store
from aneuflow.case.folder import CaseFolder, Manifest
from aneuflow.case.prediction_store import FOLDER, STAGE, as_flow, read_prediction
from aneuflow.case.risk_store import read_risk
from aneuflow.pipeline.settings import Settings
from aneuflow.report.content import InputFile, Provenance, ReportContent, StageRun
from aneuflow.types import Note


def _provenance(manifest: Manifest, settings: Settings, predicted: bool) -> Provenance:
    described = manifest.input
    return Provenance(
        version=__version__,
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        inputs=(InputFile(described["kind"], described["sha256"]),),
        settings={**settings.model_dump(), "clinical": settings.clinical.model_dump(exclude_defaults=True)},
        stages=tuple(
            StageRun(name, record.seconds)
            for name, record in manifest.stages.items()
            if name != "report" and (name != STAGE or predicted)
        ),
    )


def report_content(case: CaseFolder, settings: Settings, reads: Collection[str]) -> ReportContent:
    """The whole case in memory, every stage's notes once; reads: of the folders with flow and prediction those to be read.

    Without a flow the prediction stands in its place.
    """
    manifest = case.manifest()
    folders = {record.folder for record in manifest.stages.values()}
    volume = store.read_image(case.stage_folder("image")) if "image" in folders else None
    labels = store.read_labels(case.stage_folder("segmentation")) if "segmentation" in folders else None
    model = store.read_model(case.stage_folder("model"))
    morphology = store.read_morphology(case.stage_folder("morphology"))
    boundary = store.read_boundary(case.stage_folder("boundary"))
    risk = read_risk(case.stage_folder("risk")) if "risk" in folders else None
    prediction = read_prediction(case.stage_folder(FOLDER)) if FOLDER in reads else None
    simulated = store.read_flow(case.stage_folder("flow")) if "flow" in reads else None
    results = {
        "import": volume,
        "segment": labels,
        "model": model,
        "measure": morphology,
        "boundary": boundary,
        "simulate": simulated,
        "predict": prediction,
        "grade": risk,
    }
    notes: list[tuple[str, Note]] = [(name, note) for name, result in results.items() if result for note in result.notes]
    flow, predicted_by = simulated, None
    if flow is None:
        assert prediction is not None
        flow, predicted_by = as_flow(prediction), prediction.method
        notes.insert(0, (STAGE, Note("flow_predicted", {})))
    return ReportContent(
        case_name=settings.report.title or case.path.name,
        volume=volume,
        labels=labels,
        model=model,
        morphology=morphology,
        boundary=boundary,
        flow=flow,
        prediction=prediction if simulated is not None else None,
        predicted_by=predicted_by,
        risk=risk,
        notes=tuple(notes),
        provenance=_provenance(manifest, settings, prediction is not None),
        credit=settings.report.credit or None,
    )
