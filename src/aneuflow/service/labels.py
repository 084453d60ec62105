"""What a reader paints on the wall of a case: as the page asks for it, and as it gives it back."""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from aneuflow.case.label_store import (
    CLASSES,
    LUMEN,
    OtherWall,
    WallLabels,
    is_label,
    label_file,
    read_label_file,
    read_lumen,
    surface_key,
    write_labels,
)
from aneuflow.errors import InputError
from aneuflow.service.access import PERMISSIONS
from aneuflow.service.models import CaseFile
from aneuflow.service.problems import Problem
from aneuflow.service.publish import keep_file
from aneuflow.service.system import System


class Painted(BaseModel):
    """`label`: base64 of a byte for each point of model/lumen.vtp, 0 not marked, k the k-th class; `surface` as given."""

    surface: str = Field(pattern="^[0-9a-f]{64}$")
    label: str


def labels_seen(file: Path, lumen: Path) -> dict[str, Any]:
    """One reader's labels as the page takes them; `label` is null where there are none on this lumen.

    `is_stale`: there are some, painted before the model was made anew. Raises InputError where they cannot be read.
    """
    seen = {"surface": surface_key(read_lumen(lumen)), "classes": CLASSES, "label": None, "is_stale": False}
    if not file.exists():
        return seen
    try:
        found = read_label_file(file, lumen)
    except OtherWall:
        return {**seen, "is_stale": True}
    if found.classes != CLASSES:
        names = ", ".join(found.classes)
        raise InputError(f"{file.name} has the classes {names}, not those painted here; give another reader's name.")
    return {**seen, "label": base64.b64encode(found.label.tobytes()).decode()}


def checked_labels(given: Painted, lumen: Path) -> WallLabels:
    """What was painted. Raises Problem where the model was made anew meanwhile, InputError where it does not fit the lumen."""
    surface = read_lumen(lumen)
    if given.surface != surface_key(surface):
        raise Problem(409, "labels_other_wall")
    try:
        label = np.frombuffer(base64.b64decode(given.label, validate=True), np.uint8)
    except (binascii.Error, ValueError):
        raise InputError("The labels are no base64; send a byte for each point of the lumen in base64.") from None
    if len(label) != len(surface.points):
        raise InputError(f"{len(label)} labels were sent for {len(surface.points)} points of the lumen; send one for each.")
    if label.max(initial=0) > len(CLASSES):
        raise InputError(f"Label {label.max()} is none of the {len(CLASSES)} classes; send 0 to {len(CLASSES)}.")
    return WallLabels(label)


def may_see_file(role: str, path: str) -> bool:
    """Readings are independent: the files of readers' labels are for who manages the project, not for other readers."""
    return not is_label(path) or "manage" in PERMISSIONS[role]


def own_labels(system: System, case_id: str, case_label: str, reader: str) -> dict[str, Any]:
    """`labels_seen` of a stored case, named `case_label`. Raises Problem where it has no model."""
    with _laid_out(system, case_id, case_label, reader) as folder:
        return labels_seen(label_file(folder, reader), folder / LUMEN)


def keep_labels(system: System, case_id: str, case_label: str, reader: str, given: Painted) -> int:
    """Keep what a reader painted on a stored case in place of what that reader had; gives how many points are marked."""
    with _laid_out(system, case_id, case_label, reader) as folder:
        labels = checked_labels(given, folder / LUMEN)
        write_labels(folder, reader, labels)
        file = label_file(folder, reader)
        keep_file(system, case_id, file.relative_to(folder).as_posix(), file)
        return int((labels.label > 0).sum())


@contextmanager
def _laid_out(system: System, case_id: str, case_label: str, reader: str) -> Iterator[Path]:
    """For a moment a folder with the lumen of a stored case and the reader's labels on it."""
    with tempfile.TemporaryDirectory(dir=system.settings.passing) as name:
        folder = Path(name)
        own = label_file(folder, reader).relative_to(folder).as_posix()
        with system.database.reading() as session:
            found = {path: session.get(CaseFile, (case_id, path)) for path in (LUMEN, own)}
        if found[LUMEN] is None:
            raise Problem(409, "no_model", label=case_label)
        for path, file in found.items():
            if file is not None:
                (folder / path).parent.mkdir()
                system.objects.fetch(file.sha256, folder / path)
        yield folder
