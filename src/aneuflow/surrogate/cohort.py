"""The shapes a database is made from, and which patients train, validate and test."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aneuflow.errors import InputError

SPLITS = ("train", "validation", "test")
TEST_PART = VALIDATION_PART = 0.15
LIST, INTRA_INDEX, INTRA_FOLDER = "cohort.csv", "annotated_index.json", "annotated"
COLUMNS = ("name", "patient", "surface")


@dataclass(frozen=True)
class Source:
    """One base shape: its name, whose it is (its own, where it is ideal), and its surface file (mm)."""

    name: str
    patient: str
    file: Path
    ideal: bool = False


def read_sources(folder: Path) -> tuple[Source, ...]:
    """The shapes of a folder: its cohort.csv (name, patient, surface), else the IntrA segments of true scale.

    Raises InputError where the folder is neither, a column or a file is missing, or a name comes twice.
    """
    if (folder / LIST).is_file():
        sources = _listed(folder)
    elif (folder / INTRA_INDEX).is_file():
        entries = json.loads((folder / INTRA_INDEX).read_text("utf-8"))
        sources = tuple(
            Source(entry["name"], entry["artery_id"], folder / INTRA_FOLDER / f"{entry['name']}.npz")
            for entry in entries
            if entry["true_scale"]
        )
    else:
        raise InputError(f"{folder} has neither {LIST} nor IntrA's {INTRA_INDEX}; give a folder of shapes (docs/database.md).")
    names = [source.name for source in sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{folder} names the shape {twice[0]} twice; give each a name of its own.")
    lost = next((source.file for source in sources if not source.file.is_file()), None)
    if lost is not None:
        raise InputError(f"{lost} is missing; every shape that is listed needs its surface.")
    return sources


def is_intra(folder: Path) -> bool:
    """Whether `read_sources` takes the shapes of a folder as IntrA's."""
    return not (folder / LIST).is_file()


def _listed(folder: Path) -> tuple[Source, ...]:
    with (folder / LIST).open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream, skipinitialspace=True))
    if not rows or any(not row.get(column) for row in rows for column in COLUMNS):
        raise InputError(f"{folder / LIST} needs the columns {', '.join(COLUMNS)} and a value in each of every line.")
    for row in rows:
        if not row["name"].replace("-", "").replace("_", "").isalnum():
            raise InputError(f"{folder / LIST} names a shape {row['name']!r}; use letters, digits, - and _ alone.")
    return tuple(Source(row["name"], row["patient"], folder / row["surface"]) for row in rows)


def split_by_patient(patients: Iterable[str], seed: int) -> dict[str, str]:
    """The split of each patient, by chance: 15 % test, 15 % validation (one each at least), the rest trains.

    Raises InputError for fewer than three patients.
    """
    known = sorted(set(patients))
    if len(known) < 3:
        raise InputError(f"The shapes are of {len(known)} patients; to train, validate and test it takes three at least.")
    order = np.random.default_rng(seed).permutation(len(known))
    tests, validations = (max(1, round(part * len(known))) for part in (TEST_PART, VALIDATION_PART))
    split = dict.fromkeys(known, "train")
    split |= {known[k]: "test" for k in order[:tests]}
    split |= {known[k]: "validation" for k in order[tests : tests + validations]}
    return split
