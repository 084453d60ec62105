"""A prediction as files of the case folder."""

from __future__ import annotations

from pathlib import Path

from aneuflow.case.files import write_json, write_polydata
from aneuflow.case.store import measures_to_json, notes_to_json
from aneuflow.surrogate.predict import Prediction


def write_prediction(folder: Path, prediction: Prediction) -> None:
    write_polydata(
        folder / "wall.vtp",
        prediction.wall.points,
        triangles=prediction.wall.triangles,
        point_arrays={"region": prediction.region, **prediction.wall_fields},
    )
    content = {
        "quantities": measures_to_json(prediction.measures),
        "method": dict(prediction.method),
        "notes": notes_to_json(prediction.notes),
    }
    write_json(folder / "hemodynamics.json", content)
