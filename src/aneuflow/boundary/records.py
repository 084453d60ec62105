"""Measured curves over time with named units: CSV and JSON tables, and DICOM waveform objects."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aneuflow.boundary.time_axis import check_rising
from aneuflow.errors import InputError
from aneuflow.types import PA_PER_MMHG, FloatArray

Quantity = Literal["velocity", "pressure", "flow"]

# Unit to (quantity, factor to SI). In a CSV header a unit may also be written as its letters: velocity_cm_s.
UNITS: Mapping[str, tuple[str, float]] = {
    "s": ("time", 1.0),
    "ms": ("time", 1e-3),
    "cm/s": ("velocity", 1e-2),
    "m/s": ("velocity", 1.0),
    "mm/s": ("velocity", 1e-3),
    "mmHg": ("pressure", PA_PER_MMHG),
    "mm[Hg]": ("pressure", PA_PER_MMHG),
    "Pa": ("pressure", 1.0),
    "kPa": ("pressure", 1e3),
    "mL/s": ("flow", 1e-6),
    "mL/min": ("flow", 1e-6 / 60.0),
    "L/min": ("flow", 1e-3 / 60.0),
    "mm": ("length", 1e-3),
    "cm": ("length", 1e-2),
    "deg": ("angle", 1.0),
}
_SPELLED = {re.sub(r"\W+", "_", unit).strip("_").lower(): unit for unit in UNITS}
_COLUMN = re.compile(r"^(?P<name>.*?)\s*[\[(](?P<unit>.+)[\])]$")
_FACT = re.compile(r"^#\s*(?P<name>\w+)\s*[:=]\s*(?P<value>.+)$")
# What no artery of the head has, whatever the direction: then the unit is wrong.
HIGHEST = {"velocity": 5.0, "pressure": 40e3, "flow": 60e-6}
_SHOWN = {"velocity": ("cm/s", 1e2), "pressure": ("mmHg", 1.0 / PA_PER_MMHG), "flow": ("mL/s", 1e6)}
_LEAST_ROWS = 4


@dataclass(frozen=True, eq=False)
class Curve:
    """values (n,) float64, SI. kind: of a velocity "peak" (the envelope) or "mean" (over the section); "" where not said."""

    quantity: Quantity
    kind: str
    values: FloatArray


@dataclass(frozen=True, eq=False)
class Record:
    """Curves over the same times (n,), s ascending; the vessel's diameter and the insonation angle where they are recorded."""

    name: str
    time_s: FloatArray
    curves: tuple[Curve, ...]
    diameter_mm: float | None = None
    angle_deg: float | None = None

    def of(self, quantity: Quantity) -> tuple[Curve, ...]:
        return tuple(curve for curve in self.curves if curve.quantity == quantity)


@dataclass(frozen=True, eq=False)
class Records:
    """What was measured, by the cap it was measured at; None where no cap is named."""

    doppler: Mapping[int | None, Record] = field(default_factory=dict)
    pressure: Mapping[int | None, Record] = field(default_factory=dict)


def parse_place(text: str) -> tuple[int | None, str]:
    """Cap id and file of 'FILE' or 'CAP=FILE'."""
    cap, equals, path = text.partition("=")
    return (int(cap), path) if equals and cap.strip().isdecimal() else (None, text)


def read_records(folder: Path, names: Sequence[str]) -> dict[int | None, Record]:
    """The records 'FILE' or 'CAP=FILE' below a folder, by cap.

    Raises InputError where two are for one place, or as `read_record` does.
    """
    records: dict[int | None, Record] = {}
    for cap, path in map(parse_place, names):
        if cap in records:
            place = "no cap" if cap is None else f"cap {cap}"
            raise InputError(f"Two records are given for {place}; write CAP=FILE with another cap for each.")
        records[cap] = read_record(folder / path)
    return records


