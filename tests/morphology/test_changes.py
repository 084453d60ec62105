"""A change and its error."""

import pytest

from aneuflow.morphology.changes import changes
from aneuflow.types import Measure, Morphology


def shape(*measures: Measure) -> Morphology:
    return Morphology(measures, {})


def test_errors_of_both_examinations_add_in_quadrature() -> None:
    (change,) = changes(shape(Measure("height", 5.0, 4.7, 5.2)), shape(Measure("height", 6.0, 5.6, 6.1)))
    assert change.value == 1.0
    assert change.low == pytest.approx(1.0 - (0.4**2 + 0.2**2) ** 0.5)
    assert change.high == pytest.approx(1.0 + (0.1**2 + 0.3**2) ** 0.5)
    assert change.beyond_error


def test_change_within_its_error_is_none_and_one_without_interval_says_nothing() -> None:
    near, bare = changes(
        shape(Measure("height", 5.0, 4.5, 5.5), Measure("width", 4.0)),
        shape(Measure("height", 5.2, 4.9, 5.5), Measure("width", 9.0, 8.0, 10.0)),
    )
    assert not near.beyond_error
    assert bare.low is None and not bare.beyond_error


def test_measure_of_one_examination_alone_has_no_change() -> None:
    assert changes(shape(Measure("height", 5.0)), shape(Measure("width", 5.0))) == ()
