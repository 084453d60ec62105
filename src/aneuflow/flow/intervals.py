"""What the lattice leaves uncertain in the flow's numbers."""

from __future__ import annotations

from collections.abc import Mapping

from aneuflow.quantities import quantity
from aneuflow.types import Measure

# Of the difference between the lattice and the one of twice its spacing, what the finer still misses in nine of ten cases.
_PART = 0.5
_LEAST = 0.02  # of the value: what it misses in straight tubes, where both lattices are off alike
# Of the artery's mean wall shear: what sacs of slow blood miss of theirs, both lattices alike, by what enters from the artery.
# In five real sacs at 0.2 mm, against what 0.2, 0.15 and 0.1 mm head for, 0.8 to 2.3 % where a sac has under a fifth of it.
_LEAST_OF_ARTERY = 0.025
_SAC_SHEAR = {"sac_tawss_mean", "sac_tawss_max", "sac_tawss_p99"}


def with_intervals(measures: tuple[Measure, ...], coarse: Mapping[str, float]) -> tuple[Measure, ...]:
    """The measures with intervals for the error of the lattice.

    coarse: the same measures on a lattice of twice the spacing, by quantity id. Those that it lacks, and those that are alike
    on both because they were given and not solved for, stay without.
    """
    artery = next((m.value for m in measures if m.id == "parent_tawss_mean"), 0.0)
    least = dict.fromkeys(_SAC_SHEAR, _LEAST_OF_ARTERY * artery) | {"tawss_ratio": _LEAST_OF_ARTERY}
    return tuple(
        _with_interval(m, coarse[m.id], least.get(m.id, 0.0)) if coarse.get(m.id, m.value) != m.value else m for m in measures
    )


def _with_interval(measure: Measure, coarse: float, least: float) -> Measure:
    half = max(_PART * abs(measure.value - coarse), _LEAST * abs(measure.value), least)
    low, high = measure.value - half, measure.value + half
    if measure.value >= 0.0:
        low = max(low, 0.0)
    if quantity(measure.id).unit == "%":
        high = min(high, max(measure.value, 100.0))
    return Measure(measure.id, measure.value, low, high)
