"""When a simulation has settled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def relative_change(now: npt.NDArray[np.floating], before: npt.NDArray[np.floating]) -> float:
    """L2 distance of two fields over the norm of the first; infinite where that is zero."""
    scale = float(np.linalg.norm(now))
    return float(np.linalg.norm(np.subtract(now, before))) / scale if scale > 0.0 else float("inf")


def settled(history: Sequence[Sequence[float]], window: int, tolerance: float) -> tuple[bool, float]:
    """Whether each monitored number changed less than `tolerance` over the last `window` entries, and the largest change.

    history: entries of the same numbers; a number's change is its range over the window by its mean magnitude.
    """
    if len(history) <= window:
        return False, float("inf")
    recent = np.asarray(history[-(window + 1) :], dtype=np.float64)
    scale = np.maximum(np.abs(recent).mean(axis=0), 1e-300)
    change = float((np.ptp(recent, axis=0) / scale).max())
    return change < tolerance, change


def checks_left(history: Sequence[Sequence[float]], window: int, tolerance: float) -> float:
    """How many more entries `settled` will need, by the rate at which the changes have fallen over the last window."""
    fewest = max(float(window + 1 - len(history)), 1.0)
    now, before = settled(history, window, tolerance)[1], settled(history[:-1], window, tolerance)[1]
    if not np.isfinite(before) or now <= tolerance:
        return fewest
    rate = np.log(before / now) if before > now else 0.0
    return float(np.clip(np.log(now / tolerance) / max(rate, 1e-9), fewest, 4.0 * window))
