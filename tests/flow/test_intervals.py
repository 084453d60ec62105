"""Intervals of the flow's numbers from two lattices."""

from aneuflow.flow.intervals import with_intervals
from aneuflow.types import Measure


def test_half_the_difference_of_two_lattices_either_way() -> None:
    shear, pressure, flow, index = with_intervals(
        (Measure("shear", 2.0), Measure("pressure", -300.0), Measure("flow", 4.0), Measure("index", 0.01)),
        {"shear": 1.0, "pressure": -299.0, "flow": 4.0, "index": 0.05},
    )
    assert (shear.low, shear.high) == (1.5, 2.5)
    assert (pressure.low, pressure.high) == (-306.0, -294.0)  # at least a fiftieth
    assert flow.low is None and flow.high is None
    assert index.low == 0.0  # what cannot be negative stays so
    assert index.high is not None


def test_without_a_second_lattice_there_is_no_interval() -> None:
    assert with_intervals((Measure("shear", 2.0),), {}) == (Measure("shear", 2.0),)
