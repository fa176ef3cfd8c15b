import math

from selfcritic.agent.evals.measures.costs import cost_per_success


def test_is_the_ratio_of_sums_and_not_the_mean_of_ratios():
    assert cost_per_success([10, 30], [1, 3], "ab").value == 10
    assert cost_per_success([10, 10], [1, 4], "ab").value == 4


def test_failures_cost_too():
    assert cost_per_success([5, 5, 5], [1, 0, 0], "abc").value == 15


def test_rows_with_unknown_cost_are_missing_with_their_successes():
    estimate = cost_per_success([10, None], [1, 5], "ab")
    assert (estimate.value, estimate.count, estimate.missing) == (10, 1, 1)


def test_without_successes_it_is_undefined():
    estimate = cost_per_success([10, 20], [0, 0], "ab")
    assert math.isnan(estimate.value)
    assert estimate.note == "no successes"
    assert cost_per_success([], [], []).note == "no successes"


def test_interval_resamples_tasks():
    estimate = cost_per_success([10, 30] * 20, [1, 1] * 20, range(40))
    assert 10 < estimate.low < 20 < estimate.high < 30
