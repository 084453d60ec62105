"""Each stage's result as files of the case folder and back; docs/case-folder.md lists the names others rely on."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from aneuflow.case.files import (
    PolyData,
    read_json,
    read_nifti,
    read_voxels,
    write_json,
    write_nifti,
    write_polydata,
    write_voxels,
)
from aneuflow.errors import MethodError
from aneuflow.quantities import quantity, registry
from aneuflow.types import (
    Aneurysm,
    Blood,
    BoundaryConditions,
    Candidate,
    Cap,
    Centerline,
    FlowSolution,
    InletCondition,
    LabelMap,
    LumenModel,
    Measure,
    Morphology,
    Note,
    Ostium,
    OutletCondition,
    PatchedSurface,
    Surface,
    Volume,
    VolumeField,
    Waveform,
)

PARENT_LINE, DAUGHTER_LINE, WHOLE_LINE = 1, 2, 0


def measures_to_json(measures: Iterable[Measure]) -> list[dict[str, Any]]:
    """Measures in registry order, each as id, value, unit, low, high, definition.

    Raises AneuflowError for an id that is not in the registry and MethodError for a value that is not finite.
    """
    order = {id: position for position, id in enumerate(registry())}
    entries = []
    for measure in measures:
        entry = quantity(measure.id)
        if not np.isfinite(measure.value):
            raise MethodError(f"{entry.name_en} came out as {measure.value}, which is no number; check the lumen surface.")
        entries.append({**asdict(measure), "unit": entry.unit, "definition": entry.definition_id})
    keys = ("id", "value", "unit", "low", "high", "definition")
    return [{key: entry[key] for key in keys} for entry in sorted(entries, key=lambda entry: order[entry["id"]])]


def measures_from_json(entries: list[dict[str, Any]]) -> tuple[Measure, ...]:
    return tuple(Measure(entry["id"], entry["value"], entry["low"], entry["high"]) for entry in entries)


def notes_to_json(notes: Iterable[Note]) -> list[dict[str, Any]]:
    return [{"code": note.code, "values": dict(note.values), "kind": note.kind} for note in notes]


def notes_from_json(entries: list[dict[str, Any]]) -> tuple[Note, ...]:
    return tuple(Note(entry["code"], entry["values"], entry["kind"]) for entry in entries)


def write_image(folder: Path, volume: Volume) -> None:
    write_nifti(folder / "volume.nii.gz", volume.values, volume.affine)
    facts = {"modality": volume.modality, "source": volume.source, "notes": notes_to_json(volume.notes)}
    write_json(folder / "image.json", facts)


def read_image(folder: Path) -> Volume:
    values, affine = read_nifti(folder / "volume.nii.gz")
    facts = read_json(folder / "image.json")
    return Volume(
        values=np.asarray(values, np.float32),
        affine=affine,
        modality=facts["modality"],
        source=facts["source"],
        notes=notes_from_json(facts["notes"]),
    )


def write_labels(folder: Path, labels: LabelMap) -> None:
    write_nifti(folder / "labels.nii.gz", labels.labels, labels.affine)
    if labels.soft is not None:
        write_nifti(folder / "soft.nii.gz", labels.soft, labels.affine)
    write_json(folder / "segmentation.json", {"method": labels.method, "notes": notes_to_json(labels.notes)})


def read_labels(folder: Path) -> LabelMap:
    labels, affine = read_nifti(folder / "labels.nii.gz")
    soft_file = folder / "soft.nii.gz"
    facts = read_json(folder / "segmentation.json")
    return LabelMap(
        labels=np.asarray(labels, np.uint8),
        affine=affine,
        method=facts["method"],
        soft=np.asarray(read_nifti(soft_file)[0], np.float32) if soft_file.exists() else None,
        notes=notes_from_json(facts["notes"]),
    )


def write_surface(folder: Path, surface: Surface) -> None:
    write_polydata(folder / "surface.vtp", surface.points, triangles=surface.triangles)


def read_surface(folder: Path) -> Surface:
    data = PolyData(folder / "surface.vtp")
    return Surface(data.points.astype(np.float64), data.triangles)


def _write_patched(path: Path, patched: PatchedSurface) -> None:
    write_polydata(
        path,
        patched.surface.points,
        triangles=patched.surface.triangles,
        point_arrays={"region": patched.region},
        cell_arrays={"patch": patched.patch},
    )


def _read_patched(path: Path) -> PatchedSurface:
    data = PolyData(path)
    surface = Surface(data.points.astype(np.float64), data.triangles)
    return PatchedSurface(surface, data.cell_arrays["patch"].astype(np.int32), data.point_arrays["region"].astype(np.uint8))


def _cap_from_json(entry: dict[str, Any]) -> Cap:
    return Cap(**{**entry, "center_mm": np.asarray(entry["center_mm"]), "normal": np.asarray(entry["normal"])})


def _write_centerlines(path: Path, model: LumenModel) -> None:
    lines = [(WHOLE_LINE, line) for line in model.centerlines]
    if model.aneurysm:
        lines.append((PARENT_LINE, model.aneurysm.parent_line))
        lines += [(DAUGHTER_LINE, line) for line in model.aneurysm.daughter_lines]
    starts = np.cumsum([0] + [len(line.points_mm) for _, line in lines])
    write_polydata(
        path,
        np.concatenate([line.points_mm for _, line in lines]),
        lines=[np.arange(start, stop) for start, stop in itertools.pairwise(starts)],
        point_arrays={"radius_mm": np.concatenate([line.radius_mm for _, line in lines])},
        cell_arrays={
            "kind": np.array([kind for kind, _ in lines], np.int32),
            "start_cap": np.array([line.start_cap for _, line in lines], np.int32),
            "end_cap": np.array([line.end_cap for _, line in lines], np.int32),
        },
    )


def _read_centerlines(path: Path) -> dict[int, list[Centerline]]:
    data = PolyData(path)
    lines: dict[int, list[Centerline]] = {WHOLE_LINE: [], PARENT_LINE: [], DAUGHTER_LINE: []}
    arrays = (data.cell_arrays[name] for name in ("kind", "start_cap", "end_cap"))
    for ids, kind, start, end in zip(data.lines, *arrays, strict=True):
        lines[int(kind)].append(Centerline(int(start), int(end), data.points[ids], data.point_arrays["radius_mm"][ids]))
    return lines


def _write_ostium(path: Path, ostium: Ostium) -> None:
    fan, rim = ostium.surface, ostium.neck_line_mm
    ids = np.arange(len(rim)) + len(fan.points)
    write_polydata(path, np.concatenate([fan.points, rim]), triangles=fan.triangles, lines=[np.append(ids, ids[0])])


def write_model(folder: Path, model: LumenModel) -> None:
    _write_patched(folder / "lumen.vtp", model.lumen)
    _write_patched(folder / "extended.vtp", model.extended)
    _write_centerlines(folder / "centerlines.vtp", model)
    caps = {"caps": [asdict(cap) for cap in model.caps], "extended_caps": [asdict(cap) for cap in model.extended_caps]}
    write_json(folder / "caps.json", caps)
    aneurysm: dict[str, Any] | None = None
    if model.aneurysm:
        ostium = model.aneurysm.ostium
        _write_ostium(folder / "ostium.vtp", ostium)
        kept = ("center_mm", "normal", "origin", "confidence")
        aneurysm = {"kind": model.aneurysm.kind, "ostium": {key: getattr(ostium, key) for key in kept}}
    candidates = [asdict(candidate) for candidate in model.candidates]
    write_json(folder / "model.json", {"aneurysm": aneurysm, "candidates": candidates, "notes": notes_to_json(model.notes)})


def _read_aneurysm(folder: Path, facts: dict[str, Any], lines: dict[int, list[Centerline]]) -> Aneurysm:
    data = PolyData(folder / "ostium.vtp")
    rim = data.lines[0][:-1]
    fan_size = len(data.points) - len(rim)
    ostium = Ostium(
        surface=Surface(data.points[:fan_size], data.triangles),
        neck_line_mm=data.points[rim],
        center_mm=np.asarray(facts["ostium"]["center_mm"]),
        normal=np.asarray(facts["ostium"]["normal"]),
        origin=facts["ostium"]["origin"],
        confidence=facts["ostium"]["confidence"],
    )
    return Aneurysm(ostium, facts["kind"], lines[PARENT_LINE][0], tuple(lines[DAUGHTER_LINE]))


def read_model(folder: Path) -> LumenModel:
    facts = read_json(folder / "model.json")
    caps = read_json(folder / "caps.json")
    lines = _read_centerlines(folder / "centerlines.vtp")
    return LumenModel(
        lumen=_read_patched(folder / "lumen.vtp"),
        caps=tuple(_cap_from_json(entry) for entry in caps["caps"]),
        centerlines=tuple(lines[WHOLE_LINE]),
        aneurysm=_read_aneurysm(folder, facts["aneurysm"], lines) if facts["aneurysm"] else None,
        extended=_read_patched(folder / "extended.vtp"),
        extended_caps=tuple(_cap_from_json(entry) for entry in caps["extended_caps"]),
        notes=notes_from_json(facts["notes"]),
        candidates=tuple(
            Candidate(**{**entry, "center_mm": tuple(entry["center_mm"])}) for entry in facts.get("candidates", [])
        ),
    )


def write_morphology(folder: Path, morphology: Morphology) -> None:
    content = {
        "quantities": measures_to_json(morphology.measures),
        "construction": {name: [list(end) for end in segment] for name, segment in morphology.construction.items()},
        "learned": measures_to_json(morphology.learned),
        "learned_by": morphology.learned_by,
        "notes": notes_to_json(morphology.notes),
    }
    write_json(folder / "morphology.json", content)


def read_morphology(folder: Path) -> Morphology:
    content = read_json(folder / "morphology.json")
    return Morphology(
        measures=measures_from_json(content["quantities"]),
        construction={name: (tuple(start), tuple(end)) for name, (start, end) in content["construction"].items()},
        notes=notes_from_json(content["notes"]),
        learned=measures_from_json(content.get("learned", [])),
        learned_by=content.get("learned_by", ""),
    )


def write_boundary(folder: Path, boundary: BoundaryConditions) -> None:
    content = asdict(replace(boundary, notes=()))
    write_json(folder / "boundary.json", {**content, "notes": notes_to_json(boundary.notes)})


def read_boundary(folder: Path) -> BoundaryConditions:
    content = read_json(folder / "boundary.json")
    return BoundaryConditions(
        inlets=tuple(InletCondition(**{**entry, "waveform": _waveform(entry["waveform"])}) for entry in content["inlets"]),
        outlets=tuple(OutletCondition(**entry) for entry in content["outlets"]),
        blood=Blood(**content["blood"]),
        waveform=_waveform(content["waveform"]),
        notes=notes_from_json(content["notes"]),
    )


def _waveform(entry: dict[str, Any] | None) -> Waveform | None:
    if entry is None:
        return None
    return Waveform(**{**entry, "phase": np.asarray(entry["phase"]), "ratio": np.asarray(entry["ratio"])})


def write_flow(folder: Path, flow: FlowSolution) -> None:
    write_polydata(
        folder / "wall.vtp",
        flow.wall.points,
        triangles=flow.wall.triangles,
        point_arrays={"region": flow.region, **flow.wall_fields},
    )
    field = flow.volume
    write_voxels(folder / "volume.vtu", field.points_mm, field.voxels, {"velocity": field.velocity, "pressure": field.pressure})
    content = {
        "quantities": measures_to_json(flow.measures),
        "numerics": dict(flow.numerics),
        "history": dict(flow.history),
        "notes": notes_to_json(flow.notes),
    }
    write_json(folder / "hemodynamics.json", content)


def read_flow(folder: Path) -> FlowSolution:
    wall = PolyData(folder / "wall.vtp")
    points, voxels, fields = read_voxels(folder / "volume.vtu")
    content = read_json(folder / "hemodynamics.json")
    return FlowSolution(
        wall=Surface(wall.points.astype(np.float64), wall.triangles),
        region=wall.point_arrays.pop("region").astype(np.uint8),
        wall_fields=wall.point_arrays,
        volume=VolumeField(points.astype(np.float64), fields["velocity"], fields["pressure"], voxels),
        measures=measures_from_json(content["quantities"]),
        history={name: np.asarray(series) for name, series in content["history"].items()},
        numerics=content["numerics"],
        notes=notes_from_json(content["notes"]),
    )


def read_flow_measures(folder: Path) -> tuple[Measure, ...]:
    """The numbers of a simulation without its fields."""
    return measures_from_json(read_json(folder / "hemodynamics.json")["quantities"])


def write_notes(path: Path, notes: Iterable[Note]) -> None:
    write_json(path, {"notes": notes_to_json(notes)})
