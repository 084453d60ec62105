"""The sac by two methods that share no rule: what lies outside the tubes of the arteries, and what a network takes for sac."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from aneuflow.geometry.neck_cut import BoolArray, Wall, cut_learned, cut_sac, stability
from aneuflow.types import FloatArray

# Overlap (Dice by area) from which the two mean the same sac; below it the network is nearer to experts (docs/shape.md).
SAME = 0.9
# What they overlap by in half of all sacs: no less certain than the spread of necks that intervals hold anyway.
_USUAL = 0.975
_LEAST_FACTOR = 0.5


@dataclass(frozen=True, eq=False)
class AgreedSac:
    """chosen (n,): the points of the sac; stability: `neck_cut.stability` of the cut outside the tubes, 1 without that.

    agreement: overlap of the two methods' sacs (Dice, by area), 0 where only one finds any, which is `alone` then.
    """

    chosen: BoolArray
    stability: float
    agreement: float
    alone: Literal["tubes", "network"] | None = None

    @property
    def confidence(self) -> float:
        """In [0, 1]: the stability, times the agreement over its usual value; at least half of it."""
        return self.stability * float(np.clip(self.agreement / _USUAL, _LEAST_FACTOR, 1.0))


def agreed_sac(wall: Wall, odds: FloatArray) -> AgreedSac | None:
    """The sac of a wall whose points are sac by the log-odds (n,) of the network; None where neither method finds one.

    Where both mean the same sac its neck is that of the cut outside the tubes; where they do not, that of the network.
    """
    geometric, learned = cut_sac(wall), cut_learned(wall, odds)
    if geometric is None:
        return None if learned is None else AgreedSac(learned, 1.0, 0.0, "network")
    stable = stability(wall, geometric)
    if learned is None:
        return AgreedSac(geometric, stable, 0.0, "tubes")
    both = wall.area[geometric & learned].sum()
    agreement = float(2 * both / (wall.area[geometric].sum() + wall.area[learned].sum()))
    return AgreedSac(geometric if agreement >= SAME else learned, stable, agreement)
