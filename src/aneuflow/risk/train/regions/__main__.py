"""`python -m aneuflow.risk.train.regions FOLDER`: trains the networks of FOLDER/plan.json, writes FOLDER/NAME.onnx of each.

FOLDER holds plan.json and prepared/ as `aneuflow train regions` writes them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from aneuflow.risk.train.regions.fit import fit, read_case
from aneuflow.risk.train.regions.plan import PREPARED, read_plan
from aneuflow.risk.train.regions.to_onnx import write_onnx


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves it to torch")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    plan = read_plan(given.folder)
    for name, ids in plan.runs.items():
        cases = [read_case(given.folder / PREPARED / f"{id}.npz") for id in ids]
        print(f"{name}: {len(cases)} cases", flush=True)
        network = fit(plan, cases)
        write_onnx(network, cases[0], given.folder / f"{name}.onnx", plan.card)


if __name__ == "__main__":
    main()
