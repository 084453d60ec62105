"""The intraclass correlation against the worked example of its paper, and its interval against drawn data."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.numerics.reliability import intraclass_correlation

# Shrout and Fleiss 1979, table 2: six targets, four judges; table 4 gives ICC(1,1) = 0.17.
JUDGED = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float)


def test_the_example_of_the_paper() -> None:
    value, low, high = intraclass_correlation(JUDGED)
    assert round(value, 2) == 0.17
    assert low < value < high
    # Its mean squares: between targets 11.24, within targets 6.26.
    assert value == pytest.approx((11.24 - 6.26) / (11.24 + 3 * 6.26), abs=2e-3)


def test_what_is_drawn_with_a_known_correlation_is_found_and_lies_in_the_interval() -> None:
    generator = np.random.default_rng(3)
    covered, values = 0, []
    for _ in range(400):
        scores = generator.normal(size=(20, 1)) * np.sqrt(0.8) + generator.normal(size=(20, 5)) * np.sqrt(0.2)
        value, low, high = intraclass_correlation(scores)
        values.append(value)
        covered += low <= 0.8 <= high
    assert np.mean(values) == pytest.approx(0.8, abs=0.02)
    # 95 % of 400, and four standard errors of that share.
    assert covered / 400 == pytest.approx(0.95, abs=0.044)


def test_alike_and_unlike() -> None:
    same = np.tile(np.arange(5.0)[:, None], 3)
    assert intraclass_correlation(same)[0] == 1.0
    assert np.isnan(intraclass_correlation(np.full((5, 3), 0.1))[0])
    assert intraclass_correlation(np.tile(np.arange(3.0), (5, 1)))[0] == pytest.approx(-0.5)
