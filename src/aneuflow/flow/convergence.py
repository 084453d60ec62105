"""When a simulation has settled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from aneuflow.types import FloatArray


def relative_change(now: npt.NDArray[np.floating], before: npt.NDArray[np.floating]) -> float:
    """L2 distance of two fields over the norm of the first; infinite where that is zero."""
    scale = float(np.linalg.norm(now))
    return float(np.linalg.norm(np.subtract(now, before))) / scale if scale > 0.0 else float("inf")


def settled(history: Sequence[Sequence[float]], window: int, tolerance: FloatArray) -> tuple[bool, float, float]:
    """Whether each monitored number changed less than its tolerance over the last `window` entries, and by how much they did.

    history: entries of the same numbers; a number's change is its range over the window by its mean magnitude. tolerance: of
    each of them. Returns with it the largest change, and the largest over its tolerance.
    """
    if len(history) <= window:
        return False, float("inf"), float("inf")
    recent = np.asarray(history[-(window + 1) :], dtype=np.float64)
    change = np.ptp(recent, axis=0) / np.maximum(np.abs(recent).mean(axis=0), 1e-300)
    missed = float((change / tolerance).max())
    return missed < 1.0, float(change.max()), missed


def wavers_about_a_mean(history: Sequence[Sequence[float]], block: int, tolerance: FloatArray, least: FloatArray) -> int:
    """Over how many of the last blocks the monitored numbers swing about means that stay, as where no steady flow exists; or 0.

    The fewest blocks, an even number, of which the two halves agree: their means must differ by less than `least`, or by less
    than `tolerance` and less than half of the swing in the last: what creeps one way does not.
    """
    entries = np.asarray(history, dtype=np.float64)
    for blocks in range(2, len(entries) // block + 1, 2):
        before, last = entries[-blocks * block :].reshape(2, blocks // 2 * block, -1)
        scale = np.maximum(np.abs(last).mean(axis=0), 1e-300)
        change, swing = np.abs(last.mean(axis=0) - before.mean(axis=0)) / scale, np.ptp(last, axis=0) / scale
        if ((change < least) | ((change < tolerance) & (change < 0.5 * swing))).all():
            return blocks
    return 0


def checks_left(history: Sequence[Sequence[float]], window: int, tolerance: FloatArray) -> float:
    """How many more entries `settled` will need, by the rate at which the changes have fallen over the last window."""
    fewest = max(float(window + 1 - len(history)), 1.0)
    now, before = settled(history, window, tolerance)[2], settled(history[:-1], window, tolerance)[2]
    if not np.isfinite(before) or now <= 1.0:
        return fewest
    rate = np.log(before / now) if before > now else 0.0
    return float(np.clip(np.log(now) / max(rate, 1e-9), fewest, 4.0 * window))
