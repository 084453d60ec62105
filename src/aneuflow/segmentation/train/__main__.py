"""`python -m aneuflow.segmentation.train FOLDER`: trains on FOLDER/train, validates on FOLDER/validation, writes model.onnx."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from aneuflow.segmentation.train.fit import fit
from aneuflow.segmentation.train.plan import FILE, TrainingPlan, read_plan


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.npz") if not file.name.endswith(".part.npz"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    plan = read_plan(given.folder) if (given.folder / FILE).exists() else TrainingPlan()
    fit(
        plan,
        lambda: _files(given.folder / "train"),
        _files(given.folder / "validation"),
        given.output,
        lambda line: print(line, flush=True),
    )


if __name__ == "__main__":
    main()