def read_record(path: Path | str) -> Record:
    """The record in a CSV table, a JSON file or a DICOM waveform object, by the file's content.

    CSV: a column t_s or t_ms and columns such as peak_velocity_cm_s, mean_velocity_cm_s, pressure_mmHg, flow_mL_s, or with
    the unit in brackets; lines `# diameter_mm: 3.2` and `# angle_deg: 30` state facts. JSON: {"time": {"unit", "values"},
    "velocity": {"unit", "kind", "values"}, "pressure": {...} or a list of such, "diameter": {"unit", "value"}, "angle": {...}}.
    Raises InputError naming file, place and value: unreadable, unknown or mixed units, times that repeat or run backward,
    values that are no finite numbers or that no artery has, fewer than 4 rows.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"Record {path.name} cannot be read ({error.strerror}); check the path.") from None
    if content[128:132] == b"DICM":
        return checked(_from_dicom(path))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"Record {path.name} is neither text nor DICOM; give CSV, JSON or a DICOM waveform.") from None
    return checked(_from_json(text, path.name) if text.lstrip().startswith("{") else _from_csv(text, path.name))


def record_to_json(record: Record) -> dict[str, Any]:
    """What `read_record` reads back as the same record; nothing of a DICOM header but its curves."""
    content: dict[str, Any] = {"time": {"unit": "s", "values": record.time_s.tolist()}}
    units = {"velocity": "m/s", "pressure": "Pa", "flow": "mL/s"}
    for quantity, unit in units.items():
        curves = [
            {"unit": unit, "kind": curve.kind, "values": (curve.values / UNITS[unit][1]).tolist()}
            for curve in record.curves
            if curve.quantity == quantity
        ]
        content |= {quantity: curves} if curves else {}
    content |= {} if record.diameter_mm is None else {"diameter": {"unit": "mm", "value": record.diameter_mm}}
    return content | ({} if record.angle_deg is None else {"angle": {"unit": "deg", "value": record.angle_deg}})


def checked(record: Record) -> Record:
    """The record from time zero. Raises InputError as `read_record` does."""
    name, time = record.name, record.time_s
    if len(time) < _LEAST_ROWS:
        raise InputError(f"Record {name} has {len(time)} rows; at least {_LEAST_ROWS} are needed to describe a heartbeat.")
    for what, values in (("time", time), *((curve.quantity, curve.values) for curve in record.curves)):
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            raise InputError(f"Record {name} has no finite number for {what} in row {wrong[0] + 1}; correct or leave it out.")
    check_rising(time, f"record {name}", " s")
    if not record.curves:
        raise InputError(f"Record {name} has no velocity, pressure or flow; name a column such as peak_velocity_cm_s.")
    for curve in record.curves:
        highest, (unit, factor) = float(np.abs(curve.values).max()), _SHOWN[curve.quantity]
        if highest > HIGHEST[curve.quantity]:
            raise InputError(
                f"Record {name} has a {curve.quantity} of {highest * factor:.4g} {unit}, which no artery of the head has (at "
                f"most {HIGHEST[curve.quantity] * factor:.3g}); check its unit."
            )
    return replace(record, time_s=time - time[0])


def unit_of(text: str, where: str) -> tuple[str, float]:
    """Quantity and factor to SI of a unit. Raises InputError naming the place where it is not known."""
    for unit, meaning in UNITS.items():
        if text.strip().lower() == unit.lower():
            return meaning
    raise InputError(f"The unit '{text}' of {where} is not known; use one of {', '.join(UNITS)}.")


def _from_csv(text: str, name: str) -> Record:
    facts = [match for line in text.splitlines() if (match := _FACT.match(line.strip()))]
    rows = list(csv.reader(line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")))
    if not rows:
        raise InputError(f"Record {name} is empty; write a header such as t_s,peak_velocity_cm_s and one row a moment.")
    columns = [_column(cell.strip(), name) for cell in rows[0]]
    values = np.array([[_number(row, place) for place in range(len(columns))] for row in rows[1:]]).reshape(-1, len(columns))
    times = [place for place, (_, quantity, _) in enumerate(columns) if quantity == "time"]
    if len(times) != 1:
        raise InputError(f"Record {name} needs exactly one column of time, t_s or t_ms; it has {len(times)}.")
    curves = [
        Curve(quantity, _kind(label), factor * values[:, place])  # type: ignore[arg-type]
        for place, (label, (quantity, factor)) in enumerate((label, (q, f)) for label, q, f in columns)
        if quantity in HIGHEST
    ]
    _refuse_mixed([label for label, quantity, _ in columns if quantity in HIGHEST], rows[0], name)
    given = {}
    for fact in facts:
        for quantity, wanted in (("length", "diameter"), ("angle", "angle")):
            if fact["name"].lower().startswith(wanted):
                _, found, factor = _column(fact["name"], name)
                given[wanted] = _fact_value(fact["value"], factor, found == quantity, fact["name"], name)
    diameter = given.get("diameter")
    time = columns[times[0]][2] * values[:, times[0]]
    return Record(name, time, tuple(curves), None if diameter is None else 1e3 * diameter, given.get("angle"))


def _column(header: str, name: str) -> tuple[str, str, float]:
    """Label, quantity and factor of a column's header. Raises InputError where it names no unit that is known."""
    bracketed = _COLUMN.match(header)
    if bracketed:
        return (bracketed["name"].lower(), *unit_of(bracketed["unit"], f"column {header} of record {name}"))
    words = header.split("_")
    for count in range(1, len(words)):
        spelled = "_".join(words[count:]).lower()
        if spelled in _SPELLED:
            return ("_".join(words[:count]).lower(), *UNITS[_SPELLED[spelled]])
    raise InputError(f"Column '{header}' of record {name} names no unit; write such as t_s, velocity_cm_s or pressure_mmHg.")


