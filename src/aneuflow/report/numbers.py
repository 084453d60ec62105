"""Numbers as a reader sees them: never more digits than are known."""

from __future__ import annotations

import math

from aneuflow.types import Measure

PLAIN_DIGITS = 3
MOST_DIGITS = 4  # however narrow the interval: it covers the surface and the neck, not all there is


def decimals_of(measure: Measure) -> int:
    """Decimals that the interval of a measure supports, negative for tens and more.

    The half width keeps one digit, two where it begins with 1; without an interval the value keeps three digits. A count is
    whole.
    """
    if measure.id.endswith("_count"):
        return 0
    half = 0.0
    if measure.low is not None and measure.high is not None:
        half = 0.5 * (measure.high - measure.low)
    if half > 0 and math.isfinite(half):
        exponent = math.floor(math.log10(half))
        wanted = -exponent + (1 if half / 10**exponent < 2 else 0)
        largest = max(abs(measure.value), abs(measure.low or 0.0), abs(measure.high or 0.0))
        return min(wanted, MOST_DIGITS - 1 - math.floor(math.log10(largest)))
    if measure.value == 0 or not math.isfinite(measure.value):
        return 1
    return PLAIN_DIGITS - 1 - math.floor(math.log10(abs(measure.value)))


def format_number(value: float, decimals: int) -> str:
    """A number with so many decimals; what is not finite is shown as a dash."""
    if not math.isfinite(value):
        return "–"
    rounded = round(value, decimals) + 0.0
    if rounded != 0 and not 1e-4 <= abs(rounded) < 1e7:
        return f"{rounded:.{PLAIN_DIGITS - 1}e}"
    return f"{rounded:.{max(0, decimals)}f}".replace("-", "−")


def format_value(measure: Measure) -> str:
    """The value of a measure, rounded by its interval."""
    return format_number(measure.value, decimals_of(measure))


def format_interval(measure: Measure) -> str:
    """ "low–high" of a measure, or an empty string where no interval is established."""
    if measure.low is None or measure.high is None:
        return ""
    decimals = decimals_of(measure)
    return f"{format_number(measure.low, decimals)}–{format_number(measure.high, decimals)}"


def format_unit(unit: str) -> str:
    """A unit with its powers set high; a dimensionless one is empty."""
    if unit in ("", "1", "-"):
        return ""
    return unit.replace("mm2", "mm²").replace("mm3", "mm³").replace("m3", "m³").replace("m2", "m²")
