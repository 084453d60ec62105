"""The user's input file: what kind it is, its fingerprint, and its entry into a case."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aneuflow.boundary import is_bundled, parse_place, read_record, read_waveform, record_to_json
from aneuflow.case import store
from aneuflow.case.files import write_json
from aneuflow.case.folder import CaseFolder, StageRecord, file_hash
from aneuflow.errors import InputError
from aneuflow.geometry.read_surface import read_surface
from aneuflow.imaging import read_image, read_label_map
from aneuflow.pipeline.settings import WAVEFORM_FOLDER, InputSettings
from aneuflow.report.text import note_text

SURFACE_SUFFIXES = {".stl", ".obj", ".ply", ".vtp"}
IMPORT_VERSION = 1
WAVEFORM_FILE = "waveform.csv"
_CHOICE = ("series_chosen", "series_not_taken")
FOLDERS = {"image": "image", "mask": "segmentation", "surface": "surface"}


def input_kind(path: Path, settings: InputSettings) -> str:
    """image, mask or surface. Raises InputError where the file is missing or contradicts what was said of it."""
    if not path.exists():
        raise InputError(f"Input {path} does not exist; check the path.")
    if not path.is_file() and not path.is_dir():
        raise InputError(f"Input {path} is a device or a pipe; give a file or a folder.")
    is_surface = path.suffix.lower() in SURFACE_SUFFIXES
    if settings.kind == "auto":
        return "surface" if is_surface else "image"
    if is_surface != (settings.kind == "surface"):
        found = "a surface" if is_surface else "no surface (STL, OBJ, PLY, VTP)"
        raise InputError(
            f"Input {path.name} was said to be of kind {settings.kind}, but by its name it is {found}; correct one of them."
        )
    return settings.kind


def fingerprint(path: Path) -> str:
    """SHA-256 over a file, or over all files of a folder in the order of their hashes, so that names play no part."""
    if path.is_file():
        return file_hash(path)
    hashes = sorted(file_hash(file) for file in path.rglob("*") if file.is_file())
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def describe(path: Path, settings: InputSettings) -> dict[str, Any]:
    """What the manifest says of the input; file names may hold patients' names and are left out."""
    return {
        "kind": input_kind(path, settings),
        "sha256": fingerprint(path),
        "settings": settings.model_dump(),
        "version": IMPORT_VERSION,
    }


def import_input(case: CaseFolder, path: Path, described: dict[str, Any], settings: InputSettings) -> StageRecord:
    """Read the input, de-identified, into the case folder; the record's reason says why this series of a study."""
    kind = described["kind"]
    folder = FOLDERS[kind]
    why = ""
    with case.writing(folder) as target:
        if kind == "surface":
            store.write_surface(target, read_surface(path, settings.units))
        elif kind == "mask":
            store.write_labels(target, read_label_map(path))
        else:
            volume = read_image(path, settings.modality)
            store.write_image(target, volume)
            why = " ".join(note_text("en", note) for note in volume.notes if note.code in _CHOICE)
    return StageRecord("done", described["sha256"], folder, case.outputs(folder), 0.0, why)


def import_waveform(case: CaseFolder, name: str, period_s: float | None) -> str:
    """Keep a waveform given as a file within the case; gives the name it has from now on. Bundled ones stay as they are.

    Raises InputError where the file is missing or no waveform.
    """
    if is_bundled(name):
        return name
    path = Path(name)
    read_waveform(path, period_s)
    with case.writing(WAVEFORM_FOLDER) as target:
        shutil.copyfile(path, target / WAVEFORM_FILE)
    case.record(WAVEFORM_FOLDER, StageRecord("done", file_hash(path), WAVEFORM_FOLDER, case.outputs(WAVEFORM_FOLDER), 0.0))
    return WAVEFORM_FILE


def import_records(case: CaseFolder, kind: str, names: Sequence[str]) -> tuple[str, ...]:
    """Keep the curves of records given as 'FILE' or 'CAP=FILE' within the case; gives the names they have from now on.

    Only the curves: a DICOM object's header holds the patient's name. kind: one of RECORDS, which is their folder too.
    Raises what `read_record` raises.
    """
    places = [parse_place(name) for name in names]
    records = [read_record(path) for _, path in places]
    kept = tuple(f"{'' if cap is None else f'{cap}='}{kind}-{number}.json" for number, (cap, _) in enumerate(places, start=1))
    with case.writing(kind) as target:
        for name, record in zip(kept, records, strict=True):
            write_json(target / parse_place(name)[1], record_to_json(record))
    outputs = case.outputs(kind)
    key = hashlib.sha256("".join(sorted(outputs.values())).encode()).hexdigest()
    case.record(kind, StageRecord("done", key, kind, outputs, 0.0))
    return kept
