"""Runs the chain on a case: what is still valid is kept, what is not is made again, and each end is written down."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aneuflow.case.folder import CaseFolder, Manifest, StageRecord
from aneuflow.case.prediction_store import FOLDER, READS, STAGE, has_current_prediction
from aneuflow.case.radiomics_store import FOLDER as RADIOMICS
from aneuflow.case.radiomics_store import has_current_radiomics
from aneuflow.errors import AneuflowError, InputError, MethodError, ResourceError, unforeseen
from aneuflow.pipeline.inputs import describe, import_input, import_records, import_waveform
from aneuflow.pipeline.prediction import predict_flow
from aneuflow.pipeline.settings import RECORDS, Settings, Tables, settings_from
from aneuflow.pipeline.stages import FLOW_STAGES, GRADE, SIMULATE, Stage, StageEnd, StageProgress, StageRun, chain, silent
from aneuflow.risk.change import with_accepted_model
from aneuflow.risk.learned_regions import with_regions_model
from aneuflow.types import Progress

IMPORT = "import"


def assess(
    path: Path,
    case_path: Path,
    tables: Tables | None = None,
    progress: StageProgress = silent,
    last: str | None = None,
) -> list[StageEnd]:
    """Run the chain from an input file into a case folder, the whole or up to the stage `last` (IMPORT: no further).

    tables: settings laid over those the case already has, one table a stage. Raises InputError (the folder holds another
    input, the input is wrong), MethodError, ResourceError; each failure is also written into the case. What no code foresaw
    is an UnforeseenError, its traceback in the case's failure.log.
    """
    case = CaseFolder(case_path)
    if path.is_dir() and case_path.resolve().is_relative_to(path.resolve()):
        raise InputError(f"Case folder {case_path} lies within the input folder {path}; choose one outside it with -o.")
    with case.locked(), _told(case, IMPORT, with_messages=False):
        stored = case.manifest().settings if case.exists() else {}
        settings = settings_from(stored, tables or {})
        described = describe(path, settings.input)
        if case.exists():
            _refuse_other_input(case, described)
        start = time.monotonic()
        kept = case.exists() and case.manifest().input == described and _is_valid(case, IMPORT, described["sha256"])
        if not kept:
            _import(case, path, described, settings, progress(IMPORT))
        seconds = time.monotonic() - start
        with _settings_kept_if_good(case, stored):
            settings = _keep_settings(case, settings, tables or {})
            imported = StageEnd(IMPORT, "kept" if kept else "done", seconds)
            return [imported] if last == IMPORT else [imported, *_run_chain(case, settings, last, progress)]


def run_stage(case_path: Path, last: str, tables: Tables | None = None, progress: StageProgress = silent) -> list[StageEnd]:
    """Run the chain of an existing case up to the stage `last`, with settings laid over the stored ones."""
    case = CaseFolder(case_path)
    case.manifest()
    with case.locked(), _told(case, last, with_messages=False):
        manifest = case.manifest()
        settings = settings_from(manifest.settings, tables or {})
        if settings.input.model_dump() != manifest.input.get("settings"):
            raise InputError(f"How the input is read cannot change within case {case_path.name}; assess it into a new folder.")
        if not _is_valid(case, IMPORT, manifest.input["sha256"]):
            raise InputError(
                f"The imported input of case {case_path.name} is damaged; run `aneuflow assess` on the original again."
            )
        if last not in {stage.name for stage in chain(manifest.input["kind"])}:
            raise InputError(f"Case {case_path.name} began with a {manifest.input['kind']}, so it has no stage {last}.")
        with _settings_kept_if_good(case, manifest.settings):
            settings = _keep_settings(case, settings, tables or {})
            return _run_chain(case, settings, last, progress)


@contextmanager
def _told(case: CaseFolder, stage: str, with_messages: bool) -> Iterator[None]:
    """Turns what no code foresaw into one sentence; with_messages: False while files are read that may hold patient data."""
    case.failure_log.unlink(missing_ok=True)
    try:
        yield
    except (AneuflowError, OSError):
        raise
    except MemoryError:
        raise ResourceError(f"Memory ran out in stage {stage}; use a coarser --resolution or a smaller region.") from None
    except Exception as error:
        raise unforeseen(error, f"Stage {stage}", case.failure_log, with_messages) from error


@contextmanager
def _settings_kept_if_good(case: CaseFolder, before: dict[str, Any]) -> Iterator[None]:
    """Gives the case its settings of `before` back where the run fails: the next one must not trip over them again.

    How the input is read stays as it is: what was imported was read so.
    """
    try:
        yield
    except AneuflowError:
        now = case.manifest().settings
        back = {name: table for name, table in {**before, "input": now.get("input")}.items() if table}
        case.save(replace(case.manifest(), settings=back))
        raise


def _keep_settings(case: CaseFolder, settings: Settings, given: Tables) -> Settings:
    """Store the settings with the case; a waveform or records named just now are copied into it first, and of models named
    just now the hash is kept.
    """
    named = given.get("boundary", {})
    kept: dict[str, Any] = {
        kind: import_records(case, kind, getattr(settings.boundary, kind)) for kind in RECORDS if kind in named
    }
    if "waveform" in named:
        kept["waveform"] = import_waveform(case, settings.boundary.waveform, settings.boundary.period_s)
    settings = settings.model_copy(update={"boundary": settings.boundary.model_copy(update=kept)})
    if "model" in given.get("grade", {}):
        settings = settings.model_copy(update={"grade": with_accepted_model(settings.grade)})
    if "regions_model" in given.get("grade", {}):
        settings = settings.model_copy(update={"grade": with_regions_model(settings.grade)})
    case.save(replace(case.manifest(), settings=_changed(settings)))
    return settings


def _changed(settings: Settings) -> dict[str, Any]:
    return settings.model_dump(exclude_defaults=True)


def _refuse_other_input(case: CaseFolder, described: dict[str, Any]) -> None:
    held = case.manifest().input
    if (held["sha256"], held["kind"]) != (described["sha256"], described["kind"]):
        raise InputError(
            f"Case {case.path.name} holds another input ({held['kind']} {held['sha256'][:8]}, given: {described['kind']} "
            f"{described['sha256'][:8]}); choose a new folder with -o."
        )


def _import(case: CaseFolder, path: Path, described: dict[str, Any], settings: Settings, progress: Progress) -> None:
    start = time.monotonic()
    progress(0.0, IMPORT)
    record = import_input(case, path, described, settings.input)
    progress(1.0, IMPORT)
    stages = case.manifest().stages if case.exists() else {}
    done = replace(record, seconds=time.monotonic() - start)
    case.save(Manifest(input=described, settings=_changed(settings), stages={**stages, IMPORT: done}))


def _is_valid(case: CaseFolder, name: str, key: str) -> bool:
    record = case.manifest().stages.get(name)
    return record is not None and record.state == "done" and record.key == key and case.outputs(record.folder) == record.outputs


def stage_key(stage: Stage, settings: Settings, inputs: dict[str, dict[str, str]]) -> str:
    """What a stage's result depends on, as one hash: its version, its settings and the content of what it reads."""
    tables = {name: getattr(settings, name).model_dump(exclude=set(stage.unread)) for name in stage.tables}
    content = json.dumps([stage.name, stage.version, tables, inputs], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _readable(case: CaseFolder, stage: Stage, settings: Settings, without: set[str]) -> dict[str, dict[str, str]]:
    """The outputs in each folder that a stage is to read: of those that are there, but for `without`, a prediction or image
    features of what the case was before, and, in the grade, a prediction beside a simulation, and image features where no model
    of one's own could ask for them."""
    folders = {record.folder for record in case.manifest().stages.values()} - without
    simulated = stage.name == GRADE.name and SIMULATE.folder in folders
    if FOLDER in stage.reads and (simulated or without & set(READS) or not has_current_prediction(case)):
        folders.discard(FOLDER)
    if RADIOMICS in stage.reads and not (settings.grade.model and has_current_radiomics(case)):
        folders.discard(RADIOMICS)
    return {folder: case.outputs(folder) for folder in stage.reads if folder in folders}


def _run_chain(case: CaseFolder, settings: Settings, last: str | None, progress: StageProgress) -> list[StageEnd]:
    """Run what is not valid up to `last`. A grade asked for alone computes no flow: it does without one that is not current.

    Where the settings say so and the networks do not decline, the flow is predicted in the place of a simulation.
    """
    ends = []
    left_out: set[str] = set()
    for stage in chain(case.manifest().input["kind"]):
        inputs = _readable(case, stage, settings, left_out)
        key = stage_key(stage, settings, inputs)
        if _is_valid(case, stage.name, key):
            ends.append(StageEnd(stage.name, "kept", 0.0))
        elif last == GRADE.name and stage in FLOW_STAGES:
            # A prediction in the place of the simulation rests on the boundary conditions, which then stay.
            left_out |= {stage.folder} if has_current_prediction(case) else {each.folder for each in FLOW_STAGES}
        elif stage.name == SIMULATE.name and last != stage.name and (end := _predicted(case, settings, progress)):
            ends.append(end)
            left_out.add(stage.folder)
        else:
            folder = case.stage_folder(stage.folder)
            run = StageRun(case, folder, settings, key, progress(stage.name), frozenset(inputs))
            ends.append(_run_one(case, stage, run))
        if stage.name == last:
            break
    return ends


def _predicted(case: CaseFolder, settings: Settings, progress: StageProgress) -> StageEnd | None:
    """None where no prediction is wanted in the place of a simulation, or the networks decline the case."""
    if not settings.predict.fast:
        return None
    try:
        with _told(case, STAGE, with_messages=True):
            return predict_flow(case, settings, progress)
    except MethodError:
        return None


def current_stages(case: CaseFolder) -> frozenset[str]:
    """The stages whose results are whole and follow from the case's settings and from what else is now in the case."""
    manifest = case.manifest()
    settings, stages = settings_from(manifest.settings), chain(manifest.input["kind"])
    whole = _is_valid(case, IMPORT, manifest.input["sha256"])
    current, outdated = {IMPORT} if whole else set(), {stage.folder for stage in stages}
    for stage in stages:
        inputs = _readable(case, stage, settings, outdated)
        if _is_valid(case, stage.name, stage_key(stage, settings, inputs)):
            current.add(stage.name)
            outdated.discard(stage.folder)
    if not outdated & set(READS) and has_current_prediction(case):
        current.add(STAGE)
    return frozenset(current)


def _run_one(case: CaseFolder, stage: Stage, run: StageRun) -> StageEnd:
    start = time.monotonic()
    try:
        with _told(case, stage.name, with_messages=True), case.writing(stage.folder) as target:
            stage.run(replace(run, target=target))
    except AneuflowError as error:
        _record_failure(case, stage, run.key, time.monotonic() - start, str(error))
        raise
    seconds = time.monotonic() - start
    run.progress(1.0, stage.name)
    ended = datetime.now(UTC).isoformat(timespec="seconds")
    case.record(stage.name, StageRecord("done", run.key, stage.folder, case.outputs(stage.folder), seconds, ended=ended))
    return StageEnd(stage.name, "done", seconds)


def _record_failure(case: CaseFolder, stage: Stage, key: str, seconds: float, reason: str) -> None:
    previous = case.manifest().stages.get(stage.name)
    outputs = previous.outputs if previous else {}
    case.record(stage.name, StageRecord("failed", key, stage.folder, outputs, seconds, reason))
