"""Steady flows by extrapolation: where a run is heading, told from some moments of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from aneuflow.flow.run import Run
from aneuflow.numerics.lattice.equilibrium import equilibrium
from aneuflow.types import Float32Array, FloatArray

_RIDGE = 1e-10  # of the mean square of the changes
_SLOW = 0.02  # of the highest speed: where blood is slower, changes count as there


def heading(changes: FloatArray) -> FloatArray:
    """Weights (k,) that sum to one, by which the last k of k + 1 moments make the state that a linear flow tends to.

    changes (k, n): each moment less the one before. The weights make the weighted sum of the changes smallest, which removes
    k - 1 decaying or oscillating parts exactly (reduced rank extrapolation; Eddy 1979, Mesina 1977; Smith, Ford and Sidi 1987).
    """
    products = changes @ changes.T
    products += (_RIDGE * np.trace(products) / len(products) + 1e-300) * np.eye(len(products))
    weights = np.linalg.solve(products, np.ones(len(products)))
    return np.asarray(weights / weights.sum())


class Moment(NamedTuple):
    """A run at one time: density and velocity (4, cells), what its openings hold, and its monitors."""

    fields: Float32Array
    held: FloatArray
    monitors: FloatArray

    @classmethod
    def of(cls, run: Run, monitors: Sequence[float]) -> Moment:
        held = [*run.lattice.controls, *(run.lattice.stored if run.absolute else ())]
        return cls(np.array(run.lattice.fields(run.threads)[:4]), np.asarray(held), np.asarray(monitors))


def apart(moment: Moment, other: Moment) -> float:
    """How far two moments are apart, relative to the other: the most of any monitor and of the velocities' norm."""
    monitors = np.abs(moment.monitors - other.monitors) / np.maximum(np.abs(other.monitors), 1e-300)
    velocity = other.fields[1:].astype(np.float64)
    return max(float(monitors.max()), float(np.linalg.norm(moment.fields[1:] - velocity) / (np.linalg.norm(velocity) + 1e-300)))


def lead(run: Run, moments: Sequence[Moment]) -> Moment:
    """Sets the run, now at the last of these moments of equal distances, to where they are heading; the moment there.

    How far its populations are from equilibrium stays as it is.
    """
    fields = np.stack([moment.fields for moment in moments])
    speed = np.linalg.norm(fields[:, 1:].mean(axis=0), axis=0)
    scale = 1.0 / (speed + _SLOW * speed.max() + 1e-30)
    weights = heading((np.diff(fields[:, 1:], axis=0) * scale).reshape(len(fields) - 1, -1).astype(np.float64))
    ahead = np.tensordot(weights, fields[1:], axes=1)
    now = fields[-1].astype(np.float64)
    run.lattice.populations = run.lattice.populations + equilibrium(ahead[0], ahead[1:].T) - equilibrium(now[0], now[1:].T)
    held = weights @ np.stack([moment.held for moment in moments[1:]])
    count = len(run.lattice.controls)
    run.lattice.controls = held[:count].tolist()
    if run.absolute:
        run.lattice.stored = held[count:].tolist()
    return Moment(ahead.astype(np.float32), held, weights @ np.stack([moment.monitors for moment in moments[1:]]))


def as_arrays(moments: Sequence[Moment]) -> dict[str, npt.NDArray[Any]]:
    """Moments for a checkpoint."""
    return {name: np.stack([getattr(moment, name) for moment in moments]) for name in Moment._fields} if moments else {}


def restored(arrays: Mapping[str, npt.NDArray[Any]]) -> list[Moment]:
    return [Moment(*each) for each in zip(*(arrays.get(name, ()) for name in Moment._fields), strict=True)]
