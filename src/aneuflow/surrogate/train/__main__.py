"""`python -m aneuflow.surrogate.train FOLDER --kind coarse|free --member N`: trains one network, writes FOLDER/KIND-N.onnx.

With --fold K in place of --member it is FOLDER/fold-KIND-K.onnx, trained without the patients of that part; with --beside NAME
one that the members are held against, whose answers for the other patients' cases are written to FOLDER/beside-KIND-NAME.npz.
FOLDER holds plan.json, cases.json and prepared/ as `aneuflow train surrogate` writes them. Run again it goes on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from aneuflow.surrogate.points_input import assemble, flipped_back
from aneuflow.surrogate.train.fit import Case, fit, read_cases, tensors
from aneuflow.surrogate.train.network import FlowNetwork
from aneuflow.surrogate.train.plan import BESIDE, FOLDS, fold_of, read_plan
from aneuflow.surrogate.train.to_onnx import write_onnx

PREPARED, TABLE = "prepared", "cases.json"
_JUDGED = ("shear", "pressure", "numbers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=("coarse", "free"), required=True, help="given a coarse flow, or not")
    number = parser.add_mutually_exclusive_group(required=True)
    number.add_argument("--member", type=int, help="number of the member, added to the plan's seed")
    number.add_argument("--fold", type=int, help="number of the part of the patients that is left out")
    number.add_argument("--beside", choices=tuple(BESIDE), help="what else is trained on the same cases")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves it to torch")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    plan = read_plan(given.folder).of_kind(given.kind == "coarse", given.member or 0)
    parts = {part: sorted((given.folder / PREPARED / part).glob("*.npz")) for part in ("train", "validation")}
    name = f"{given.kind}-{given.member}"
    if given.fold is not None:
        name, parts = f"fold-{given.kind}-{given.fold}", {"train": _without(given.folder, given.kind, given.fold, parts)}
    if given.beside is not None:
        name, plan = f"beside-{given.kind}-{given.beside}", plan.beside(given.beside)
    cases = {part: read_cases(files) for part, files in parts.items()}

    def tell(line: str) -> None:
        print(f"{name}: {line}", flush=True)

    network = fit(plan, cases["train"], cases.get("validation", []), given.folder / name, tell)
    if given.beside is not None:
        _write_answers(network, plan.coarse, given.folder, name)
        return
    card = {"seed": plan.seed, "coarse": plan.coarse, **{part: [file.stem for file in files] for part, files in parts.items()}}
    write_onnx(network, cases["train"][0], given.folder / f"{name}.onnx", card)


def _write_answers(network: FlowNetwork, coarse: bool, folder: Path, name: str) -> None:
    """What the network says of each case of validation and test, mean of the vessel and its mirror image."""
    made: Case = {"weights": np.array(sum(values.numel() for values in network.parameters()))}
    for part in ("validation", "test"):
        for file in sorted((folder / PREPARED / part).glob("*.npz")):
            case = read_cases([file])[0]
            with torch.no_grad():
                answers = [network(tensors(assemble(case, coarse, mirrored))) for mirrored in (False, True)]
            there, mirrored = ({key: answer[key].numpy() for key in _JUDGED} for answer in answers)
            back = flipped_back(mirrored)
            made |= {f"{file.stem}/{key}": 0.5 * (there[key] + back[key]) for key in _JUDGED}
    temporary = folder / f".{name}.npz"
    np.savez(temporary, **made)  # type: ignore[arg-type]
    temporary.replace(folder / f"{name}.npz")


def _without(folder: Path, kind: str, fold: int, parts: dict[str, list[Path]]) -> list[Path]:
    """The cases of all patients but those of a fold."""
    table = json.loads((folder / TABLE).read_text())["cases"]
    patient = {id: entry["patient"] for part in parts for id, entry in table[part].items()}
    number = fold_of(patient.values(), FOLDS[kind])
    return [file for files in parts.values() for file in files if number[patient[file.stem]] != fold]


if __name__ == "__main__":
    main()
