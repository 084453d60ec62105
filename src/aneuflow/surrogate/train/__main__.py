"""`python -m aneuflow.surrogate.train FOLDER --kind coarse|free --member N`: trains one network, writes FOLDER/KIND-N.onnx.

With --fold K in place of --member it is FOLDER/fold-KIND-K.onnx, trained without the patients of that part.
FOLDER holds plan.json, cases.json and prepared/ as `aneuflow train surrogate` writes them. Run again it goes on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from aneuflow.surrogate.train.fit import fit, read_cases
from aneuflow.surrogate.train.plan import FOLDS, fold_of, read_plan
from aneuflow.surrogate.train.to_onnx import write_onnx

PREPARED, TABLE = "prepared", "cases.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=("coarse", "free"), required=True, help="given a coarse flow, or not")
    number = parser.add_mutually_exclusive_group(required=True)
    number.add_argument("--member", type=int, help="number of the member, added to the plan's seed")
    number.add_argument("--fold", type=int, help="number of the part of the patients that is left out")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves it to torch")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    plan = read_plan(given.folder).of_kind(given.kind == "coarse", given.member or 0)
    parts = {part: sorted((given.folder / PREPARED / part).glob("*.npz")) for part in ("train", "validation")}
    name = f"{given.kind}-{given.member}"
    if given.fold is not None:
        name, parts = f"fold-{given.kind}-{given.fold}", {"train": _without(given.folder, given.kind, given.fold, parts)}
    cases = {part: read_cases(files) for part, files in parts.items()}

    def tell(line: str) -> None:
        print(f"{name}: {line}", flush=True)

    network = fit(plan, cases["train"], cases.get("validation", []), given.folder / name, tell)
    card = {"seed": plan.seed, "coarse": plan.coarse, **{part: [file.stem for file in files] for part, files in parts.items()}}
    write_onnx(network, cases["train"][0], given.folder / f"{name}.onnx", card)


def _without(folder: Path, kind: str, fold: int, parts: dict[str, list[Path]]) -> list[Path]:
    """The cases of all patients but those of a fold."""
    table = json.loads((folder / TABLE).read_text())["cases"]
    patient = {id: entry["patient"] for part in parts for id, entry in table[part].items()}
    number = fold_of(patient.values(), FOLDS[kind])
    return [file for files in parts.values() for file in files if number[patient[file.stem]] != fold]


if __name__ == "__main__":
    main()
