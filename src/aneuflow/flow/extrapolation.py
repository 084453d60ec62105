"""Steady flows by extrapolation: where a run is heading, told from some moments of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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


@dataclass(eq=False)
class Moments:
    """Moments of a run at equal distances: fields (4, cells), density and momentum, what the openings hold, and monitors."""

    fields: list[Float32Array] = field(default_factory=list)
    held: list[FloatArray] = field(default_factory=list)
    monitors: list[FloatArray] = field(default_factory=list)

    def add(self, run: Run, monitors: Sequence[float]) -> None:
        self.fields.append(np.array(run.lattice.fields(run.threads)[:4]))
        self.held.append(_held(run))
        self.monitors.append(np.asarray(monitors))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        every: dict[str, Sequence[npt.NDArray[Any]]] = {"moments": self.fields, "held": self.held, "monitors": self.monitors}
        return {name: np.stack(each) for name, each in every.items()} if self.fields else {}

    @classmethod
    def restored(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Moments:
        return cls(*(list(arrays.get(name, ())) for name in ("moments", "held", "monitors")))

    def lead(self, run: Run) -> FloatArray:
        """Sets the run to where its moments are heading, and gives the monitors there.

        How far its populations are from equilibrium stays as it is.
        """
        velocities = np.stack([moment[1:] for moment in self.fields])
        speed = np.linalg.norm(velocities.mean(axis=0), axis=0)
        scale = 1.0 / (speed + _SLOW * speed.max() + 1e-30)
        weights = heading((np.diff(velocities, axis=0) * scale).reshape(len(velocities) - 1, -1).astype(np.float64))
        ahead = np.tensordot(weights, np.stack(self.fields[1:]), axes=1)
        now = self.fields[-1].astype(np.float64)
        run.lattice.populations = run.lattice.populations + equilibrium(ahead[0], ahead[1:].T) - equilibrium(now[0], now[1:].T)
        held = weights @ np.stack(self.held[1:])
        count = len(run.lattice.controls)
        run.lattice.controls = held[:count].tolist()
        if run.absolute:
            run.lattice.stored = held[count:].tolist()
        return np.asarray(weights @ np.stack(self.monitors[1:]))


def _held(run: Run) -> FloatArray:
    return np.asarray([*run.lattice.controls, *(run.lattice.stored if run.absolute else ())])
