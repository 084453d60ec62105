"""Rounding by the interval: never more digits than are known."""

from __future__ import annotations

import math

import pytest

from aneuflow.report.numbers import format_interval, format_unit, format_value
from aneuflow.types import Measure


@pytest.mark.parametrize(
    ("value", "low", "high", "shown", "interval"),
    [
        (6.0312, 5.78, 6.29, "6.0", "5.8–6.3"),
        (6.0312, 5.93, 6.13, "6.03", "5.93–6.13"),
        (93.71, 62.1, 126.4, "90", "60–130"),
        (0.1234, 0.1199, 0.1271, "0.123", "0.120–0.127"),
        (4.0, 4.0, 4.0, "4.00", "4.00–4.00"),
        (-12.34, -14.9, -9.1, "−12", "−15–−9"),
    ],
)
def test_digits_follow_the_half_width_of_the_interval(value: float, low: float, high: float, shown: str, interval: str) -> None:
    measure = Measure("height", value, low, high)
    assert (format_value(measure), format_interval(measure)) == (shown, interval)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.53421, "1.53"),
        (0.051349, "0.0513"),
        (12345.6, "12300"),
        (0.0, "0.0"),
        (2e-7, "2.00e-07"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_without_an_interval_three_digits_are_kept(value: float, shown: str) -> None:
    assert format_value(Measure("height", value)) == shown
    assert format_interval(Measure("height", value)) == ""


def test_counts_are_whole_and_no_interval_is_taken_for_more_than_four_digits() -> None:
    none, some = Measure("bleb_count", 0.0, 0.0, 0.0), Measure("bleb_count", 1.0, 0.0, 2.0)
    assert [(format_value(count), format_interval(count)) for count in (none, some)] == [("0", "0–0"), ("1", "0–2")]
    angle = Measure("inflow_angle", 119.8734, 119.8401, 119.9012)
    assert (format_value(angle), format_interval(angle)) == ("119.9", "119.8–119.9")


def test_units_have_high_powers_and_ratios_have_none() -> None:
    assert [format_unit(unit) for unit in ("mm2", "mm3", "J/m3", "1", "")] == ["mm²", "mm³", "J/m³", "", ""]
