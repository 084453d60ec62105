"""The shapes that the network of the sac's measures learns from: vessels of a database's plan, without their flow."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from aneuflow.case.files import read_json, write_json
from aneuflow.errors import AneuflowError, InputError, MethodError
from aneuflow.geometry.model import build_model
from aneuflow.geometry.settings import ModelSettings
from aneuflow.morphology.learned.marks import learning_example
from aneuflow.pipeline.database import Plan, read_plan, read_shape
from aneuflow.surrogate.cohort import SPLITS
from aneuflow.surrogate.deform import Frame, carried, deformed, frame_of
from aneuflow.surrogate.design import PlannedCase
from aneuflow.types import Centerline, LumenModel, Progress, Surface, no_progress

PREPARED = "prepared"


def prepare_shapes(database: Path, target: Path, progress: Progress = no_progress) -> list[dict[str, Any]]:
    """Write what is to be learned of each planned vessel with a sac into target/prepared; gives their records.

    Training shapes keep their base's sac and neck through the deformation, so what they teach is known and not found again;
    those of validation and test patients go through the model stage anew, as a patient does. What cannot be made is kept with
    its reason. Stopped or killed, the next call goes on. Raises InputError where the plan has no vessel with a sac.
    """
    plan = read_plan(database)
    cases = [case for case in plan.cases if case.shape != "without-sac" and case.kind == "steady"]
    if not cases:
        raise InputError(f"{database} plans no vessel with a sac; plan more cases with `aneuflow database plan`.")
    (target / PREPARED).mkdir(parents=True, exist_ok=True)
    done = 0
    for (_, base), mine in groupby(sorted(cases, key=_order), key=_order):
        group = list(mine)
        _prepare_base(plan, base, [case for case in group if not _record(target, case).exists()], target)
        done += len(group)
        progress(done / len(cases), f"{done} of {len(cases)} shapes, {base}")
    return [read_json(_record(target, case)) for case in cases]


def _order(case: PlannedCase) -> tuple[int, str]:
    """Base by base, those to train on first."""
    return SPLITS.index(case.split), case.base


def _record(target: Path, case: PlannedCase) -> Path:
    """A shape's record; it is written last, so a shape is done when it is there."""
    return target / PREPARED / f"{case.id}.json"


def _prepare_base(plan: Plan, base: str, cases: Sequence[PlannedCase], target: Path) -> None:
    if not cases:
        return
    surface = read_shape(plan.sources[base])
    model: LumenModel | AneuflowError
    try:
        model = _with_sac(build_model(surface, ModelSettings()))
        frame = frame_of(surface if cases[0].split != "train" else model.lumen.surface, model)
    except AneuflowError as error:
        model = error
    for case in cases:
        record = {"id": case.id, "patient": case.patient, "split": case.split, "shape": case.shape, "reason": ""}
        try:
            if isinstance(model, AneuflowError):
                raise model
            shape = model if case.shape in ("real", "ideal") else _variant(case, frame, model)
            generator = np.random.default_rng(zlib.crc32(case.id.encode()))
            np.savez(target / PREPARED / f"{case.id}.npz", **learning_example(shape, generator))  # type: ignore[arg-type]
        except (AneuflowError, ArithmeticError, ValueError, IndexError, RuntimeError) as error:
            record["reason"] = str(error) or type(error).__name__
        write_json(_record(target, case), record)


def _variant(case: PlannedCase, frame: Frame, base: LumenModel) -> LumenModel:
    surface = deformed(frame, case.values)
    if case.split != "train":
        return _with_sac(build_model(surface, ModelSettings()))
    assert base.aneurysm is not None
    parent, *daughters = (
        _carried_line(frame, line, case.values) for line in (base.aneurysm.parent_line, *base.aneurysm.daughter_lines)
    )
    aneurysm = replace(base.aneurysm, parent_line=parent, daughter_lines=tuple(daughters))
    lumen = replace(base.lumen, surface=Surface(surface.points, base.lumen.surface.triangles))
    return replace(base, lumen=lumen, aneurysm=aneurysm)


def _carried_line(frame: Frame, line: Centerline, values: Mapping[str, float]) -> Centerline:
    return replace(line, points_mm=carried(frame, line.points_mm, values), radius_mm=values["caliber"] * line.radius_mm)


def _with_sac(model: LumenModel) -> LumenModel:
    if model.aneurysm is None:
        raise MethodError("No aneurysm was found on the shape.")
    return model