def _refuse_mixed(labels: list[str], headers: list[str], name: str) -> None:
    doubled = [label for label in labels if labels.count(label) > 1]
    if doubled:
        raise InputError(
            f"Record {name} gives '{doubled[0]}' more than once ({', '.join(map(str.strip, headers))}); keep one unit of each."
        )


def _number(row: list[str], place: int) -> float:
    try:
        return float(row[place])
    except (ValueError, IndexError):
        return float("nan")


def _fact_value(text: str, factor: float, fits: bool, label: str, name: str) -> float:
    try:
        value = factor * float(text)
    except ValueError:
        fits = False
    if not fits:
        raise InputError(f"'{label}: {text}' of record {name} is no number with a unit; write such as # diameter_mm: 3.2.")
    return value


def _kind(label: str) -> str:
    return next((kind for kind in ("peak", "mean") if kind in label.lower()), "")


def _from_json(text: str, name: str) -> Record:
    try:
        content = json.loads(text)
        time = _json_values(content["time"], "time", name)
        entries = [
            (quantity, entry)
            for quantity in HIGHEST
            if quantity in content
            for entry in (content[quantity] if isinstance(content[quantity], list) else [content[quantity]])
        ]
        curves = [
            Curve(quantity, _kind(str(entry.get("kind", ""))), _json_values(entry, quantity, name))  # type: ignore[arg-type]
            for quantity, entry in entries
        ]
        for curve in curves:
            if len(curve.values) != len(time):
                raise InputError(f"Record {name} has {len(time)} times and {len(curve.values)} values of {curve.quantity}.")
        diameter = _json_fact(content, "diameter", "length", name)
        angle = _json_fact(content, "angle", "angle", name)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"Record {name} is no JSON ({error}); correct that place.") from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(
            f"Record {name} lacks or misspells an entry ({error}); write each as an object with unit and values."
        ) from None
    return Record(name, time, tuple(curves), None if diameter is None else 1e3 * diameter, angle)


def _json_values(entry: dict[str, Any], quantity: str, name: str) -> FloatArray:
    found, factor = unit_of(str(entry["unit"]), f"{quantity} in record {name}")
    if found != quantity:
        raise InputError(f"The {quantity} of record {name} has the unit {entry['unit']}, which is one of {found}; correct it.")
    values = [np.nan if value is None else float(value) for value in entry["values"]]
    return factor * np.array(values, dtype=np.float64)


def _json_fact(content: dict[str, Any], key: str, quantity: str, name: str) -> float | None:
    if key not in content:
        return None
    return float(_json_values({"unit": content[key]["unit"], "values": [content[key]["value"]]}, quantity, name)[0])


def _from_dicom(path: Path) -> Record:
    """The first multiplex group that holds a velocity, a pressure or a flow; channels by their UCUM unit."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        dataset = pydicom.dcmread(path)
        groups = list(dataset.get("WaveformSequence", []))
        for index, group in enumerate(groups):
            channels = [_channel(channel) for channel in group.ChannelDefinitionSequence]
            wanted = [(place, channel) for place, channel in enumerate(channels) if channel is not None]
            if not wanted:
                continue
            samples = np.asarray(dataset.waveform_array(index), dtype=np.float64)
            time = np.arange(len(samples)) / float(group.SamplingFrequency)
            curves = tuple(Curve(q, kind, factor * samples[:, place]) for place, (q, kind, factor) in wanted)  # type: ignore[arg-type]
            return Record(path.name, time, curves)
    except (InvalidDicomError, AttributeError, ValueError, KeyError, NotImplementedError, TypeError, IndexError) as error:
        raise InputError(f"DICOM waveform {path.name} cannot be read ({error}); export the curve as CSV instead.") from None
    raise InputError(
        f"DICOM file {path.name} has no waveform of velocity, pressure or flow with a unit; export the curve as CSV instead."
    )


def _channel(channel: Any) -> tuple[str, str, float] | None:
    """Quantity, kind and factor of a channel; None where its unit is none of ours."""
    units = channel.get("ChannelSensitivityUnitsSequence")
    meaning = UNITS.get(str(units[0].CodeValue)) if units else None
    if meaning is None or meaning[0] not in HIGHEST:
        return None
    source = channel.get("ChannelSourceSequence")
    label = str(channel.get("ChannelLabel", "")) + " " + (str(source[0].get("CodeMeaning", "")) if source else "")
    return meaning[0], _kind(label), meaning[1]
