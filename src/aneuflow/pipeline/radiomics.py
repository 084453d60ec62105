"""`aneuflow radiomics`: image features of a case, and which of them can be relied on over a set of cases."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aneuflow import __version__
from aneuflow.case import store
from aneuflow.case.files import write_json
from aneuflow.case.folder import CaseFolder, StageRecord
from aneuflow.case.radiomics_store import FOLDER, STAGE, radiomics_key, write_radiomics
from aneuflow.errors import InputError, MethodError
from aneuflow.pipeline.run import IMPORT, current_stages
from aneuflow.pipeline.settings import Tables, settings_from
from aneuflow.pipeline.stages import MODEL, StageEnd
from aneuflow.radiomics.measure import measure_radiomics
from aneuflow.radiomics.retest import JITTER_MM, LARGEST_TURN_DEG, REPEATS, retest
from aneuflow.report.dicom import lumen_labels
from aneuflow.risk.train.image_features import LEAST_ICC
from aneuflow.types import ByteArray, Progress, Volume, no_progress


def radiomics_case(case_path: Path, tables: Tables | None = None) -> StageEnd:
    """Fill radiomics/ of a case whose image and model are current; what was made so before is kept.

    Settings of `tables` are laid over the case's own. Raises InputError where the case has no image or no current model,
    MethodError where it has no sac or too few voxels of it.
    """
    case = CaseFolder(case_path)
    _need_image(case)
    with case.locked():
        settings = settings_from(case.manifest().settings, tables or {}).radiomics
        _need_current(case)
        key = radiomics_key(case, settings.model_dump())
        record = case.manifest().stages.get(STAGE)
        if record is not None and record.state == "done" and record.key == key and case.outputs(FOLDER) == record.outputs:
            return StageEnd(STAGE, "kept", 0.0)
        start = time.monotonic()
        found = measure_radiomics(*_image_and_labels(case), settings)
        with case.writing(FOLDER) as target:
            write_radiomics(target, found)
        seconds = time.monotonic() - start
        case.record(STAGE, StageRecord("done", key, FOLDER, case.outputs(FOLDER), seconds))
    return StageEnd(STAGE, "done", seconds)


def retest_cases(
    cases: Sequence[Path], target: Path, tables: Tables | None = None, seed: int = 1, progress: Progress = no_progress
) -> dict[str, Any]:
    """How reliable each feature is over the cases, as a table that is written to `target` and that `train risk` asks for.

    Settings are those of `tables`, not those of the cases, so that all are looked at alike. Raises InputError for under 10
    cases, or one twice or without an image or a current model.
    """
    settings = settings_from(tables or {}).radiomics
    folders = [CaseFolder(path) for path in cases]
    inputs = [_need_image(case) for case in folders]
    twice = {digest for digest in inputs if inputs.count(digest) > 1}
    if twice:
        same = next(case.path for case, digest in zip(folders, inputs, strict=True) if digest in twice)
        raise InputError(f"The input of {same} is given more than once; give each examination once.")
    found = retest(_each(folders), len(folders), settings, seed, progress)
    content = {
        "aneuflow": __version__,
        "says": f"ICC(1,1), one-way random effects, agreement (Shrout and Fleiss 1979); reliable is over {LEAST_ICC:g}",
        "settings": settings.model_dump(),
        "inputs": inputs,
        "repeats": REPEATS,
        "rotation_deg": LARGEST_TURN_DEG,
        "noise": "as much again as the image has",
        "mask_mm": JITTER_MM,
        "seed": seed,
        "features": [{**asdict(row), "reliable": row.icc is not None and row.icc > LEAST_ICC} for row in found],
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    write_json(target, content)
    return content


def _need_image(case: CaseFolder) -> str:
    """The SHA-256 of the case's image; raises InputError where it began without one."""
    manifest = case.manifest()
    if manifest.input["kind"] != "image":
        raise InputError(f"Case {case.path.name} began with a {manifest.input['kind']}; image features need an image.")
    return str(manifest.input["sha256"])


def _need_current(case: CaseFolder) -> None:
    """Raises InputError where the case's image or its model is not whole or not current."""
    if not {IMPORT, MODEL.name} <= current_stages(case):
        raise InputError(f"Case {case.path} has no current image and model; run `aneuflow model {case.path}` first.")


def _each(folders: Sequence[CaseFolder]) -> Iterator[tuple[Volume, ByteArray]]:
    for case in folders:
        with case.locked():
            _need_current(case)
            yield _image_and_labels(case)


def _image_and_labels(case: CaseFolder) -> tuple[Volume, ByteArray]:
    """The image, and on its voxels the lumen that was measured: 0, 1 artery, 2 sac."""
    volume, model = store.read_image(case.stage_folder("image")), store.read_model(case.stage_folder("model"))
    if model.aneurysm is None:
        raise MethodError(f"Case {case.path.name} has no aneurysm, so there is no sac to measure image features of.")
    nx, ny, nz = volume.values.shape
    return volume, lumen_labels(model, volume.affine, (nx, ny, nz))
