"""Steps that several parties agree on, from sums alone: arrays in, arrays out.

Sources: McMahan et al., AISTATS 2017 (federated averaging: the mean of the parties' updates, by their cases); Sun et al. 2019
(updates clipped to a length, so that one party moves the mean by little).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from aneuflow.types import FloatArray

Weights = list[FloatArray]
Step = Callable[[Weights, Weights], tuple[str, Weights]]
"""Accepted weights and a candidate in; why the candidate is refused (empty: it is not) and the weights that follow it out."""


@dataclass(frozen=True)
class Question:
    """What every party is asked: kind, what it needs to know as JSON, and the largest entry that an answer can have."""

    kind: str
    content: str
    bound: float


Ask = Callable[[Question], Weights]
"""Puts a question to all parties and gives the sums of their answers; raises MethodError where too few answer."""
HALVINGS = 3
ROUNDING = 1e-6


def agreed_steps(step: Step, start: Weights, most: int, settled: float) -> tuple[Weights, list[str]]:
    """The last weights that were accepted, and what became of each step; at most so many, until no weight moves by `settled`.

    A candidate that is refused is put half as far from the accepted weights, three times in all; then the accepted ones stand.
    At the start there is nothing to go back to, and the same is asked again, since a fault of one moment may be over.
    """
    accepted = candidate = start
    log, halvings = [], 0
    for number in range(most):
        refused, following = step(accepted, candidate)
        if refused:
            log.append(f"step {number} refused: {refused}")
            halvings += 1
            if halvings > HALVINGS:
                break
            candidate = [(old + new) / 2 for old, new in zip(accepted, candidate, strict=True)]
            continue
        moved = max(float(np.abs(new - old).max()) for old, new in zip(candidate, following, strict=True))
        log.append(f"step {number} accepted; the next one moves weights by {moved:.4f}")
        accepted, candidate = candidate, following
        if moved < settled:
            break
    return accepted, log


def update_sums(before: Sequence[FloatArray], after: Sequence[FloatArray], share: float, longest: float) -> Weights:
    """What a party with this share of all cases sends: [share], then its update, `longest` at most in length, by the share."""
    updates = [np.asarray(new - old, dtype=np.float64) for old, new in zip(before, after, strict=True)]
    length = float(np.sqrt(sum(float((update**2).sum()) for update in updates)))
    factor = share * min(1.0, longest / max(length, 1e-12))
    return [np.array([share]), *(factor * update for update in updates)]


def mean_step(before: Sequence[FloatArray], sums: Sequence[FloatArray]) -> Weights:
    """The weights moved by the mean update of the parties in the sums of `update_sums`."""
    (share,), *updates = sums
    return [old + update / share for old, update in zip(before, updates, strict=True)]


def impossible_update(sums: Sequence[FloatArray], longest: float) -> str:
    """Why these can be no sums of `update_sums`; empty where they can."""
    if not all(np.isfinite(array).all() for array in sums):
        return "a sum is no finite number"
    (share,), *updates = sums
    if not 0 < share <= 1 + ROUNDING:
        return f"a share of {share:.3g} of the cases"
    length = float(np.sqrt(sum(float((update**2).sum()) for update in updates))) / share
    return f"an update of length {length:.3g}, over {longest:.3g}" if length > longest + ROUNDING else ""


def outvoted(votes: FloatArray) -> str:
    """How many parties find a candidate worse, of [worse, voters]; empty where none does: one speaks for its own cases."""
    worse, voters = votes
    # Not "more than none": what is no count must not pass.
    return "" if worse == 0 else f"{worse:.0f} of {voters:.0f} sites find it worse on their locked patients"
