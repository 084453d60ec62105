"""The risk stage's files: risk.json, and wall.vtp with `region_id` and one array for each kind of region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from aneuflow.case.files import PolyData, read_json, write_json, write_polydata
from aneuflow.quantities import quantity
from aneuflow.types import (
    FlowNetworks,
    Grade,
    Measure,
    Note,
    RegionsOrigin,
    Resemblance,
    Risk,
    ScoreResult,
    Span,
    Surface,
    WallRegion,
)

ARRAYS = ("wall", "region_id", "fields")


def write_risk(folder: Path, risk: Risk) -> None:
    """Write all of it; without flow there is no wall.vtp."""
    content = {field.name: _plain(getattr(risk, field.name)) for field in fields(risk) if field.name not in ARRAYS}
    write_json(folder / "risk.json", content)
    if risk.wall is not None:
        arrays: dict[str, npt.NDArray[Any]] = {"region_id": risk.region_id, **risk.fields}
        write_polydata(folder / "wall.vtp", risk.wall.points, triangles=risk.wall.triangles, point_arrays=arrays)


def read_risk(folder: Path) -> Risk:
    risk = risk_of(read_json(folder / "risk.json"))
    if not (folder / "wall.vtp").exists():
        return risk
    data = PolyData(folder / "wall.vtp")
    region_id = data.point_arrays.pop("region_id").astype(np.int32)
    flags = {name: values.astype(np.uint8) for name, values in data.point_arrays.items()}
    return replace(risk, wall=Surface(data.points.astype(np.float64), data.triangles), region_id=region_id, fields=flags)


def risk_of(content: Mapping[str, Any]) -> Risk:
    """What risk.json says, without the wall."""
    return Risk(
        wall=None,
        region_id=np.zeros(0, dtype=np.int32),
        fields={},
        regions=TypeAdapter(tuple[WallRegion, ...]).validate_python(content["regions"]),
        not_looked_for=tuple(content["not_looked_for"]),
        scores=TypeAdapter(tuple[ScoreResult, ...]).validate_python(content["scores"]),
        resemblance=TypeAdapter(Resemblance | None).validate_python(content["resemblance"]),
        grade=TypeAdapter(Grade | None).validate_python(content["grade"]),
        answers=content["answers"],
        proposed_sites=tuple(content["proposed_sites"]),
        flow_used=content["flow_used"],
        notes=TypeAdapter(tuple[Note, ...]).validate_python(content["notes"]),
        regions_model=TypeAdapter(RegionsOrigin | None).validate_python(content.get("regions_model")),
        flow_networks=TypeAdapter(FlowNetworks | None).validate_python(content.get("flow_networks")),
    )


def _plain(value: Any) -> Any:
    """Dataclasses as objects; a number of the registry bears its unit and definition."""
    if is_dataclass(value):
        written = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        if isinstance(value, Measure | Span):
            entry = quantity(value.id)
            return {**written, "unit": entry.unit, "definition": entry.definition_id}
        return written
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return value
