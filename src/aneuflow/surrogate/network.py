"""The ensemble of trained networks and what its members say of a prepared case together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aneuflow.errors import InputError
from aneuflow.surrogate.points_input import INPUTS, OUTPUTS, assemble, flipped_back

KEY, CARD, SHIPPED = "aneuflow-surrogate", "surrogate.json", "surrogate"
KINDS = {"coarse": True, "free": False}  # networks that are given a coarse flow, and those that are not
Arrays = Mapping[str, npt.NDArray[Any]]
Member = Callable[[Arrays], Arrays]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Networks trained alike from different seeds: members by kind (`KINDS`).

    card: what surrogate.json of their folder holds, empty before it is written; digest: SHA-256 of the networks and the card.
    """

    members: Mapping[str, tuple[Member, ...]]
    card: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, eq=False)
class Answer:
    """What the members say of one case in its frame: mean and standard deviation by name of `OUTPUTS`.

    shear (n, 3) in tau0, pressure (n,) in p0, velocity (m, 3) in U, numbers (2,) as `points.NUMBERS`; size, size_spread (n,):
    length of the mean shear and the spread of the members' lengths.
    """

    mean: Arrays
    spread: Arrays

    @property
    def size(self) -> npt.NDArray[Any]:
        return np.asarray(np.linalg.norm(self.mean["shear"], axis=1))


def shipped_networks() -> Path:
    """The folder of the networks that ship."""
    return Path(str(files("aneuflow") / "data" / SHIPPED))


def load_ensemble(folder: Path) -> Ensemble:
    """The networks in a folder of `aneuflow train surrogate`. Raises InputError where it holds none."""
    found = {kind: sorted(folder.glob(f"{kind}-*.onnx")) for kind in KINDS}
    for kind, members in found.items():
        if not members:
            raise InputError(f"{folder} holds no {kind}-0.onnx; give a folder of `aneuflow train surrogate` with --networks.")
    card = json.loads((folder / CARD).read_text("utf-8")) if (folder / CARD).is_file() else {}
    digest = hashlib.sha256(json.dumps(card, sort_keys=True).encode())
    for file in chain.from_iterable(found.values()):
        digest.update(file.read_bytes())
    return Ensemble({kind: tuple(map(load_member, members)) for kind, members in found.items()}, card, digest.hexdigest())


def load_member(file: Path) -> Member:
    """One network. Raises InputError where the file holds none."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the networks are too small to gain from more
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise InputError(f"{file} is no ONNX file that can be run; train it again.") from error
    if KEY not in session.get_modelmeta().custom_metadata_map:
        raise InputError(f"{file} is no surrogate of aneuflow; give the folder of `aneuflow train surrogate` with --networks.")
    taken = [entry.name for entry in session.get_inputs()]

    def run(given: Arrays) -> Arrays:
        return dict(zip(OUTPUTS, session.run(list(OUTPUTS), {name: given[name] for name in taken}), strict=True))

    assert set(taken) <= set(INPUTS)
    return run


def ask(ensemble: Ensemble, case: Arrays, coarse: bool) -> Answer:
    """Mean and spread of the members' answers, each the mean of those for the vessel and its mirror image.

    So a mirrored vessel has exactly the mirrored answer. case: `points.prepare`'s; coarse: those given its coarse flow.
    """
    given, mirrored = assemble(case, coarse), assemble(case, coarse, mirrored=True)
    answers = []
    for member in ensemble.members["coarse" if coarse else "free"]:
        there, back = member(given), flipped_back(member(mirrored))
        answers.append({name: 0.5 * (there[name] + back[name]) for name in OUTPUTS})
    stacked = {name: np.stack([answer[name] for answer in answers]).astype(np.float64) for name in OUTPUTS}
    spread = {name: values.std(axis=0) for name, values in stacked.items()}
    spread["size"] = np.linalg.norm(stacked["shear"], axis=2).std(axis=0)
    return Answer({name: values.mean(axis=0) for name, values in stacked.items()}, spread)
