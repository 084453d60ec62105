"""What the lattice leaves uncertain in the flow's numbers."""

from __future__ import annotations

from collections.abc import Mapping

from aneuflow.quantities import quantity
from aneuflow.types import Measure

# Of the difference between the lattice and the one of twice its spacing, what the finer still misses in nine of ten cases.
_PART = 0.5
_LEAST = 0.02  # of the value: what it misses in straight tubes, where both lattices are off alike


def with_intervals(measures: tuple[Measure, ...], coarse: Mapping[str, float]) -> tuple[Measure, ...]:
    """The measures with intervals for the error of the lattice.

    coarse: the same measures on a lattice of twice the spacing, by quantity id. Those that it lacks, and those that are alike
    on both because they were given and not solved for, stay without.
    """
    return tuple(_with_interval(m, coarse[m.id]) if coarse.get(m.id, m.value) != m.value else m for m in measures)


def _with_interval(measure: Measure, coarse: float) -> Measure:
    half = max(_PART * abs(measure.value - coarse), _LEAST * abs(measure.value))
    low, high = measure.value - half, measure.value + half
    if measure.value >= 0.0:
        low = max(low, 0.0)
    if quantity(measure.id).unit == "%":
        high = min(high, max(measure.value, 100.0))
    return Measure(measure.id, measure.value, low, high)
