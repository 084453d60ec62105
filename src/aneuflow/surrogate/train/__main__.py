"""`python -m aneuflow.surrogate.train FOLDER --kind coarse|free --member N`: trains one network, writes FOLDER/KIND-N.onnx.

FOLDER holds plan.json and prepared/ as `aneuflow train surrogate` writes them. Run again it goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from aneuflow.surrogate.train.fit import fit, read_cases
from aneuflow.surrogate.train.plan import read_plan
from aneuflow.surrogate.train.to_onnx import write_onnx

PREPARED = "prepared"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=("coarse", "free"), required=True, help="given a coarse flow, or not")
    parser.add_argument("--member", type=int, required=True, help="number of the member, added to the plan's seed")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves it to torch")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    plan = read_plan(given.folder).of_kind(given.kind == "coarse", given.member)
    name = f"{given.kind}-{given.member}"
    parts = {part: sorted((given.folder / PREPARED / part).glob("*.npz")) for part in ("train", "validation")}
    cases = {part: read_cases(files) for part, files in parts.items()}

    def tell(line: str) -> None:
        print(f"{name}: {line}", flush=True)

    network = fit(plan, cases["train"], cases["validation"], given.folder / name, tell)
    card = {"seed": plan.seed, "coarse": plan.coarse, **{part: [file.stem for file in files] for part, files in parts.items()}}
    write_onnx(network, cases["train"][0], given.folder / f"{name}.onnx", card)


if __name__ == "__main__":
    main()
