"""Agreement against published worked examples and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.numerics.agreement import dice, fleiss_kappa

# Fleiss 1971, table 1: 30 subjects, six psychiatrists, five diagnoses; it gives 0.430 over all and these by diagnosis.
FLEISS_1971 = """
0 0 0 6 0|0 3 0 0 3|0 1 4 0 1|0 0 0 0 6|0 3 0 3 0|2 0 4 0 0|0 0 4 0 2|2 0 3 1 0|2 0 0 4 0|0 0 0 0 6
1 0 0 5 0|1 1 0 4 0|0 3 3 0 0|1 0 0 5 0|0 2 0 3 1|0 0 5 0 1|3 0 0 1 2|5 1 0 0 0|0 2 0 4 0|1 0 2 0 3
0 0 0 0 6|0 1 0 5 0|0 2 0 1 3|2 0 0 4 0|1 0 0 4 1|0 5 0 1 0|4 0 0 0 2|0 2 0 4 0|1 0 5 0 0|0 0 0 0 6
"""


def test_fleiss_of_1971() -> None:
    counts = np.array([[int(n) for n in row.split()] for row in FLEISS_1971.strip().replace("\n", "|").split("|")])
    assert counts.shape == (30, 5) and (counts.sum(axis=1) == 6).all()
    overall, each = fleiss_kappa(counts)
    assert overall == pytest.approx(0.430, abs=5e-4)
    np.testing.assert_allclose(each, [0.245, 0.245, 0.520, 0.471, 0.566], atol=1e-3)


def test_ten_subjects_and_fourteen_readers() -> None:
    # A widely printed worked example (ten subjects, fourteen readers, five categories): kappa 0.210.
    rows = "0 0 0 0 14|0 2 6 4 2|0 0 3 5 6|0 3 9 2 0|2 2 8 1 1|7 7 0 0 0|3 2 6 3 0|2 5 3 2 2|6 5 2 1 0|0 2 2 3 7"
    counts = np.array([[int(n) for n in row.split()] for row in rows.split("|")])
    assert fleiss_kappa(counts)[0] == pytest.approx(0.210, abs=5e-4)


def test_full_agreement_chance_and_nothing_to_tell() -> None:
    overall, each = fleiss_kappa(np.array([[3, 0], [0, 3], [3, 0]]))
    assert overall == 1.0 and each.tolist() == [1.0, 1.0]
    assert np.isnan(fleiss_kappa(np.array([[3, 0], [3, 0]]))[0])
    drawn = np.random.default_rng(2).multinomial(4, [0.7, 0.2, 0.1], size=20000)
    assert abs(fleiss_kappa(drawn)[0]) < 0.01


def test_a_subject_of_double_weight_is_two_alike() -> None:
    rows = np.array([[3, 0, 1], [0, 4, 0], [1, 1, 2]])
    overall, each = fleiss_kappa(rows, np.array([2.0, 1.0, 1.0]))
    twice, each_twice = fleiss_kappa(rows[[0, 0, 1, 2]])
    assert overall == pytest.approx(twice)
    np.testing.assert_allclose(each, each_twice)


def test_dice_by_area() -> None:
    first, second = np.array([True, True, False, False]), np.array([False, True, True, False])
    assert dice(first, second, np.array([1.0, 2.0, 3.0, 9.0])) == pytest.approx(2 * 2 / (3 + 5))
    assert dice(first, first, np.ones(4)) == 1.0 and dice(first, ~first, np.ones(4)) == 0.0
    assert np.isnan(dice(np.zeros(4, dtype=bool), np.zeros(4, dtype=bool), np.ones(4)))
