"""The chain: which stage reads what, in which order, and where its result goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aneuflow.boundary import Records, is_bundled, read_records, read_waveform, set_boundary
from aneuflow.case import store
from aneuflow.case.checkpoint import CheckpointFile
from aneuflow.case.folder import CaseFolder
from aneuflow.case.prediction_store import FOLDER as PREDICTION
from aneuflow.case.prediction_store import as_flow, read_prediction
from aneuflow.case.radiomics_store import FOLDER as RADIOMICS
from aneuflow.case.radiomics_store import read_radiomics
from aneuflow.case.risk_store import write_risk
from aneuflow.flow.solve import simulate
from aneuflow.geometry.model import build_model
from aneuflow.morphology import measure
from aneuflow.morphology.anatomy import anatomy_of
from aneuflow.morphology.blebs import find_blebs
from aneuflow.morphology.learned.check import with_learned
from aneuflow.morphology.learned.model import shipped_model
from aneuflow.pipeline.documents import report_content
from aneuflow.pipeline.settings import RECORDS, Settings
from aneuflow.report import build_report
from aneuflow.risk import Flow, assess_risk
from aneuflow.segmentation.segment import segment
from aneuflow.types import FloatArray, LabelMap, LumenModel, Progress, Surface, no_progress

StageProgress = Callable[[str], Progress]


def silent(stage: str) -> Progress:
    """Progress that nobody watches."""
    return no_progress


@dataclass(frozen=True)
class StageEnd:
    """How one stage of a run ended: made now ("done"), still valid from before ("kept")."""

    stage: str
    state: str
    seconds: float


@dataclass(frozen=True)
class StageRun:
    """One run of one stage: the fresh folder it writes to, the key its result will have, the folders it may read."""

    case: CaseFolder
    target: Path
    settings: Settings
    key: str
    progress: Progress
    reads: frozenset[str]

    def folder(self, name: str) -> Path:
        return self.case.stage_folder(name)


@dataclass(frozen=True)
class Stage:
    """`reads` are folders of earlier stages (those a case lacks are left out), `tables` the settings that change its result.

    `unread` are settings without influence on the result. Raise `version` when the same inputs give another result.
    """

    name: str
    folder: str
    version: int
    reads: tuple[str, ...]
    tables: tuple[str, ...]
    run: Callable[[StageRun], None]
    unread: frozenset[str] = frozenset()


def _segment(run: StageRun) -> None:
    volume = store.read_image(run.folder("image"))
    store.write_labels(run.target, segment(volume, run.settings.segment, run.progress))


def _model(run: StageRun) -> None:
    source: LabelMap | Surface
    if run.folder("surface").exists():
        source = store.read_surface(run.folder("surface"))
    else:
        source = store.read_labels(run.folder("segmentation"))
    store.write_model(run.target, build_model(source, run.settings.model, run.progress))


def _measure(run: StageRun) -> None:
    model = store.read_model(run.folder("model"))
    store.write_morphology(run.target, with_learned(model, measure(model, run.settings.measure), shipped_model()))


def _boundary(run: StageRun) -> None:
    model = store.read_model(run.folder("model"))
    settings = run.settings.boundary
    given = (
        None if is_bundled(settings.waveform) else read_waveform(run.folder("waveform") / settings.waveform, settings.period_s)
    )
    records = Records(*(read_records(run.folder(kind), getattr(settings, kind)) for kind in RECORDS))
    store.write_boundary(run.target, set_boundary(model, settings, run.settings.simulate.steady, given, records))


def _simulate(run: StageRun) -> None:
    model = store.read_model(run.folder("model"))
    boundary = store.read_boundary(run.folder("boundary"))
    checkpoint = CheckpointFile(run.case.checkpoint_folder, run.key)
    store.write_flow(run.target, simulate(model, boundary, run.settings.simulate, run.progress, checkpoint))
    checkpoint.remove()


def _grade(run: StageRun) -> None:
    model = store.read_model(run.folder("model"))
    morphology = store.read_morphology(run.folder("morphology"))
    settings, flow, blebs = run.settings.grade, None, None
    if "flow" in run.reads and settings.flow == "auto" and model.aneurysm is not None:
        steady = store.read_boundary(run.folder("boundary")).waveform is None
        flow, blebs = Flow(store.read_flow(run.folder("flow")), steady), _blebs(model)
    elif PREDICTION in run.reads and settings.flow == "auto" and model.aneurysm is not None:
        prediction = read_prediction(run.folder(PREDICTION))
        flow, blebs = Flow(as_flow(prediction), prediction.steady), _blebs(model)
    image = read_radiomics(run.folder(RADIOMICS)) if RADIOMICS in run.reads else None
    write_risk(run.target, assess_risk(model, morphology, flow, run.settings.clinical, settings, blebs, image))


def _blebs(model: LumenModel) -> list[FloatArray]:
    """The points of each bleb, as the shape measures find them."""
    anatomy = anatomy_of(model).sac
    if anatomy is None:
        return []
    points = anatomy.sac.points
    return [points[members] for members in find_blebs(points, anatomy.sac.triangles, anatomy.rise_mm)]


def _report(run: StageRun) -> None:
    run.progress(0.0, "report")
    report = build_report(report_content(run.case, run.settings, run.reads), run.settings.report.language)
    (run.target / "report.html").write_text(report.html, "utf-8")
    if report.pdf is not None:
        (run.target / "report.pdf").write_bytes(report.pdf)
    store.write_notes(run.target / "report.json", report.notes)


SEGMENT = Stage("segment", "segmentation", 4, ("image",), ("segment",), _segment)
MODEL = Stage("model", "model", 11, ("surface", "segmentation"), ("model",), _model)
MEASURE = Stage("measure", "morphology", 7, ("model",), ("measure",), _measure)
BOUNDARY = Stage("boundary", "boundary", 3, ("model", "waveform", *RECORDS), ("boundary", "simulate"), _boundary)
SIMULATE = Stage("simulate", "flow", 13, ("model", "boundary"), ("simulate",), _simulate, frozenset({"threads"}))
GRADE = Stage(
    "grade", "risk", 5, ("model", "morphology", "boundary", "flow", PREDICTION, RADIOMICS), ("clinical", "grade"), _grade
)
REPORT = Stage(
    "report",
    "report",
    4,
    ("image", "surface", "segmentation", "model", "morphology", "boundary", "flow", PREDICTION, "risk"),
    ("report",),
    _report,
)

FROM_IMAGE = (SEGMENT, MODEL, MEASURE, BOUNDARY, SIMULATE, GRADE, REPORT)
FROM_LUMEN = FROM_IMAGE[1:]
# What the grade does without where it is not there or not current.
FLOW_STAGES = (BOUNDARY, SIMULATE)
STAGE_NAMES = tuple(stage.name for stage in FROM_IMAGE)


def chain(input_kind: str) -> tuple[Stage, ...]:
    """The stages a case goes through, by the kind of its input: image, mask or surface."""
    return FROM_IMAGE if input_kind == "image" else FROM_LUMEN
