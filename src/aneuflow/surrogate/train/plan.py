"""What is trained and how: written once as JSON beside the prepared cases, read by every member of the ensemble."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

FILE = "plan.json"
# Intervals rest on networks that have not seen the patient: of each kind so many, each without a part of all patients that are
# not for testing; 0: on the validation patients. Those without a coarse flow would take half an hour more.
FOLDS = {"coarse": 5, "free": 0}


@dataclasses.dataclass(frozen=True)
class TrainingPlan:
    """The network and its training.

    widths: features per point on the wall and on each coarser level. A step takes `batch` cases; after `patience` epochs
    without a better score on the validation cases the training ends. coarse: whether the network is given the coarse flow; it
    then has a quarter of the epochs.
    turn_degrees, noise: how far frames are turned and scalars (in standard deviations) varied.
    """

    widths: tuple[int, ...] = (48, 80, 112, 144)
    epochs: int = 120
    patience: int = 40
    batch: int = 2
    learning_rate: float = 1e-3
    coarse: bool = True
    turn_degrees: float = 8.0
    noise: float = 0.15
    seed: int = 0

    def write(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    def of_kind(self, coarse: bool, member: int) -> TrainingPlan:
        """The plan of one network, with a seed of its own."""
        epochs = max(1, self.epochs // 4) if coarse else self.epochs
        return dataclasses.replace(self, coarse=coarse, epochs=epochs, seed=self.seed + member)


def fold_of(patients: Iterable[str], count: int) -> dict[str, int]:
    """Which of `count` parts each patient is in."""
    return {patient: number % count for number, patient in enumerate(sorted(set(patients)))}


def read_plan(folder: Path) -> TrainingPlan:
    """The plan in `folder`."""
    content = json.loads((folder / FILE).read_text())
    return TrainingPlan(**{**content, "widths": tuple(content["widths"])})
