"""The shape of the flow through the cardiac cycle: bundled, or from a user's table."""

from __future__ import annotations

import csv
import math
from importlib import resources
from pathlib import Path

import numpy as np
from scipy.interpolate import PchipInterpolator

from aneuflow.boundary.time_axis import check_rising
from aneuflow.errors import InputError
from aneuflow.types import FloatArray, Waveform

DEFAULT_PERIOD_S = 0.9
SAMPLES = 200


def is_bundled(name: str) -> bool:
    """Whether `name` is a waveform that comes with the package."""
    return name in bundled_names()


def bundled_names() -> tuple[str, ...]:
    """The names of the waveforms that come with the package."""
    folder = resources.files("aneuflow") / "data" / "waveforms"
    return tuple(sorted(entry.name.removesuffix(".csv") for entry in folder.iterdir() if entry.name.endswith(".csv")))


def bundled_waveform(name: str, period_s: float | None = None) -> Waveform:
    """A bundled waveform: its feature points joined by a periodic monotone cubic (Fritsch and Carlson 1980), mean 1.

    period_s: 0.9 where None. Raises InputError where no waveform has that name.
    """
    if not is_bundled(name):
        raise InputError(f"There is no waveform '{name}'; use {', '.join(bundled_names())} or the path of a CSV file.")
    text = (resources.files("aneuflow") / "data" / "waveforms" / f"{name}.csv").read_text("utf-8")
    columns = _columns(text, name)
    phase, ratio = columns["t_over_T"], columns["q_over_mean"]
    knots = np.concatenate([phase - 1.0, phase, phase + 1.0])
    even = np.arange(SAMPLES) / SAMPLES
    smooth = PchipInterpolator(knots, np.tile(ratio, 3))(even)
    return Waveform(name=name, period_s=period_s or DEFAULT_PERIOD_S, phase=even, ratio=smooth / smooth.mean())


def read_waveform(path: Path | str, period_s: float | None = None) -> Waveform:
    """The waveform of a CSV table with columns t_s or t_over_T, and q_ml_s or q_over_mean; lines starting with # are skipped.

    Only the shape is taken: it is divided by its mean over the period. Between its points the flow is linear. A last row one
    period after the first closes the cycle and must repeat its flow. period_s None: the time from first to last row of t_s
    where the last row closes the cycle, and 0.9 with t_over_T.
    Raises InputError naming file, row and value: unreadable, missing column, not a number, fewer than 4 rows, times that
    repeat or run backward or exceed the period, a mean flow that is not positive, a cycle that does not close.
    """
    name = Path(path).name
    try:
        text = Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise InputError(
            f"Waveform file {name} cannot be read as text; give a CSV table with the columns t_s and q_ml_s."
        ) from None
    columns = _columns(text, name)
    time, flow = _pick(columns, ("t_s", "t_over_T"), name), _pick(columns, ("q_ml_s", "q_over_mean"), name)
    _check_times(time, name)
    closes = math.isclose(flow[-1], flow[0], abs_tol=0.01 * float(np.abs(flow).max()))
    if "t_s" not in columns:
        length, period_s = 1.0, period_s or DEFAULT_PERIOD_S
    elif period_s is None and not closes:
        raise InputError(
            f"Waveform file {name} does not close its cycle (flow {flow[0]:g} in the first row, {flow[-1]:g} in the last); "
            "give the period with --period."
        )
    else:
        period_s = period_s or float(time[-1] - time[0])
        length = period_s
    return _normalized(name, period_s, (time - time[0]) / length, flow)


def _normalized(name: str, period_s: float, phase: FloatArray, flow: FloatArray) -> Waveform:
    if phase[-1] > 1.0 + 1e-6:
        raise InputError(
            f"Waveform file {name} spans {phase[-1]:.3g} periods of {period_s:g} s; give the right period with --period."
        )
    if phase[-1] > 1.0 - 1e-6:
        if abs(flow[-1] - flow[0]) > 0.01 * np.abs(flow).max():
            raise InputError(
                f"Waveform file {name} ends one period after its start with flow {flow[-1]:g}, not {flow[0]:g}; "
                "make the last row repeat the first, or leave it out."
            )
        phase, flow = phase[:-1], flow[:-1]
    width = np.diff(np.append(phase, 1.0))
    mean = float(np.sum(width * (flow + np.roll(flow, -1)) / 2.0))
    if not mean > 0.0:
        raise InputError(
            f"Waveform file {name} has a mean flow of {mean:.3g}; it must be positive: check the sign of the flow column."
        )
    return Waveform(name=name, period_s=period_s, phase=phase, ratio=flow / mean)


def _check_times(time: FloatArray, name: str) -> None:
    if len(time) < 4:
        raise InputError(f"Waveform file {name} has {len(time)} rows; at least 4 are needed to describe a cycle.")
    check_rising(time, f"waveform file {name}")


def _pick(columns: dict[str, FloatArray], names: tuple[str, str], file: str) -> FloatArray:
    present = [name for name in names if name in columns]
    if len(present) != 1:
        found = ", ".join(columns) or "none"
        raise InputError(
            f"Waveform file {file} needs exactly one column of {names[0]} and {names[1]}; its columns are: {found}."
        )
    return columns[present[0]]


def _columns(text: str, file: str) -> dict[str, FloatArray]:
    """The table's columns by header; a header's name loses its surrounding blanks."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows = list(csv.reader(lines))
    header = [cell.strip() for cell in rows[0]] if rows else []
    values = np.empty((len(rows) - 1 if rows else 0, len(header)))
    for index, row in enumerate(rows[1:]):
        for place, column in enumerate(header):
            cell = row[place].strip() if place < len(row) else ""
            try:
                values[index, place] = float(cell)
            except ValueError:
                values[index, place] = math.nan
            if not math.isfinite(values[index, place]):
                raise InputError(
                    f"Row {index + 1} of waveform file {file} has '{cell}' for {column}; write a finite number, as 1.25."
                )
    return {column: values[:, place] for place, column in enumerate(header)}
