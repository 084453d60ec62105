"""A prediction as files of the case folder, and whether it still follows from what else is there."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from aneuflow.case.files import PolyData, read_json, write_json, write_polydata
from aneuflow.case.folder import CaseFolder
from aneuflow.case.store import measures_from_json, measures_to_json, notes_from_json, notes_to_json
from aneuflow.types import FlowSolution, Prediction, Surface, VolumeField

STAGE, FOLDER = "predict", "prediction"
_FILE, _WALL = "hemodynamics.json", "wall.vtp"
_VERSION = 2
READS = ("model", "morphology", "boundary")


def write_prediction(folder: Path, prediction: Prediction) -> None:
    write_polydata(
        folder / _WALL,
        prediction.wall.points,
        triangles=prediction.wall.triangles,
        point_arrays={"region": prediction.region, **prediction.wall_fields},
    )
    content = {
        "quantities": measures_to_json(prediction.measures),
        "method": dict(prediction.method),
        "notes": notes_to_json(prediction.notes),
    }
    write_json(folder / _FILE, content)


def read_prediction(folder: Path) -> Prediction:
    data, content = PolyData(folder / _WALL), read_json(folder / _FILE)
    return Prediction(
        Surface(data.points, data.triangles),
        data.point_arrays["region"],
        {name: values for name, values in data.point_arrays.items() if name != "region"},
        measures_from_json(content["quantities"]),
        content["method"],
        notes_from_json(content["notes"]),
    )


def as_flow(prediction: Prediction) -> FlowSolution:
    """A prediction in the place of a solved flow; of the lumen and of the course of time it says nothing."""
    vectors = np.zeros((0, 3))
    nothing = VolumeField(vectors, vectors.astype(np.float32), np.zeros(0, np.float32), np.zeros((0, 8), np.int32))
    return FlowSolution(
        prediction.wall, prediction.region, prediction.wall_fields, nothing, prediction.measures, {}, prediction.method
    )


def prediction_key(case: CaseFolder, networks: str, coarse: bool) -> str:
    """What a prediction depends on, as one hash; networks: the ensemble's digest."""
    content = [STAGE, _VERSION, networks, coarse, {folder: case.outputs(folder) for folder in READS}]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def has_current_prediction(case: CaseFolder) -> bool:
    """Whether the case holds a prediction, whole, of the model, shape and boundary conditions that it has now."""
    record = case.manifest().stages.get(STAGE)
    if record is None or record.state != "done" or case.outputs(FOLDER) != record.outputs:
        return False
    method = read_json(case.path / FOLDER / _FILE)["method"]
    return record.key == prediction_key(case, method["networks"], method["coarse_flow"])
