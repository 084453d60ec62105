"""What is trained and how: written once as JSON beside the prepared cases, read by every member of the ensemble."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from aneuflow.errors import InputError

FILE = "plan.json"
# Intervals rest on networks that have not seen the patient: of each kind so many, each without a part of all patients that are
# not for testing; 0: on the validation patients. Those without a coarse flow would take half an hour more.
FOLDS = {"coarse": 5, "free": 0}
# What is trained beside the surrogate's own networks to be held against them, by what differs in its plan: other networks
# (`train.beside`), and its own without a channel of the input.
BESIDE: Mapping[str, Mapping[str, Any]] = {
    "deeponet": {"network": "deeponet"},
    "transformer": {"network": "transformer"},
    "without-place": {"without": "place"},
    "without-shape": {"without": "shape"},
}


@dataclasses.dataclass(frozen=True)
class TrainingPlan:
    """The network and its training.

    widths: features per point on the wall and on each coarser level. A step takes `batch` cases; after `patience` epochs
    without a better score on the validation cases the training ends. coarse: whether the network is given the coarse flow; it
    then has a quarter of the epochs.
    turn_degrees, noise: how far frames are turned and scalars (in standard deviations) varied.
    network, without: as in `BESIDE`.
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
    network: str = "points"
    without: str = ""

    def write(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    def of_kind(self, coarse: bool, member: int) -> TrainingPlan:
        """The plan of one network, with a seed of its own."""
        epochs = max(1, self.epochs // 4) if coarse else self.epochs
        return dataclasses.replace(self, coarse=coarse, epochs=epochs, seed=self.seed + member)

    def beside(self, name: str) -> TrainingPlan:
        """The plan of what is trained beside the network of this one, by its name in `BESIDE`."""
        return dataclasses.replace(self, **BESIDE[name])


@dataclasses.dataclass(frozen=True)
class TuningPlan:
    """How sites tune the last layers of networks together: in each of `rounds` every site tunes for so many epochs over its own
    cases, `batch` in a step, and the mean of the sites' changes is taken.
    """

    id: str
    rounds: int
    epochs: int
    batch: int
    learning_rate: float
    seed: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()

    def training(self, coarse: bool) -> TrainingPlan:
        """The plan of one network in one round."""
        return TrainingPlan(
            epochs=self.epochs, batch=self.batch, learning_rate=self.learning_rate, coarse=coarse, seed=self.seed
        )


def read_tuning_plan(path: Path | None = None) -> TuningPlan:
    """The plan of a TOML file, or the one that comes with the package. Raises InputError where it is none."""
    try:
        file = resources.files("aneuflow") / "data" / "surrogate" / "federated.toml" if path is None else path
        return TuningPlan(**tomllib.loads(file.read_text("utf-8")))
    except OSError as error:
        raise InputError(f"Tuning plan {path}: {error.strerror}; give a TOML file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        raise InputError(f"Tuning plan {path} is none: {error}; see docs/federated.md.") from error


def fold_of(patients: Iterable[str], count: int) -> dict[str, int]:
    """Which of `count` parts each patient is in."""
    return {patient: number % count for number, patient in enumerate(sorted(set(patients)))}


def read_plan(folder: Path) -> TrainingPlan:
    """The plan in `folder`."""
    content = json.loads((folder / FILE).read_text())
    return TrainingPlan(**{**content, "widths": tuple(content["widths"])})
