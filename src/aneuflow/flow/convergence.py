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
