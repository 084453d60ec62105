"""`python -m aneuflow.geometry.train FOLDER`: trains the networks of FOLDER/plan.json and writes them as ONNX.

FOLDER holds plan.json and prepared/ as `scripts/train-sac` writes them. Each network becomes FOLDER/NAME.onnx, all of them
together FOLDER/sac.onnx; run again it goes on where it stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from aneuflow.geometry.train.fit import fit, read_case
from aneuflow.geometry.train.network import SacNetwork
from aneuflow.geometry.train.plan import PREPARED, read_plan
from aneuflow.geometry.train.to_onnx import write_onnx


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves it to torch")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    plan = read_plan(given.folder)
    segments = {
        name: [read_case(given.folder / PREPARED / f"{copy}.npz") for copy in copies] for name, copies in plan.copies.items()
    }
    example = next(iter(segments.values()))[0]
    networks = []
    for name, left_out in plan.folds.items():
        weights = given.folder / f"{name}.pt"
        if not weights.exists():
            shown = [copies for segment, copies in segments.items() if segment not in left_out]
            print(f"{name}: {len(shown)} segments", flush=True)
            torch.save(fit(plan, shown).state_dict(), weights)
        network = SacNetwork(example["features"].shape[1], plan.width)
        network.load_state_dict(torch.load(weights))
        networks.append(network.eval())
        write_onnx([network], example, given.folder / f"{name}.onnx", plan.card)
    write_onnx(networks, example, given.folder / "sac.onnx", plan.card)


if __name__ == "__main__":
    main()
