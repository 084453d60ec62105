"""What readers painted on the wall: risk-labels/READER.vtp, the lumen of the model with a class at each of its points."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aneuflow.case.files import PolyData, write_polydata
from aneuflow.errors import InputError, ResourceError
from aneuflow.types import ByteArray, Surface

FOLDER, LUMEN = "risk-labels", "model/lumen.vtp"
CLASSES = ("low_shear", "impingement", "suspicious")
_READER, _CLASS = r"[A-Za-z0-9-]{1,32}", r"[a-z][a-z0-9_]{0,31}"


class OtherWall(InputError):
    """Labels were painted on another surface than the model's lumen now is."""


@dataclass(frozen=True)
class WallLabels:
    """`label` (n,) uint8 at the points of the model's lumen: 0 not marked, k the k-th of `classes`."""

    label: ByteArray
    classes: tuple[str, ...] = CLASSES


def label_file(case: Path, reader: str) -> Path:
    """Where the labels of a reader lie. Raises InputError where the name is none that a file can bear."""
    if not re.fullmatch(_READER, reader):
        raise InputError(f"Reader {reader!r} is no name for labels; give 1 to 32 letters (A to Z), digits or dashes.")
    return case / FOLDER / f"{reader}.vtp"


def is_label(path: str) -> bool:
    """Whether a path within a case folder is that of a reader's labels."""
    return path.startswith(f"{FOLDER}/")


def surface_key(surface: Surface) -> str:
    """What is the same for two surfaces only where all their points and triangles are."""
    points, triangles = surface.points.astype("<f8"), surface.triangles.astype("<i4")
    return hashlib.sha256(points.tobytes() + triangles.tobytes()).hexdigest()


def read_lumen(lumen: Path) -> Surface:
    """The surface that is painted on."""
    data = PolyData(lumen)
    return Surface(data.points, data.triangles)


def read_labels(case: Path) -> dict[str, WallLabels]:
    """The labels of each reader of a case folder, by name; empty where nobody has painted.

    Raises InputError where labels cannot be read, OtherWall where they were painted before the model was made anew.
    """
    files = sorted((case / FOLDER).glob("*.vtp"))
    return {file.stem: read_label_file(label_file(case, file.stem), case / LUMEN) for file in files}


def read_label_file(file: Path, lumen: Path) -> WallLabels:
    """One reader's labels on the points of `lumen`. Raises InputError as `read_labels` does."""
    data = PolyData(file)
    label, classes = data.point_arrays.get("label"), data.words.get("classes", ())
    are_named = len(set(classes)) == len(classes) > 0 and all(re.fullmatch(_CLASS, name) for name in classes)
    if label is None or label.dtype != np.uint8 or label.ndim != 1 or not are_named:
        raise InputError(f"{file} has no point array label (uint8) with field data classes that name it; paint it anew.")
    if label.max(initial=0) > len(classes):
        raise InputError(f"{file} has label {label.max()} where {len(classes)} classes are named; correct its labels.")
    if surface_key(Surface(data.points, data.triangles)) != surface_key(read_lumen(lumen)):
        raise OtherWall(f"{file} was painted on another surface than {LUMEN} now is; paint it anew on the model made since.")
    return WallLabels(label, tuple(classes))


def write_labels(case: Path, reader: str, labels: WallLabels) -> None:
    """Keep a reader's labels in a case folder, in place of what that reader had painted before."""
    write_label_file(label_file(case, reader), case / LUMEN, labels)


def write_label_file(file: Path, lumen: Path, labels: WallLabels) -> None:
    """Write labels with the surface they are on, atomically. Raises ResourceError where that fails."""
    wall = PolyData(lumen)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(exist_ok=True)
        write_polydata(
            temporary,
            wall.points,
            triangles=wall.triangles,
            point_arrays={**wall.point_arrays, "label": labels.label},
            cell_arrays=wall.cell_arrays,
            words={"classes": labels.classes},
        )
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(file)
    except OSError as error:
        raise ResourceError(f"Cannot write {file}: {error.strerror}; free space, then save again.") from error
    finally:
        temporary.unlink(missing_ok=True)
