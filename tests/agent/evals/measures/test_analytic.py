"""Test the intervals that need no resampling."""

import math

import numpy as np
import pytest

from selfcritic.agent.evals.measures import intervals
from selfcritic.agent.evals.measures.analytic import estimate_auc, estimate_skewed_mean
from selfcritic.agent.evals.measures.discrimination import weighted_auc
from selfcritic.agent.evals.measures.intervals import mean, wilson


def auc(scores: list[float], labels: list[bool], tasks):
    truth = np.array(labels)
    return estimate_auc(weighted_auc(np.array(scores), truth), truth, tasks)


def test_auc_of_hand_computed_rows():
    # Ordered pairs: 5 of 6. Without a row: 3/4 (0.9 and 0.7), 4/4 (0.3), 3/3 (0.4), 2/3 (0.1).
    estimate = auc([0.9, 0.7, 0.3, 0.4, 0.1], [True, True, True, False, False], range(5))
    assert estimate.value == pytest.approx(5 / 6)
    # A logit is infinite, so the deviation is that of the values over 5/6 · 1/6, and t has one degree of freedom.
    left_out = np.array([3 / 4, 3 / 4, 1, 1, 2 / 3])
    deviation = math.sqrt(4 / 5 * ((left_out - left_out.mean()) ** 2).sum()) / (5 / 36)
    half = 12.7062 * deviation
    assert estimate.low == pytest.approx(1 / (1 + math.exp(half) / 5), abs=1e-4)
    assert estimate.high == pytest.approx(1 / (1 + math.exp(-half) / 5), abs=1e-4)


def test_auc_without_errors_has_wilsons_interval_of_the_rarer_label():
    scores = [0.9] * 4 + [0.1] * 12
    labels = [True] * 4 + [False] * 12
    estimate = auc(scores, labels, range(16))
    assert (estimate.value, estimate.low, estimate.high) == (1.0, *wilson(4, 4))
    inverted = auc(scores, [not label for label in labels], range(16))
    assert (inverted.value, inverted.low, inverted.high) == (0.0, *wilson(0, 4))


def test_auc_of_a_label_in_one_task_has_no_interval():
    estimate = auc([0.9, 0.8, 0.1], [True, True, False], ["a", "a", "b"])
    assert estimate.value == 1.0
    assert math.isnan(estimate.low)
    assert "one task only" in estimate.note


def test_auc_counts_equal_rows_of_a_task_once():
    rng = np.random.default_rng(1)
    scores = rng.random(30)
    labels = rng.random(30) < scores
    once = auc(scores.tolist(), labels.tolist(), range(30))
    repeated = auc(
        np.repeat(scores, 4).tolist(),
        np.repeat(labels, 4).tolist(),
        np.repeat(range(30), 4).tolist(),
    )
    assert (repeated.low, repeated.high) == pytest.approx((once.low, once.high))


def test_auc_of_equal_scores_is_certain():
    estimate = auc([0.5] * 6, [True, False] * 3, range(6))
    assert (estimate.value, estimate.low, estimate.high) == (0.5, 0.5, 0.5)


def test_auc_of_many_tasks_leaves_out_groups(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(2)
    scores = rng.random(400)
    labels = rng.random(400) < scores
    single = auc(scores.tolist(), labels.tolist(), range(400))
    monkeypatch.setattr(intervals, "_MAX_GROUPS", 50)
    grouped = auc(scores.tolist(), labels.tolist(), range(400))
    assert grouped.high - grouped.low == pytest.approx(single.high - single.low, rel=0.3)


def test_mean_without_skew_has_a_t_interval():
    estimate = estimate_skewed_mean([0.2, 0.4, 0.6, 0.8], range(4))
    # Standard deviation 0.2582 over 2, t of three degrees 3.1824.
    assert estimate.value == pytest.approx(0.5)
    assert (estimate.low, estimate.high) == pytest.approx((0.0891, 0.9109), abs=1e-4)


def test_mean_of_rare_errors_has_a_wider_side_where_they_are():
    values = [0.01] * 38 + [0.9, 0.8]
    estimate = estimate_skewed_mean(values, range(40))
    bootstrapped = mean(values, range(40), is_share=True)
    assert estimate.high - estimate.value > 2 * (estimate.value - estimate.low)
    assert estimate.high > bootstrapped.high
    assert 0 <= estimate.low < estimate.value


def test_mean_sums_up_the_rows_of_a_task():
    values = np.random.default_rng(3).random(20)
    once = estimate_skewed_mean(values.tolist(), range(20))
    repeated = estimate_skewed_mean(np.repeat(values, 3).tolist(), np.repeat(range(20), 3).tolist())
    assert (repeated.low, repeated.high) == pytest.approx((once.low, once.high))


def test_mean_without_spread_is_that_of_equal_shares():
    assert estimate_skewed_mean([], [], missing=2).note == "no rows with a value"
    assert estimate_skewed_mean([0.25] * 3, "aaa").note == "one task: no interval"
    equal = estimate_skewed_mean([0.0] * 9, range(9), missing=1)
    assert (equal.low, equal.high) == wilson(0, 9)
    assert equal.missing == 1
