"""One heartbeat from a record: as it stands where the record holds one, averaged where it holds several."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aneuflow.errors import InputError
from aneuflow.types import FloatArray

SAMPLES = 200
SHORTEST_S, LONGEST_S = 0.3, 2.0
# A beat begins this part of its length before its steepest rise: about at the end of diastole.
_LEAD = 0.05
_RISE = 0.5  # of the steepest: rises that count as a beat's
_ODD = 0.2  # from the median length: beats that are left out
_CLOSES = 0.05  # of the range: by how much the two ends of a single cycle may differ


@dataclass(frozen=True, eq=False)
class Beat:
    """values (k, SAMPLES) of each curve at equal steps of the period; how many beats they are the mean of and were left out."""

    period_s: float
    values: FloatArray
    beats: int
    left_out: int


def one_beat(time_s: FloatArray, curves: FloatArray, period_s: float | None, name: str) -> Beat:
    """The mean beat of curves (k, n) over times (n,).

    Beats run from one steepest rise of the first curve to the next, less a lead of 5 %; those more than 20 % off the median
    length are left out; each is brought to the same length and all are averaged. With a single rise the record is one cycle:
    of period_s, or closed by a last row that repeats the first.
    Raises InputError naming the record where it is neither, or its beats last less than 0.3 or more than 2 s.
    """
    starts = _rises(time_s, curves[0])
    span = float(time_s[-1])
    if period_s is not None and span < 1.5 * period_s:
        starts = starts[:0]
    if len(starts) < 2:
        return _single(time_s, curves, period_s, name)
    lengths = np.diff(starts)
    usual = float(np.median(lengths))
    first = starts[:-1] - _LEAD * usual
    kept = (np.abs(lengths - usual) <= _ODD * usual) & (first >= 0.0)
    if not kept.any():
        return _single(time_s, curves, period_s, name)
    period = float(lengths[kept].mean())
    _check_period(period, name)
    steps = np.arange(SAMPLES) / SAMPLES
    beats = [
        np.stack([np.interp(begin + length * steps, time_s, curve) for curve in curves])
        for begin, length in zip(first[kept], lengths[kept], strict=True)
    ]
    return Beat(period_s or period, np.mean(beats, axis=0), len(beats), int(len(lengths) - len(beats)))


def _rises(time_s: FloatArray, values: FloatArray) -> FloatArray:
    """Times of the steepest rise of each beat."""
    count = max(int(time_s[-1] / 0.005), 8)
    even = np.linspace(0.0, time_s[-1], count)
    step = even[1] - even[0]
    smooth = np.convolve(np.pad(np.interp(even, time_s, values), 4, mode="edge"), np.ones(9) / 9.0, mode="valid")
    slope = np.gradient(smooth, step)
    if not slope.max() > 0.0:
        return np.zeros(0)
    from scipy.signal import find_peaks  # a quarter of the time every command takes to start, and few need it

    peaks = find_peaks(slope, height=_RISE * float(slope.max()), distance=max(int(SHORTEST_S / step), 1))[0]
    return even[peaks]


def _single(time_s: FloatArray, curves: FloatArray, period_s: float | None, name: str) -> Beat:
    span = float(time_s[-1])
    gap = np.abs(curves[:, -1] - curves[:, 0])
    closed = bool((gap <= _CLOSES * np.maximum(np.ptp(curves, axis=1), 1e-12)).all())
    if period_s is None:
        if not closed:
            raise InputError(
                f"Record {name} holds no whole heartbeat: its {span:.2f} s show less than two upstrokes and its last value is "
                "not its first; record more beats, or give the period with --period."
            )
        period_s = span
    if span > period_s * (1.0 + 1e-6) or span < 0.8 * period_s:
        raise InputError(
            f"Record {name} spans {span:.3g} s, which is neither one cycle of {period_s:g} s nor several clear beats; give the "
            "right period with --period."
        )
    _check_period(period_s, name)
    steps = period_s * np.arange(SAMPLES) / SAMPLES
    return Beat(period_s, np.stack([np.interp(steps, time_s, curve, period=period_s) for curve in curves]), 1, 0)


def _check_period(period_s: float, name: str) -> None:
    if not SHORTEST_S <= period_s <= LONGEST_S:
        raise InputError(
            f"Record {name} has beats of {period_s:.3g} s, outside {SHORTEST_S:g} to {LONGEST_S:g} s; check its unit of time."
        )
