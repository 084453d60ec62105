"""The times of a table, which must rise from row to row."""

from __future__ import annotations

import numpy as np

from aneuflow.errors import InputError
from aneuflow.types import FloatArray


def check_rising(time: FloatArray, table: str, unit: str = "") -> None:
    """Raises InputError naming the first row whose time (n,) is not later than that before; `unit` follows the numbers."""
    wrong = np.flatnonzero(np.diff(time) <= 0.0)
    if len(wrong):
        row = int(wrong[0]) + 1
        verb = "repeats" if time[row] == time[row - 1] else "runs backward"
        raise InputError(
            f"Time {verb} in row {row + 1} of {table} ({time[row - 1]:g}{unit}, then {time[row]:g}{unit}); "
            "sort the rows by time."
        )
