"""What the terminal draws from: of a case a light image and scenes, made once beside it; of two cases their comparison."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from aneuflow.case import store
from aneuflow.case.files import write_nifti
from aneuflow.case.folder import CaseFolder
from aneuflow.case.label_store import surface_key
from aneuflow.case.prediction_store import FOLDER
from aneuflow.pipeline.documents import report_content
from aneuflow.pipeline.settings import settings_from
from aneuflow.report.comparison import comparison_values
from aneuflow.report.correction_scene import correction_payload, painting_payload
from aneuflow.report.flow_paths import flow_payload
from aneuflow.report.growth_scenes import ComparisonContent, growth_payload
from aneuflow.report.html import VIEWER_TEXTS
from aneuflow.report.summary import headline
from aneuflow.report.text import Language, note_text, text
from aneuflow.report.viewer import viewer_payload

LANGUAGES: tuple[Language, ...] = ("en", "zh")
FLOWS = {"simulate": "flow", "predict": FOLDER}
IMAGE_VIEW, FIRST_IMAGE_VOXELS = "image.nii.gz", 160


def write_image_view(case_path: Path, folder: Path) -> None:
    """The case's image in whole numbers and at most FIRST_IMAGE_VOXELS along each axis, to be on the screen within seconds."""
    case = CaseFolder(case_path)
    if case.manifest().input["kind"] != "image":
        return
    volume = store.read_image(case.stage_folder("image"))
    steps = [-(-size // FIRST_IMAGE_VOXELS) for size in volume.values.shape]
    values = volume.values[:: steps[0], :: steps[1], :: steps[2]]
    affine = volume.affine.copy()
    affine[:3, :3] *= steps
    low, high = float(values.min()), float(values.max())
    if high - low > 60000 or high - low < 200:  # not as Hounsfield units are
        values = (values - low) * (4000.0 / max(high - low, 1e-12))
    folder.mkdir(exist_ok=True)
    write_nifti(folder / IMAGE_VIEW, np.clip(np.round(values), -32768, 32767).astype(np.int16), affine)


def write_views(case_path: Path, folder: Path, current: Collection[str]) -> None:
    """What can be drawn of a case whose stages `current` are: the model, to correct and to paint on; with a flow the wall and
    first words, with a solved one its paths."""
    case = CaseFolder(case_path)
    folder.mkdir(exist_ok=True)
    reads = {name for stage, name in FLOWS.items() if stage in current}
    content = report_content(case, settings_from(case.manifest().settings), reads) if reads else None
    if "model" in current:
        model = store.read_model(case.stage_folder("model"))
        for language in LANGUAGES:
            _write_scene(folder / f"model.{language}.json.gz", correction_payload(model, language), language)
            painting = {"surface": surface_key(model.lumen.surface), **painting_payload(model, content, language)}
            _write(folder / f"painting.{language}.json.gz", painting)
    if content is None:
        return
    if content.predicted_by is None:
        _write(folder / "flow.json.gz", flow_payload(content))
    for language in LANGUAGES:
        _write_scene(folder / f"scene.{language}.json.gz", viewer_payload(content, language), language)
        stages: dict[tuple[str, str], str] = {}
        for stage, note in content.notes:
            stages.setdefault((note.kind, note_text(language, note)), stage)
        notes = [(kind, sentence, stage) for (kind, sentence), stage in stages.items()]
        _write(folder / f"summary.{language}.json.gz", {"headline": headline(content, language), "notes": notes})


def comparison_view(content: ComparisonContent, language: Language) -> dict[str, Any]:
    """Two examinations compared as the terminal shows them: words, rows, and the scene of the later wall by its change."""
    values = comparison_values(content, language)
    tables = [(group, [asdict(row) for row in rows]) for group, rows in values["tables"]]
    scene = _with_texts(growth_payload(content, language), language)
    return {**values, "tables": tables, "verdict": content.verdict, "scene": scene}


def _with_texts(scene: dict[str, Any], language: Language) -> dict[str, Any]:
    return {**scene, "texts": {key: text(language, f"viewer.{key}") for key in VIEWER_TEXTS}}


def _write_scene(path: Path, scene: dict[str, Any], language: Language) -> None:
    _write(path, _with_texts(scene, language))


def _write(path: Path, payload: dict[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(gzip.compress(json.dumps(payload).encode(), compresslevel=5, mtime=0))
    temporary.replace(path)
