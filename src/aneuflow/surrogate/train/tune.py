"""`python -m aneuflow.surrogate.train.tune FOLDER`: a site's answer to "heads" (`head.head_sums`), in a process that has torch.

FOLDER/question.json names the networks' folder, that of the prepared cases, the cases of each split and the fields of a
`TuningPlan`, and holds what the server told; the sums are written to FOLDER/sums.npz, in their order.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch

from aneuflow.surrogate.train.fit import read_cases
from aneuflow.surrogate.train.from_onnx import network_of
from aneuflow.surrogate.train.head import head_sums
from aneuflow.surrogate.train.onnx_heads import network_files
from aneuflow.surrogate.train.plan import TuningPlan

QUESTION, SUMS = "question.json", "sums.npz"


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    asked = json.loads((folder / QUESTION).read_text("utf-8"))
    plan, told = TuningPlan(**asked["plan"]), asked["told"]
    networks = [(network_of(file), plan.training(coarse)) for coarse, file in network_files(Path(asked["networks"]))]
    training, locked = (
        read_cases([Path(asked["prepared"]) / split / f"{id}.npz" for id in asked["cases"][split]])
        for split in ("train", "validation")
    )
    accepted, candidate = (np.asarray(told[name]) for name in ("accepted", "candidate"))
    np.savez(folder / SUMS, *head_sums(networks, training, locked, accepted, candidate, told["cases"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
