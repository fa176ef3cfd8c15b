import math

import numpy as np
import pytest

from selfcritic.agent.evals.measures import intervals
from selfcritic.agent.evals.measures.intervals import (
    divide,
    mean,
    rate,
    resample,
    resample_weighted,
    wilson,
)


def test_wilson_equals_published_values():
    # Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=1e-4)


def test_rate_of_independent_rows_is_wilson():
    estimate = rate([True, True, False, True], ["a", "b", "c", "d"])
    assert (estimate.value, estimate.count) == (0.75, 4)
    assert (estimate.low, estimate.high) == wilson(3, 4)


def test_rate_counts_equal_rows_of_a_task_once():
    # Every row of a task is the same: 4 rows have the information of 2.
    estimate = rate([True, True, False, False], ["a", "a", "b", "b"])
    # Sums of the deviations: a +1, b -1; variance 2 · 2 / 16 = 0.25; independent 0.25 / 4; effect 4.
    assert (estimate.low, estimate.high) == pytest.approx(wilson(0.5, 1))


def test_rate_of_equal_rows_uses_the_number_of_tasks():
    estimate = rate([True] * 6, ["a", "a", "a", "b", "b", "b"])
    assert (estimate.low, estimate.high) == pytest.approx(wilson(2, 2))


def test_missing_rows_are_counted_and_not_zeros():
    estimate = rate([True, None, True], ["a", "b", "c"])
    assert (estimate.value, estimate.count, estimate.missing) == (1.0, 2, 1)
    assert mean([2.0, None, 4.0], ["a", "b", "c"]).value == 3.0


@pytest.mark.parametrize("values", [[], [None, None]])
def test_without_values_the_estimate_is_undefined(values: list[None]):
    for estimate in (
        rate(values, ["a", "b"][: len(values)]),
        mean(values, ["a", "b"][: len(values)]),
    ):
        assert math.isnan(estimate.value)
        assert estimate.note == "no rows with a value"
        assert estimate.missing == len(values)


def test_mean_weights_rows_and_not_tasks():
    assert mean([1.0, 1.0, 4.0], ["a", "a", "b"]).value == 2.0


def test_mean_of_one_task_has_no_interval():
    estimate = mean([1.0, 2.0], ["a", "a"])
    assert (estimate.value, estimate.note) == (1.5, "one task: no interval")
    assert math.isnan(estimate.low)


def test_mean_of_equal_values():
    assert mean([3.0, 3.0], ["a", "b"]).note == "all tasks have the same mean"
    share = mean([1.0] * 20, list(range(20)), is_share=True)
    assert (share.low, share.high) == pytest.approx(wilson(20, 20))


def test_mean_of_dependent_rows_has_a_wider_interval():
    rng = np.random.default_rng(1)
    values = rng.normal(size=40)
    repeated: list[float] = np.repeat(values, 5).tolist()
    clustered = mean(repeated, [index // 5 for index in range(200)])
    independent = mean(repeated, list(range(200)))
    assert clustered.high - clustered.low > 1.8 * (independent.high - independent.low)
    once = mean(values.tolist(), list(range(40)))
    assert (clustered.low, clustered.high) == pytest.approx((once.low, once.high))


def test_intervals_depend_only_on_the_seed():
    values = [0.0, 1.0, 1.0, 3.0, 9.0]
    assert mean(values, range(5)) == mean(values, range(5))
    assert mean(values, range(5)) != mean(values, range(5), seed=1)


def test_nan_is_rejected():
    with pytest.raises(ValueError, match="Use None for rows without a value"):
        mean([1.0, math.nan], ["a", "b"])


def test_each_value_needs_a_cluster():
    with pytest.raises(ValueError, match="2 values have 1 clusters"):
        rate([True, False], ["a"])


def test_resample_reports_undefined_draws():
    labels = np.array([True, False, False])

    def share_if_any(rows: np.ndarray) -> float:
        drawn = labels[rows]
        return float(drawn.mean()) if drawn.any() else math.nan

    estimate = resample(share_if_any, ["a", "b", "c"])
    assert estimate.value == pytest.approx(1 / 3)
    assert estimate.low == pytest.approx(1 / 3)
    # A draw without the first row has probability (2/3)³.
    undefined = int(estimate.note.split()[2])
    assert undefined / 2_000 == pytest.approx((2 / 3) ** 3, abs=0.04)


def test_resample_of_an_undefined_statistic():
    assert resample(lambda rows: math.nan, ["a", "b"]).note == "undefined for these rows"
    assert resample(lambda rows: 1.0, []).note == "undefined for these rows"


def weighted_mean(values: list[float]):
    numbers = np.array(values)
    return lambda weights: divide(weights @ numbers, weights.sum(axis=1))


def test_a_weighted_statistic_has_scipys_bca_interval():
    # One skewed value per cluster: the interval is that of scipy's bootstrap of the mean.
    values = [0.0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.4, 0.7, 1.5, 4.0]
    estimate = resample_weighted(weighted_mean(values), range(10))
    expected = mean(values, range(10))
    assert estimate.value == pytest.approx(expected.value)
    assert estimate.low == pytest.approx(expected.low, abs=0.05)
    assert estimate.high == pytest.approx(expected.high, abs=0.1)
    percentile = resample(lambda rows: float(np.array(values)[rows].mean()), range(10))
    assert estimate.high > percentile.high + 0.1


def test_a_weighted_statistic_resamples_clusters():
    values = [0.0, 1.0] * 20
    rows_apart = resample_weighted(weighted_mean(values), range(40))
    together = resample_weighted(
        weighted_mean(sorted(values)), [number // 4 for number in range(40)]
    )
    assert together.high - together.low > 1.5 * (rows_apart.high - rows_apart.low)


@pytest.mark.parametrize(
    ("values", "clusters", "note"),
    [
        ([], [], "undefined for these rows"),
        ([math.nan], "a", "undefined for these rows"),
        ([1.0, 2.0], "aa", "one task: no interval"),
    ],
)
def test_a_weighted_statistic_without_an_interval_has_a_note(values, clusters, note: str):
    assert resample_weighted(weighted_mean(values), clusters).note == note


def test_a_weighted_statistic_counts_undefined_resamples():
    positive = np.array([1.0, 0.0, 0.0])
    estimate = resample_weighted(
        lambda weights: divide(weights @ positive, weights @ positive), range(3)
    )
    assert (estimate.value, estimate.low, estimate.high) == (1.0, 1.0, 1.0)
    assert "of 2000 resamples" in estimate.note


def test_many_clusters_use_little_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(intervals, "_MAX_CELLS", 1_000)
    monkeypatch.setattr(intervals, "_MAX_GROUPS", 7)
    values = [float(number % 5) for number in range(50)]
    estimate = resample_weighted(weighted_mean(values), range(50))
    assert 1.5 < estimate.low < 2.0 < estimate.high < 2.5
