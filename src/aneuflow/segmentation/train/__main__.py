"""`python -m aneuflow.segmentation.train FOLDER --fold NAME`: trains one fold of a prepared folder, writes its model.onnx.

FOLDER holds plan.json, folds.json and prepared/*.npz as `aneuflow train segmenter` writes them. Run again it goes on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from aneuflow.segmentation.train.fit import fit
from aneuflow.segmentation.train.plan import read_plan
from aneuflow.segmentation.train.to_onnx import files_hash, write_onnx

PREPARED, FOLDS, MODEL = "prepared", "folds.json", "model.onnx"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fold", required=True, help="a name of folds.json")
    parser.add_argument("--name", default="segmenter", help="what the model calls itself")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves it to torch")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    plan, fold = read_plan(given.folder), json.loads((given.folder / FOLDS).read_text())[given.fold]
    cases = {part: [given.folder / PREPARED / f"{case}.npz" for case in fold[part]] for part in ("train", "validation")}
    target = given.folder / f"fold-{given.fold}"
    network = fit(plan, cases["train"], cases["validation"], target, lambda line: print(line, flush=True))
    write_onnx(network, plan, target / MODEL, given.name, files_hash(cases["train"]))


if __name__ == "__main__":
    main()
