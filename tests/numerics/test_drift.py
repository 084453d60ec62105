"""Drift's formulas by hand, against scipy, and on counts drawn from one law."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from aneuflow.numerics.drift import holm, homogeneity, kolmogorov_smirnov, more_often, share_interval, stability_index


def test_the_stability_index_by_hand() -> None:
    kept, found = np.array([20.0, 30.0, 50.0]), np.array([60.0, 60.0, 80.0])
    by_hand = (0.3 - 0.2) * np.log(0.3 / 0.2) + (0.4 - 0.5) * np.log(0.4 / 0.5)  # the middle share is 0.3 in both
    assert by_hand == pytest.approx(0.1 * 0.405465 + 0.1 * 0.223144, abs=1e-6)
    assert stability_index(kept, found) == pytest.approx(by_hand)
    assert stability_index(kept, 7 * kept) == pytest.approx(0.0, abs=1e-12)
    assert np.isfinite(stability_index(np.array([10.0, 0.0]), np.array([5.0, 5.0])))


def test_the_stability_index_without_drift_has_the_mean_that_was_derived_for_it() -> None:
    generator = np.random.default_rng(0)
    found = [
        stability_index(
            generator.multinomial(800, [0.1] * 10).astype(float), generator.multinomial(300, [0.1] * 10).astype(float)
        )
        for _ in range(2000)
    ]
    assert np.mean(found) == pytest.approx(9 * (1 / 800 + 1 / 300), rel=0.05)


def test_kolmogorov_smirnov_of_bins_is_that_of_their_numbers() -> None:
    generator = np.random.default_rng(1)
    for shift in (0.0, 0.6):
        kept, found = (np.digitize(generator.normal(at, 1, n), np.linspace(-2, 2, 19)) for at, n in ((0.0, 700), (shift, 120)))
        counts = [np.bincount(part, minlength=20).astype(float) for part in (kept, found)]
        expected = stats.ks_2samp(kept, found, method="asymp")
        assert kolmogorov_smirnov(*counts) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-6)


def test_homogeneity_against_scipy_and_with_rare_levels_put_together() -> None:
    kept, found = np.array([200.0, 150.0, 50.0]), np.array([30.0, 40.0, 20.0])
    expected = stats.chi2_contingency(np.array([kept, found]), correction=False)
    assert homogeneity(kept, found) == pytest.approx((expected.statistic, expected.pvalue))
    rare = homogeneity(np.append(kept, [1.0, 2.0]), np.append(found, [1.0, 0.0]))
    pooled = stats.chi2_contingency(np.array([[*kept, 3.0], [*found, 1.0]]), correction=False)
    assert rare == pytest.approx((pooled.statistic, pooled.pvalue))
    assert homogeneity(np.array([30.0, 0.0]), np.array([9.0, 0.0])) == (0.0, 1.0)


def test_more_often_is_fishers_exact_test() -> None:
    expected = stats.fisher_exact([[9, 21], [40, 460]], alternative="greater")
    assert more_often(40, 500, 9, 30) == pytest.approx(expected.pvalue)
    assert more_often(0, 500, 0, 30) == pytest.approx(1.0)


def test_holms_own_steps() -> None:
    # Adjusted by hand: 0.01 x 4, then the larger of it and 0.02 x 3, then 0.03 x 2 = 0.06, then 0.5.
    assert holm(np.array([0.03, 0.5, 0.01, 0.02])) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm(np.array([0.6, 0.9])) == pytest.approx([1.0, 1.0])


def test_the_interval_of_a_share_is_wilsons() -> None:
    for count, of in ((0, 12), (5, 31), (40, 40)):
        expected = stats.binomtest(count, of).proportion_ci(method="wilson")
        assert share_interval(count, of) == pytest.approx((expected.low, expected.high), abs=1e-6)
