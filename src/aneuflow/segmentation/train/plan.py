"""What is trained and how: written once as JSON beside the prepared images, read by every run on them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

SHARE_CLASSES = (1, 2)
FILE = "plan.json"


@dataclasses.dataclass(frozen=True)
class TrainingPlan:
    """The network and its training.

    classes: names, the background first, then artery and aneurysm, then what only distracts. patch: voxels along an edge, a
    multiple of 2^(levels - 1). An epoch has epoch_steps steps of `batch` patches; after `patience` epochs without a better
    score on the validation patients the training ends. coarse_share: patches read at twice the spacing, for the first pass.
    is_ct: all images are CT, or none is; None: some are.
    """

    spacing_mm: float = 0.5
    patch: int = 48
    classes: tuple[str, ...] = ("background", "artery", "aneurysm", "bone", "vein")
    widths: tuple[int, ...] = (8, 16, 32, 64, 96)
    batch: int = 2
    epoch_steps: int = 100
    epochs: int = 60
    patience: int = 20
    learning_rate: float = 2e-3
    coarse_share: float = 0.12
    is_ct: bool | None = None
    seed: int = 0

    @property
    def leveled(self) -> bool:
        """Whether images come with large arteries at 1, and the network sees how bright a patch is."""
        return self.is_ct is True

    def write(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")


def read_plan(folder: Path) -> TrainingPlan:
    """The plan in `folder`."""
    content = json.loads((folder / FILE).read_text())
    return TrainingPlan(**{**content, "classes": tuple(content["classes"]), "widths": tuple(content["widths"])})
