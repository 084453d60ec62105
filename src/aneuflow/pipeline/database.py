"""A database of flows: planned in a folder, and filled case by case by the stages a patient goes through."""

from __future__ import annotations

import fcntl
import multiprocessing
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aneuflow import __version__
from aneuflow.case.files import read_json, write_json
from aneuflow.errors import InputError
from aneuflow.flow.settings import FlowSettings
from aneuflow.geometry.model import build_model
from aneuflow.geometry.read_surface import read_surface
from aneuflow.geometry.settings import ModelSettings
from aneuflow.pipeline.database_case import PutOff, Solved, solve
from aneuflow.surrogate.cohort import Source, is_intra, read_sources, split_by_patient
from aneuflow.surrogate.compact import CHANNELS, write_compact
from aneuflow.surrogate.deform import Frame, frame_of
from aneuflow.surrogate.design import TABLE, DesignSettings, Kind, PlannedCase, planned, read_table, write_table
from aneuflow.surrogate.ideal import ideal_vessel
from aneuflow.types import Progress, Surface, no_progress

PLAN, CASES, FRAMES, IDEAL = "plan.json", "cases", "frames", "ideal"
Device = Literal["cpu", "gpu"]
_LOST = "the process ended without an answer, twice"


@dataclass(frozen=True)
class Plan:
    """A database's plan: its settings, the shapes it is made from, and its cases in the order in which they run.

    is_intra: the real shapes are IntrA's.
    """

    settings: DesignSettings
    is_intra: bool
    sources: Mapping[str, Source]
    cases: tuple[PlannedCase, ...]


@dataclass(frozen=True)
class Work:
    """What a worker is given: the case, its base shape, where the result goes, and how it is computed.

    patience_s: of CPU time, after which it is left for another run; None for no end.
    """

    folder: Path
    case: PlannedCase
    source: Source
    resolution_mm: float
    device: Device
    threads: int
    patience_s: float | None


def plan_database(data: Path, folder: Path, settings: DesignSettings) -> Plan:
    """Plan the database `folder` from the shapes in `data`. Raises InputError where it holds another plan already."""
    real = read_sources(data)
    ideal = [Source(name, name, folder.absolute() / IDEAL / f"{name}.npz", True) for name in _ideal_names(settings.ideal)]
    sources = (*real, *ideal)
    split = split_by_patient((source.patient for source in real), settings.seed)
    split |= dict.fromkeys((source.patient for source in ideal), "train")
    cases = planned(sources, split, settings)
    content = {
        "aneuflow": __version__,
        "settings": settings.model_dump(),
        "is_intra": is_intra(data),
        "patients": split,
        "sources": {
            source.name: {"patient": source.patient, "file": str(source.file.absolute()), "ideal": source.ideal}
            for source in sources
        },
    }
    if (folder / PLAN).exists():
        if read_json(folder / PLAN) != content:
            raise InputError(f"{folder} holds another plan; choose a new folder with -o.")
        return read_plan(folder)
    (folder / CASES).mkdir(parents=True, exist_ok=True)
    (folder / IDEAL).mkdir(exist_ok=True)
    for number, source in enumerate(ideal):
        made = ideal_vessel(source.name.split("-")[1], np.random.default_rng((settings.seed, number)))
        np.savez_compressed(source.file, points=made.points, triangles=made.triangles)
    write_table(folder / TABLE, cases)
    write_json(folder / PLAN, content)
    return read_plan(folder)


def _ideal_names(count: int) -> list[str]:
    return [f"ideal-{('sidewall', 'fork')[k % 2]}-{k:03d}" for k in range(count)]


def read_plan(folder: Path) -> Plan:
    """The plan of a database. Raises InputError where the folder holds none."""
    if not (folder / PLAN).is_file():
        raise InputError(f"{folder} holds no plan; make one by `aneuflow database plan DATA -o {folder}`.")
    content = read_json(folder / PLAN)
    sources = {
        name: Source(name, entry["patient"], Path(entry["file"]), entry["ideal"]) for name, entry in content["sources"].items()
    }
    return Plan(DesignSettings.model_validate(content["settings"]), content["is_intra"], sources, read_table(folder / TABLE))


def records(folder: Path, plan: Plan) -> list[dict[str, Any]]:
    """What became of the cases that have ended, in the order of the plan."""
    return [read_json(path) for path in (record_path(folder, case.id) for case in plan.cases) if path.exists()]


def record_path(folder: Path, id: str) -> Path:
    """The record of a case; it is written last, so a case has ended when it is there."""
    return folder / CASES / f"{id}.json"


def _put_off_path(folder: Path, id: str) -> Path:
    """An empty file, there while a case is put off."""
    return folder / CASES / f"{id}.later"


def array_path(folder: Path, id: str) -> Path:
    """The arrays of a case that has entered."""
    return folder / CASES / f"{id}.npz"


