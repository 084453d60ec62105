"""The sac's measures by geometry beside the network's: both values, the network's interval, a word where they do not meet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aneuflow.report.learned_section import learned_rows
from aneuflow.report.text import Language
from aneuflow.types import Measure, differ
from tests.report.sample import sample_content

NEAR, FAR = Measure("maximum_diameter", 6.3, 5.9, 6.7), Measure("height", 7.0, 6.0, 8.0)


@pytest.mark.parametrize(("language", "word"), [("en", "do not meet"), ("zh", "不相交")])
def test_rows_hold_both_values_and_the_word(language: Language, word: str) -> None:
    content = sample_content()
    assert learned_rows(content, language) == []
    morphology = replace(content.morphology, learned=(NEAR, FAR))
    near, far = learned_rows(replace(content, morphology=morphology), language)
    assert (near.geometric, near.learned, near.interval, near.unit, near.word) == ("6.0", "6.3", "5.9–6.7", "mm", "")
    assert (far.geometric, far.learned, far.interval) == ("4.8", "7.0", "6.0–8.0")
    assert word in far.word


def test_intervals_that_touch_do_not_differ() -> None:
    assert not differ(NEAR, Measure("maximum_diameter", 6.8, 6.7, 6.9))
    assert differ(NEAR, Measure("maximum_diameter", 6.8, 6.71, 6.9))
    assert differ(Measure("maximum_diameter", 7.0), NEAR) and not differ(NEAR, Measure("maximum_diameter", 6.0))
