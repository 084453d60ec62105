"""What a site answers when networks are tuned together: its cases stay, sums go, and some questions are refused."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aneuflow.errors import InputError
from aneuflow.numerics.averaging import Question, Weights
from aneuflow.surrogate.calibrate import errors, scores
from aneuflow.surrogate.cohort import SPLITS
from aneuflow.surrogate.network import CARD, KINDS, Answer, Ensemble, ask, load_ensemble
from aneuflow.surrogate.points import NUMBERS, Arrays
from aneuflow.surrogate.train.onnx_heads import network_files, with_head
from aneuflow.surrogate.train.together import EDGES, WORSE
from aneuflow.types import FloatArray

NAMES = ("point", "sac_mean", *NUMBERS)
LEAST_CASES = 3
# The last array of these answers is the site's vote: [1 where it is against, 1].
VOTED = ("heads", "scores")
Tune = Callable[[Mapping[str, Any]], Weights]


@dataclass(frozen=True)
class SurrogateSite:
    """A site's prepared cases with a sac, by split (trained on, locked, held out) and id, and whose each is; the folder of the
    networks; tune: answers "heads" (`head.head_sums`), elsewhere, since that needs torch.
    """

    networks: Path
    cases: Mapping[str, Mapping[str, Arrays]]
    patients: Mapping[str, str]
    tune: Tune


def answer(site: SurrogateSite, question: Question) -> Weights:
    """The site's sums for a question. Raises InputError where it is none of the three known, or the site has too few cases."""
    for split in SPLITS:
        if len(site.cases[split]) < LEAST_CASES:
            raise InputError(
                f"This site's {split} part has {len(site.cases[split])} cases with a sac, and {LEAST_CASES} are needed; "
                "pack a larger database."
            )
    told = json.loads(question.content)
    if question.kind == "cases":
        return [np.array([[len(site.cases[split]), len(_patients(site, split))] for split in SPLITS], dtype=np.float64)]
    if question.kind == "heads":
        return site.tune(told)
    if question.kind == "scores":
        return _scores(site, np.asarray(told["heads"]))
    raise InputError(f"The server asks for {question.kind!r}, which no site gives; compare its version with this one.")


def write_tuned(networks: Path, heads: FloatArray, target: Path) -> None:
    """Write the networks of a folder with other heads (networks, weights) to `target`, with the card as it is."""
    target.mkdir(parents=True, exist_ok=True)
    for (_, file), head in zip(network_files(networks), heads, strict=True):
        (target / file.name).write_bytes(with_head(file, head))
    if (networks / CARD).is_file():
        shutil.copy(networks / CARD, target)


def _patients(site: SurrogateSite, split: str) -> list[str]:
    return sorted({site.patients[id] for id in site.cases[split]})


def _scores(site: SurrogateSite, heads: FloatArray) -> Weights:
    """Held-out patients by the scores of their cases, cases by error before and after, and the vote against the networks as
    they were."""
    before = load_ensemble(site.networks)
    with tempfile.TemporaryDirectory() as folder:
        write_tuned(site.networks, heads, Path(folder))
        after = load_ensemble(Path(folder))
    held_out, mine = site.cases[SPLITS[2]], [site.patients[id] for id in site.cases[SPLITS[2]]]
    found = np.zeros((len(KINDS), len(NAMES), len(EDGES) - 1))
    off = np.zeros((2, len(KINDS), len(EDGES) - 1))
    for row, coarse in enumerate(KINDS.values()):
        answers = [ask(after, case, coarse) for case in held_out.values()]
        each = [scores(given, case) for given, case in zip(answers, held_out.values(), strict=True)]
        for column, name in enumerate(NAMES):
            known = [(score[name], patient) for score, patient in zip(each, mine, strict=True) if name in score]
            share = {patient: 1 / sum(other == patient for _, other in known) for _, patient in known}
            for score, patient in known:
                found[row, column, _bin(score)] += share[patient]
        earlier = [ask(before, case, coarse) for case in held_out.values()]
        for when, those in enumerate((earlier, answers)):
            for given, case in zip(those, held_out.values(), strict=True):
                off[when, row, _bin(_errors(given, case)["sac_mean"])] += 1
    return [found, off, np.array([float(_is_worse(before, after, site.cases[SPLITS[1]])), 1.0])]


def _bin(value: float) -> int:
    return int(np.clip(np.searchsorted(EDGES, value, side="right") - 1, 0, len(EDGES) - 2))


def _errors(given: Answer, case: Arrays) -> dict[str, float]:
    return errors(given.mean["shear"], given.mean["pressure"], case)


def _is_worse(before: Ensemble, after: Ensemble, locked: Mapping[str, Arrays]) -> bool:
    """Whether the sac's wall shear of the locked cases is off by `WORSE` more than before, of either kind of networks."""
    for coarse in KINDS.values():
        was, now = (
            np.mean([_errors(ask(ensemble, case, coarse), case)["sac_l2"] for case in locked.values()])
            for ensemble in (before, after)
        )
        if not now <= was * (1 + WORSE):
            return True
    return False
