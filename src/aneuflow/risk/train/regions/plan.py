"""What is trained and how: written once as JSON beside the prepared cases, read by the training."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FILE, PREPARED, KEY = "plan.json", "prepared", "aneuflow-regions"


@dataclasses.dataclass(frozen=True)
class RegionsPlan:
    """The networks to train and how.

    runs: the cases that each network is trained on, by its name. card: what a network says of its origin; its classes too.
    width: features per point inside the network. least_steps: few cases are shown more often than `epochs`.
    simulated_share: how often a case is shown as simulated where it is known as predicted too.
    """

    runs: Mapping[str, Sequence[str]]
    card: Mapping[str, Any]
    width: int = 16
    epochs: int = 20
    least_steps: int = 300
    batch: int = 4
    learning_rate: float = 3e-3
    weight_decay: float = 0.3
    simulated_share: float = 0.3
    seed: int = 0

    @property
    def classes(self) -> int:
        """The classes that points can have, that of no mark among them."""
        return len(self.card["classes"]) + 1

    def write(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True) + "\n")


def read_plan(folder: Path) -> RegionsPlan:
    """The plan in `folder`."""
    return RegionsPlan(**json.loads((folder / FILE).read_text()))
