"""`python -m aneuflow.morphology.learned.train FOLDER`: trains the network of FOLDER/plan.json, writes FOLDER/sac.onnx.

FOLDER holds plan.json and prepared/ as `aneuflow train morphology` writes them. Run again it goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from aneuflow.morphology.learned.train.fit import fit, read_shape
from aneuflow.morphology.learned.train.plan import NETWORK, PREPARED, read_plan
from aneuflow.morphology.learned.train.to_onnx import write_onnx


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves it to torch")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    plan = read_plan(given.folder)
    training, validation = (
        [read_shape(given.folder / PREPARED / f"{id}.npz") for id in ids] for ids in (plan.train, plan.validation)
    )
    print(f"{len(training)} shapes to train on, {len(validation)} to watch", flush=True)
    network = fit(plan, training, validation, given.folder / "training", lambda line: print(line, flush=True))
    write_onnx(network, training[0], given.folder / NETWORK, plan.card)


if __name__ == "__main__":
    main()
