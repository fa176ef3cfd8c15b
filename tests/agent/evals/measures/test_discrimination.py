import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from selfcritic.agent.evals.measures.discrimination import (
    Predictions,
    accuracy,
    area_under_curve,
    brier_score,
    calibration_error,
    pairwise_accuracy,
    rank_auc,
    reliability_curve,
    weighted_auc,
)

FOUR = Predictions([0.9, 0.6, 0.4, 0.1], [True, False, True, False], ["a", "a", "b", "b"])


def test_auc_counts_ordered_pairs():
    # Of the 4 pairs of a flawed and a right answer, (0.4, 0.6) is in the wrong order.
    assert area_under_curve(FOUR).value == 0.75


def test_equal_probabilities_count_half():
    tied = Predictions([0.5, 0.5], [True, False], ["a", "b"])
    assert area_under_curve(tied).value == 0.5


@pytest.mark.parametrize("label", [True, False])
def test_auc_of_one_class_is_undefined(label: bool):
    estimate = area_under_curve(Predictions([0.2, 0.8], [label, label], ["a", "b"]))
    assert math.isnan(estimate.value)
    assert estimate.note == "all labels are equal"


def test_brier_score():
    # (0.01 + 0.36 + 0.36 + 0.01) / 4
    assert brier_score(FOUR).value == pytest.approx(0.185)


def test_calibration_error_weighs_bins_by_their_rows():
    # Bin 0.9: one row, true: 0.1 off. Bin 0.2: three rows, one true: 1/3 - 0.2 off.
    predictions = Predictions([0.9, 0.2, 0.2, 0.2], [True, True, False, False], range(4))
    assert calibration_error(predictions).value == pytest.approx((0.1 + 3 * (1 / 3 - 0.2)) / 4)


def test_probability_of_one_belongs_to_the_last_bin():
    assert calibration_error(Predictions([1.0, 0.95], [True, True], "ab")).value == pytest.approx(
        0.025
    )


def test_reliability_curve_has_only_bins_with_rows():
    predictions = Predictions([0.9, 0.2, 0.2, 0.2], [True, True, False, False], range(4))
    below, above = reliability_curve(predictions)
    assert below == pytest.approx((0.2, 1 / 3))
    assert above == pytest.approx((0.9, 1.0))


def test_accuracy_at_a_threshold():
    assert accuracy(FOUR).value == 0.5
    assert accuracy(FOUR, threshold=0.35).value == 0.75


def test_pairwise_accuracy_compares_within_a_task():
    # Task a and task b are in the right order; task c has only one label.
    predictions = Predictions(
        [0.9, 0.6, 0.4, 0.1, 0.3], [True, False, True, False, True], ["a", "a", "b", "b", "c"]
    )
    estimate = pairwise_accuracy(predictions)
    assert (estimate.value, estimate.count, estimate.missing) == (1.0, 2, 1)


def test_unreadable_probabilities_are_missing_rows():
    predictions = Predictions([0.9, 0.1], [True, False], ["a", "b"], missing=3)
    for measure in (area_under_curve, brier_score, calibration_error, accuracy):
        estimate = measure(predictions)
        assert (estimate.count, estimate.missing) == (2, 3)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_rejects_what_is_no_probability(value: float):
    with pytest.raises(ValueError, match="is not a probability"):
        Predictions([value], [True], ["a"])


def test_rejects_unequal_lengths():
    with pytest.raises(ValueError, match="as many labels"):
        Predictions([0.1], [True, False], ["a"])


def test_no_rows():
    empty = Predictions([], [], [])
    for measure in (area_under_curve, brier_score, calibration_error, accuracy, pairwise_accuracy):
        assert math.isnan(measure(empty).value)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 1.0]), st.booleans()), min_size=4))
def test_the_bootstrapped_auc_is_scikit_learns(rows: list[tuple[float, bool]]):
    probabilities = np.array([probability for probability, _ in rows])
    labels = np.array([label for _, label in rows])
    if len(set(labels)) < 2:
        return
    value = float(weighted_auc(probabilities, labels)(np.ones((1, len(rows))))[0])
    assert value == pytest.approx(metrics.roc_auc_score(labels, probabilities))


def test_the_interval_of_a_calibrated_judge_contains_0():
    rng = np.random.default_rng(1)
    probabilities = rng.random(200)
    labels = rng.random(200) < probabilities
    estimate = calibration_error(Predictions(probabilities.tolist(), labels.tolist(), range(200)))
    assert estimate.low == 0.0 < estimate.value
    assert estimate.high < 0.2


def test_the_interval_of_a_miscalibrated_judge_does_not():
    estimate = calibration_error(Predictions([0.9] * 200, [False, True] * 100, range(200)))
    assert estimate.value == pytest.approx(0.4)
    assert 0.3 < estimate.low < 0.4 < estimate.high < 0.5


def test_rank_auc_equals_scikit_learn_with_ties():
    rng = np.random.default_rng(0)
    scores = rng.integers(5, size=60) / 4
    labels = rng.random(60) < scores
    assert rank_auc(labels, scores) == pytest.approx(metrics.roc_auc_score(labels, scores))


def test_calibration_error_of_one_task_has_no_interval():
    estimate = calibration_error(Predictions([0.9, 0.2], [True, True], "aa"))
    assert estimate.note == "one task: no interval"
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)
