"""Intervals of the flow's numbers from two lattices."""

import pytest

from aneuflow.flow.intervals import with_intervals
from aneuflow.types import Measure


def test_half_the_difference_of_two_lattices_either_way() -> None:
    shear, pressure, flow, index, area = with_intervals(
        (
            Measure("sac_tawss_mean", 2.0),
            Measure("sac_pressure_mean", -300.0),
            Measure("mean_flow", 4.0),
            Measure("sac_osi_mean", 0.01),
            Measure("low_shear_area", 98.0),
        ),
        {"sac_tawss_mean": 1.0, "sac_pressure_mean": -299.0, "mean_flow": 4.0, "sac_osi_mean": 0.05, "low_shear_area": 90.0},
    )
    assert (shear.low, shear.high) == (1.5, 2.5)
    assert (pressure.low, pressure.high) == (-306.0, -294.0)  # at least a fiftieth
    assert flow.low is None and flow.high is None
    assert index.low == 0.0  # what cannot be negative stays so
    assert index.high is not None
    assert (area.low, area.high) == (94.0, 100.0)  # nor a share go beyond the whole


def test_the_shear_of_a_slow_sac_is_no_surer_than_that_of_its_artery() -> None:
    # AN142 at 0.2 mm (docs/accuracy.md): its sac heads for 0.19 Pa.
    slow = Measure("sac_tawss_mean", 0.158), Measure("tawss_ratio", 0.114), Measure("parent_tawss_mean", 1.39)
    shear, ratio, artery = with_intervals(slow, {"sac_tawss_mean": 0.157, "tawss_ratio": 0.113, "parent_tawss_mean": 1.38})
    assert (shear.low, shear.high) == pytest.approx((0.158 - 0.025 * 1.39, 0.158 + 0.025 * 1.39))
    assert (ratio.low, ratio.high) == pytest.approx((0.089, 0.139))
    assert (artery.low, artery.high) == pytest.approx((0.98 * 1.39, 1.02 * 1.39))


def test_without_a_second_lattice_there_is_no_interval() -> None:
    assert with_intervals((Measure("sac_tawss_mean", 2.0),), {}) == (Measure("sac_tawss_mean", 2.0),)
