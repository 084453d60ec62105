"""What is trained and how: written once as JSON beside the prepared shapes, read by the training."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FILE, PREPARED, NETWORK, KEY = "plan.json", "prepared", "sac.onnx", "aneuflow-morphology"


@dataclasses.dataclass(frozen=True)
class SacPlan:
    """The network and its training.

    train, validation: the shapes by id; weights: how often each of `train` is drawn, against the others. card: what the
    network says of its origin. width: features per point on the finest level. A step takes `batch` clouds.
    """

    train: Sequence[str]
    weights: Sequence[float]
    validation: Sequence[str]
    card: Mapping[str, Any]
    width: int = 32
    epochs: int = 60
    epoch_clouds: int = 384
    batch: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    seed: int = 0

    def write(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True) + "\n")


def read_plan(folder: Path) -> SacPlan:
    """The plan in `folder`."""
    return SacPlan(**json.loads((folder / FILE).read_text()))
