"""Image features as a file of the case folder, and whether they still follow from what else is there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aneuflow.case.files import read_json, write_json
from aneuflow.case.folder import CaseFolder
from aneuflow.case.store import measures_from_json, measures_to_json
from aneuflow.types import Radiomics

STAGE = FOLDER = "radiomics"
_FILE = "radiomics.json"
_VERSION = 1
READS = ("image", "model")


def write_radiomics(folder: Path, found: Radiomics) -> None:
    """Each quantity bears the settings it was made by."""
    settings = dict(found.settings)
    quantities = [{**entry, "settings": settings} for entry in measures_to_json(found.measures)]
    write_json(folder / _FILE, {"voxels": dict(found.voxels), "quantities": quantities})


def read_radiomics(folder: Path) -> Radiomics:
    content = read_json(folder / _FILE)
    settings = content["quantities"][0]["settings"]
    return Radiomics(measures_from_json(content["quantities"]), settings, content["voxels"])


def radiomics_key(case: CaseFolder, settings: Mapping[str, Any]) -> str:
    """What image features depend on, as one hash."""
    content = [STAGE, _VERSION, dict(settings), {folder: case.outputs(folder) for folder in READS}]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def has_current_radiomics(case: CaseFolder) -> bool:
    """Whether the case holds features, whole, of the image and the model that it has now."""
    record = case.manifest().stages.get(STAGE)
    if record is None or record.state != "done" or case.outputs(FOLDER) != record.outputs:
        return False
    return record.key == radiomics_key(case, read_radiomics(case.stage_folder(FOLDER)).settings)