def run_database(
    folder: Path,
    limit: int | None = None,
    workers: int = 1,
    threads: int = 1,
    device: Device = "cpu",
    patience_s: float | None = None,
    progress: Progress = no_progress,
    kind: Kind | None = None,
) -> int:
    """Solve cases that have not ended yet, in the order of the plan, at most `limit`, of one kind or both; gives how many.

    Each ends by one record, entered or refused with its reason; those that take more than `patience_s` of CPU time, which
    large sacs do, are left, and interrupted or killed, the next run goes on with what is left, such cases last. Raises
    InputError where another run is at work in the folder.
    """
    plan = read_plan(folder)
    with _alone(folder):
        for rest in (folder / CASES).glob(".*"):
            rest.unlink()
        asked = [case for case in plan.cases if kind in (None, case.kind)]
        left = [case for case in asked if not record_path(folder, case.id).exists()]
        left = sorted(left, key=lambda case: _put_off_path(folder, case.id).exists())[:limit]
        resolution = plan.settings.resolution_mm
        work = [Work(folder, case, plan.sources[case.base], resolution, device, threads, patience_s) for case in left]
        _solve_all(work, workers, progress)
    return sum(record_path(folder, case.id).exists() for case in left)


def pack_database(folder: Path, target: Path) -> dict[str, int]:
    """The compact form of all cases that have entered; gives the bytes of each file.

    Raises InputError where none has, or where one was solved by a version that kept other arrays.
    """
    rows = [record["row"] for record in records(folder, read_plan(folder)) if record["state"] == "entered"]
    if not rows:
        raise InputError(f"No case has entered the database {folder}; run `aneuflow database run {folder}` first.")
    arrays = []
    for row in rows:
        with np.load(array_path(folder, row["id"])) as file:
            arrays.append({name: file[name] for name in file.files})
        asked = {name for name, channel in CHANNELS.items() if row["kind"] == "pulsatile" or not channel.pulsatile}
        if not asked <= arrays[-1].keys():
            where = record_path(folder, row["id"])
            raise InputError(f"Case {row['id']} was solved by another version; delete {where} and run the database again.")
    return write_compact(target, rows, arrays)


def _solve_all(work: list[Work], workers: int, progress: Progress) -> None:
    """Where a worker dies, by a fault in native code or for memory, the cases that were at work run again, each alone."""
    left, count = list(work), 0

    def ended(one: Work) -> None:
        nonlocal count
        left.remove(one)
        count += 1
        progress(count / len(work), f"{count} of {len(work)} cases, {one.case.id}")

    progress(0.0, f"0 of {len(work)} cases")
    while left and not _pooled(list(left), workers, ended):
        for one in left[:workers]:
            if not _pooled([one], 1, ended):
                _write(one, Solved("refused", "process", _LOST), 0.0)
                ended(one)


def _pooled(batch: list[Work], workers: int, ended: Callable[[Work], None]) -> bool:
    """Whether all of the batch could end; no more is handed out, in order, than there are workers."""
    queue, running = iter(batch), dict[Future[None], Work]()
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            for one in chain(queue, [None] * workers):
                if one is not None:
                    running[pool.submit(_do, one)] = one
                if running and (one is None or len(running) == workers):
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        future.result()
                        ended(running.pop(future))
        except BrokenProcessPool:
            return False
    return True


def _do(work: Work) -> None:
    """One case, in a worker."""
    began = time.process_time()

    def watch(fraction: float, message: str) -> None:
        if work.patience_s is not None and time.process_time() - began > work.patience_s:
            raise PutOff

    flow = FlowSettings(
        resolution_mm=work.resolution_mm, steady=work.case.kind == "steady", threads=work.threads, device=work.device
    )
    generator = np.random.default_rng(zlib.crc32(work.case.id.encode()))
    try:
        solved = solve(work.case, lambda: read_shape(work.source), lambda: _frame(work), flow, generator, watch)
    except PutOff:
        _put_off_path(work.folder, work.case.id).touch()
        return
    _write(work, solved, time.process_time() - began)


def _frame(work: Work) -> Frame:
    """The base shape's frame, kept from case to case."""
    file = work.folder / FRAMES / f"{work.source.name}.npz"
    if not file.exists():
        base = read_shape(work.source)
        made = frame_of(base, build_model(base, ModelSettings()))
        named = {field.name: getattr(made, field.name) for field in fields(made) if field.name != "surface"}
        file.parent.mkdir(exist_ok=True)
        temporary = file.with_name(f".{work.case.id}.npz")
        np.savez(temporary, points=base.points, triangles=base.triangles, **named)
        temporary.replace(file)
    with np.load(file) as stored:
        arrays = {name: stored[name] for name in stored.files}
    surface = Surface(arrays.pop("points"), arrays.pop("triangles"))
    numbers = {name: float(values) for name, values in arrays.items() if values.ndim == 0}
    return Frame(surface=surface, **{**arrays, **numbers})


def read_shape(source: Source) -> Surface:
    """The open surface of a base shape, mm: an IntrA or ideal shape's file, or a surface file in mm."""
    if source.file.suffix != ".npz":
        return read_surface(source.file, "mm")
    with np.load(source.file) as file:
        return Surface(file["points"].astype(np.float64), file["triangles"].astype(np.int32))


def _write(work: Work, solved: Solved, seconds: float) -> None:
    case = work.case
    row: dict[str, Any] = {name: getattr(case, name) for name in ("id", "base", "patient", "split", "shape", "kind")}
    row |= {**case.values, **solved.numbers}
    if solved.state == "entered":
        temporary = array_path(work.folder, f".{case.id}")
        np.savez_compressed(temporary, **solved.arrays)
        temporary.replace(array_path(work.folder, case.id))
    record = {"state": solved.state, "stage": solved.stage, "reason": solved.reason, "cpu_s": round(seconds, 1), "row": row}
    write_json(record_path(work.folder, case.id), record)
    _put_off_path(work.folder, case.id).unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"Another run is at work in {folder}; wait for it or end it.") from None
        yield
