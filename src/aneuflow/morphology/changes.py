"""How the measures of one aneurysm changed between two examinations, and whether that is more than their errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aneuflow.types import Measure, Morphology


@dataclass(frozen=True)
class Change:
    """first and second measure of one quantity; value is second less first, low and high its interval (None: unknown)."""

    first: Measure
    second: Measure
    value: float
    low: float | None
    high: float | None

    @property
    def beyond_error(self) -> bool:
        """Whether the interval of the change leaves out zero."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def changes(first: Morphology, second: Morphology) -> tuple[Change, ...]:
    """The change of every measure that both examinations have, in the order of the first.

    The errors of the two are taken as independent, so their intervals add in quadrature.
    """
    after = {measure.id: measure for measure in second.measures}
    return tuple(_change(measure, after[measure.id]) for measure in first.measures if measure.id in after)


def _change(first: Measure, second: Measure) -> Change:
    value = second.value - first.value
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return Change(first, second, value, None, None)
    below = math.hypot(second.value - second.low, first.high - first.value)
    above = math.hypot(second.high - second.value, first.value - first.low)
    return Change(first, second, value, value - below, value + above)
