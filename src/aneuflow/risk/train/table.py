"""A cohort as a table: a CSV file, and where its columns have other names a TOML file that says what they are."""

from __future__ import annotations

import csv
import gzip
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aneuflow.errors import InputError
from aneuflow.risk.clinical import Clinical
from aneuflow.risk.origin import mark
from aneuflow.types import FloatArray

RESERVED = ("patient", "center", "ruptured")
LEAST_OF_A_CLASS = 20


@dataclass(frozen=True, eq=False)
class Cohort:
    """ruptured (n,) bool; patient (n,) int codes; center (n,) int codes of `center_names`; numbers (n,) by name, nan unknown;
    levels (n,) by name, None unknown; about: id, citation and licence as the column file gives them; dropped: rows left out;
    patient_marks: (n,) of the patients where the table names them, else empty.
    """

    ruptured: npt.NDArray[np.bool_]
    patient: npt.NDArray[np.intp]
    center: npt.NDArray[np.intp]
    center_names: tuple[str, ...]
    numbers: Mapping[str, FloatArray]
    levels: Mapping[str, list[str | None]]
    constants: Mapping[str, str]
    about: Mapping[str, str]
    dropped: int
    blanked: Mapping[str, int]
    patient_marks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ruptured)

    def rows(self, chosen: npt.NDArray[Any]) -> Cohort:
        """The cohort of these rows (indices or truths)."""
        picked = np.arange(len(self))[chosen]
        return Cohort(
            self.ruptured[picked],
            self.patient[picked],
            self.center[picked],
            self.center_names,
            {name: values[picked] for name, values in self.numbers.items()},
            {name: [values[row] for row in picked] for name, values in self.levels.items()},
            self.constants,
            self.about,
            self.dropped,
            self.blanked,
            tuple(self.patient_marks[row] for row in picked) if self.patient_marks else (),
        )


def read_columns(name: str) -> dict[str, Any]:
    """A column file: the name of one that comes with the package, or the path of a TOML file."""
    bundled = resources.files("aneuflow") / "data" / "cohorts" / f"{name}.toml"
    try:
        return tomllib.loads(
            bundled.read_text("utf-8") if "/" not in name and bundled.is_file() else Path(name).read_text("utf-8")
        )
    except OSError as error:
        raise InputError(
            f"Column file {name}: {error.strerror}; give a TOML file or one of {', '.join(bundled_columns())}."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"Column file {name} is no TOML: {error}; correct that place.") from error


def bundled_columns() -> list[str]:
    """Names of the column files that come with the package."""
    folder = resources.files("aneuflow") / "data" / "cohorts"
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def read_cohort(path: Path, columns: Mapping[str, Any] | None = None) -> Cohort:
    """The cohort of a CSV file (may be gzipped), whose columns are named by the schema or explained by `columns`.

    Raises InputError where the file is no such table, a named column is missing, or one class has under 20 cases.
    """
    rows = _read_rows(path)
    columns = columns or {"columns": {name: {"column": name} for name in rows[0] if name}}
    described = {name: entry if isinstance(entry, dict) else {"column": entry} for name, entry in columns["columns"].items()}
    for name, entry in described.items():
        if entry.get("column") not in rows[0]:
            raise InputError(f"Table {path.name} has no column {entry.get('column')!r} for {name}; correct the column file.")
    for needed in ("ruptured",):
        if needed not in described:
            raise InputError(f"Table {path.name} has no column {needed}; name it in a column file with --columns.")
    truth = [_truth(row[described["ruptured"]["column"]], described["ruptured"]) for row in rows]
    kept = [index for index, value in enumerate(truth) if value is not None]
    rows = [rows[index] for index in kept]
    ruptured = np.array([truth[index] for index in kept], dtype=bool)
    for label, count in (("ruptured", int(ruptured.sum())), ("unruptured", int((~ruptured).sum()))):
        if count < LEAST_OF_A_CLASS:
            raise InputError(
                f"Table {path.name} has {count} {label} cases; at least {LEAST_OF_A_CLASS} are needed to train on."
            )
    return _cohort(rows, ruptured, described, columns, len(truth) - len(kept))


def _cohort(
    rows: list[dict[str, str]],
    ruptured: npt.NDArray[np.bool_],
    described: dict[str, Any],
    columns: Mapping[str, Any],
    dropped: int,
) -> Cohort:
    numbers: dict[str, FloatArray] = {}
    levels: dict[str, list[str | None]] = {}
    blanked: dict[str, int] = {}
    for name, entry in described.items():
        if name in RESERVED:
            continue
        texts = [row[entry["column"]].strip() for row in rows]
        if "values" in entry or _is_level(name):
            levels[name] = [_level(text, entry) for text in texts]
        else:
            numbers[name], blanked[name] = _numbers(texts, entry)
    patient = [row[described["patient"]["column"]] for row in rows] if "patient" in described else [""] * len(rows)
    center = [row[described["center"]["column"]] for row in rows] if "center" in described else [""] * len(rows)
    names, center_codes = np.unique(center, return_inverse=True)
    # A patient who is not named is taken as one of his own.
    alone = [value or f"row {index}" for index, value in enumerate(patient)]
    return Cohort(
        ruptured=ruptured,
        patient=np.unique(alone, return_inverse=True)[1],
        center=center_codes,
        center_names=tuple(map(str, names)),
        numbers=numbers,
        levels=levels,
        constants={name: str(value) for name, value in columns.get("constants", {}).items()},
        about={name: str(columns[name]) for name in ("id", "citation", "license", "setting") if name in columns},
        dropped=dropped,
        blanked={name: count for name, count in blanked.items() if count},
        patient_marks=tuple(mark(f"patient {value}") if value else "" for value in patient) if "patient" in described else (),
    )


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
        rows = list(csv.DictReader(text.splitlines()))
    except OSError as error:
        raise InputError(f"Table {path}: {error.strerror or error}; check the path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"Table {path.name} is no CSV table ({error}); save it as UTF-8 CSV.") from error
    if not rows:
        raise InputError(f"Table {path.name} is empty; give a CSV table with a header and a case a line.")
    if any(None in row or None in row.values() for row in rows):
        raise InputError(f"Table {path.name} has lines with more or fewer fields than its header; correct them.")
    return rows


def _is_level(name: str) -> bool:
    if name not in Clinical.model_fields:
        return False
    schema = str(Clinical.model_fields[name].annotation)
    return "Literal" in schema or "bool" in schema


def _level(text: str, entry: Mapping[str, Any]) -> str | None:
    if "values" in entry:
        found = entry["values"].get(text)
        return None if found is None else str(found)
    return text.lower() or None


def _truth(text: str, entry: Mapping[str, Any]) -> bool | None:
    text = text.strip()
    if text in entry.get("yes", ["yes", "Yes", "1", "true", "True", "R"]):
        return True
    return False if text in entry.get("no", ["no", "No", "0", "false", "False", "U"]) else None


def _numbers(texts: list[str], entry: Mapping[str, Any]) -> tuple[FloatArray, int]:
    """Numbers with nan for blanks, and how many were blanked because they lie outside what is possible."""
    values = np.full(len(texts), np.nan)
    for index, text in enumerate(texts):
        try:
            values[index] = float(text)
        except ValueError:
            continue
    values[~np.isfinite(values)] = np.nan
    wrong = (values < entry.get("low", -np.inf)) | (values > entry.get("high", np.inf))
    values[wrong] = np.nan
    return values, int(wrong.sum())
