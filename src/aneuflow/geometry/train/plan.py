"""What is trained and how: written once as JSON beside the prepared segments, read by the training."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FILE, PREPARED = "plan.json", "prepared"


@dataclasses.dataclass(frozen=True)
class SacPlan:
    """The networks to train and how.

    folds: the segments that each network is not shown, by its name; copies: the files in `PREPARED` of each segment, without
    ending. card: what the networks together say of their origin. tube_features: what is withheld from a segment `without_tubes`
    times of one; expected: the feature that is the logarithm of its size, shown larger or smaller by up to the factor `scale`;
    noise: of the features, in their spreads.
    """

    folds: Mapping[str, Sequence[str]]
    copies: Mapping[str, Sequence[str]]
    card: Mapping[str, Any]
    tube_features: Sequence[int]
    expected: int
    width: int = 32
    epochs: int = 36
    batch: int = 4
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    without_tubes: float = 0.15
    scale: float = 1.2
    noise: float = 0.1
    seed: int = 0

    def write(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True) + "\n")


def read_plan(folder: Path) -> SacPlan:
    """The plan in `folder`."""
    return SacPlan(**json.loads((folder / FILE).read_text()))
