import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score, roc_curve

from aneuflow.numerics.classification import (
    auc,
    bootstrap_interval,
    calibration,
    miscalibration,
    net_benefit,
    sensitivity_at,
    specificity_at,
)

GENERATOR = np.random.default_rng(4)
PROBABILITY = GENERATOR.uniform(0.02, 0.9, 5000)
TRUTH = GENERATOR.uniform(size=5000) < PROBABILITY


def test_auc_by_counting_pairs_and_against_scikit_learn() -> None:
    truth, score = np.array([False, True, False, True, True]), np.array([1.0, 1.0, 2.0, 3.0, 0.5])
    pairs = [(p > n) + 0.5 * (p == n) for p in score[truth] for n in score[~truth]]
    assert auc(truth, score) == pytest.approx(np.mean(pairs))
    assert auc(TRUTH, PROBABILITY) == pytest.approx(roc_auc_score(TRUTH, PROBABILITY))
    assert np.isnan(auc(np.array([True, True]), np.array([0.1, 0.2])))


def test_sensitivity_and_specificity_lie_on_the_roc_curve() -> None:
    false_alarm, hit, _ = roc_curve(TRUTH, PROBABILITY)
    assert sensitivity_at(TRUTH, PROBABILITY, 0.9) == pytest.approx(hit[1 - false_alarm >= 0.9].max())
    assert specificity_at(TRUTH, PROBABILITY, 0.9) == pytest.approx((1 - false_alarm)[hit >= 0.9].max(), abs=1e-3)


def test_true_probabilities_are_calibrated_and_distorted_ones_are_not() -> None:
    true = calibration(TRUTH, PROBABILITY)
    assert true.slope == pytest.approx(1.0, abs=0.08) and true.intercept == pytest.approx(0.0, abs=0.08) and true.ece < 0.025
    assert true.brier == pytest.approx(brier_score_loss(TRUTH, PROBABILITY))
    logit = np.log(PROBABILITY / (1 - PROBABILITY))
    boastful = calibration(TRUTH, 1 / (1 + np.exp(-2 * logit - 0.5)))
    assert boastful.slope == pytest.approx(0.5 * true.slope, abs=1e-3) and boastful.ece > 0.08


def test_slope_intercept_and_their_test_against_scikit_learn() -> None:
    truth, probability = TRUTH[:400], np.clip(PROBABILITY[:400] + 0.05, 0.01, 0.99)
    logit = np.log(probability / (1 - probability))[:, None]
    line = LogisticRegression(C=np.inf, tol=1e-10).fit(logit, truth)
    found = calibration(truth, probability)
    assert (found.slope, found.intercept) == pytest.approx((line.coef_[0, 0], line.intercept_[0]), abs=1e-4)
    better = log_loss(truth, line.predict_proba(logit)[:, 1], normalize=False)
    expected = stats.chi2.sf(2 * (log_loss(truth, probability, normalize=False) - better), 2)
    assert miscalibration(truth, probability) == pytest.approx(expected, rel=1e-4)


def test_true_probabilities_are_called_miscalibrated_as_often_as_the_limit_says() -> None:
    generator = np.random.default_rng(6)
    found = []
    for _ in range(1000):
        probability = generator.uniform(0.05, 0.9, 150)
        found.append(miscalibration(generator.uniform(size=150) < probability, probability))
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.02)


def test_net_benefit_of_a_perfect_and_of_a_blind_model() -> None:
    thresholds = np.array([0.1, 0.3])
    prevalence = TRUTH.mean()
    assert net_benefit(TRUTH, TRUTH.astype(float), thresholds)[:, 0] == pytest.approx(prevalence)
    blind = net_benefit(TRUTH, np.ones(len(TRUTH)), thresholds)
    assert blind[:, 0] == pytest.approx(blind[:, 1])
    assert blind[1, 1] == pytest.approx(prevalence - (1 - prevalence) * 3 / 7)


def test_bootstrap_by_group_is_wider_than_by_row_where_groups_repeat_themselves() -> None:
    values = np.repeat(GENERATOR.normal(size=100), 10)
    by_row = bootstrap_interval(lambda rows: float(values[rows].mean()), np.arange(1000), 400, 1)
    by_group = bootstrap_interval(lambda rows: float(values[rows].mean()), np.repeat(np.arange(100), 10), 400, 1)
    assert by_group[1] - by_group[0] > 2 * (by_row[1] - by_row[0])
