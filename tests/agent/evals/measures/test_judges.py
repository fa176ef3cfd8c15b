import math

import pytest

from selfcritic.agent.evals.measures.judges import (
    check_judge,
    correct_rate,
    corrected_rate,
    length_bias,
    position_bias,
)


def test_sensitivity_specificity_and_kappa():
    verdicts = [True] * 8 + [False] * 2 + [True] * 1 + [False] * 9
    labels = [True] * 10 + [False] * 10
    result = check_judge(verdicts, labels, range(20))
    assert result.sensitivity.value == 0.8
    assert result.specificity.value == 0.9
    # Observed agreement 17/20, by chance 0.45 · 0.5 + 0.55 · 0.5.
    assert result.kappa.value == pytest.approx((0.85 - 0.5) / 0.5)


def test_unreadable_verdicts_are_missing():
    result = check_judge([True, None, False], [True, True, False], "abc")
    assert result.missing == 1
    assert (result.sensitivity.value, result.sensitivity.count) == (1.0, 1)


def test_labels_of_one_kind():
    result = check_judge([True, True], [True, True], "ab")
    assert math.isnan(result.kappa.value)
    assert math.isnan(result.specificity.value)


def test_corrects_the_rate_of_a_biased_judge():
    # A true rate of 0.714 is judged as 0.714 · 0.95 + 0.286 · 0.44.
    judged = 0.714 * 0.95 + 0.286 * 0.44
    assert correct_rate(judged, sensitivity=0.95, specificity=0.56) == pytest.approx(0.714)


def test_corrected_rates_stay_within_0_and_1():
    assert correct_rate(0.02, 0.9, 0.9) == 0.0
    assert correct_rate(0.99, 0.9, 0.9) == 1.0


def test_a_judge_at_chance_cannot_be_corrected():
    assert math.isnan(correct_rate(0.5, 0.5, 0.5))
    assert math.isnan(correct_rate(0.5, 0.3, 0.4))


def test_biases():
    assert position_bias([1.0, 1.0, 0.5, 0.0], "abcd").value == 0.625
    assert length_bias([1.0, 1.0, 0.0], "abc").value == pytest.approx(2 / 3)


def labeled(hits: int, misses: int, false_alarms: int, rejections: int):
    rows = [(True, True)] * hits + [(False, True)] * misses
    rows += [(True, False)] * false_alarms + [(False, False)] * rejections
    return [(verdict, label, f"check {number}") for number, (verdict, label) in enumerate(rows)]


def test_a_corrected_rate_has_the_uncertainty_of_both_sets():
    verdicts = [True] * 60 + [False] * 40
    tasks = list(range(100))
    small = corrected_rate(verdicts, tasks, labeled(18, 2, 4, 16))
    large = corrected_rate(verdicts, tasks, labeled(180, 20, 40, 160))
    # (0.6 + 0.8 - 1) / (0.9 + 0.8 - 1)
    assert small.value == large.value == pytest.approx(4 / 7)
    assert small.count == 100
    assert small.high - small.low > 1.3 * (large.high - large.low)


def test_a_corrected_rate_without_labels_or_verdicts_is_undefined():
    assert math.isnan(corrected_rate([True], "a", []).value)
    assert math.isnan(corrected_rate([None], "a", labeled(1, 1, 1, 1)).value)
    assert math.isnan(corrected_rate([True], "a", labeled(1, 1, 1, 1)).value)  # at chance
    assert math.isnan(corrected_rate([True], "a", labeled(1, 1, 0, 0)).value)
