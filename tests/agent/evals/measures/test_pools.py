import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.evals.measures.pools import (
    Pool,
    best_of_n,
    best_of_n_curve,
    best_of_n_rate,
)

SAMPLES = st.lists(
    st.tuples(st.sampled_from([0.1, 0.5, 0.5, 0.9]), st.sampled_from([0.0, 1.0])),
    min_size=1,
    max_size=7,
)


def test_best_of_two_of_three():
    # Pairs: (1, 2) and (1, 3) select the best, which is wrong; (2, 3) selects a right one.
    assert best_of_n([0.9, 0.5, 0.1], [0.0, 1.0, 0.0], 2) == pytest.approx(1 / 3)


def test_equal_scores_are_selected_with_equal_probability():
    assert best_of_n([0.5, 0.5], [0.0, 1.0], 2) == 0.5


def test_best_of_all_and_of_one():
    assert best_of_n([0.1, 0.9, 0.5], [1.0, 0.0, 1.0], 3) == 0.0
    assert best_of_n([0.1, 0.9, 0.5], [1.0, 0.0, 1.0], 1) == pytest.approx(2 / 3)


@given(SAMPLES, st.data())
def test_equals_the_mean_over_all_subsets(samples: list[tuple[float, float]], data: st.DataObject):
    n = data.draw(st.integers(1, len(samples)))
    expected = []
    for subset in itertools.combinations(samples, n):
        highest = max(score for score, _ in subset)
        best = [outcome for score, outcome in subset if score == highest]
        expected.append(sum(best) / len(best))
    scores, outcomes = zip(*samples, strict=True)
    assert best_of_n(scores, outcomes, n) == pytest.approx(sum(expected) / len(expected))


@pytest.mark.parametrize("n", [0, 3])
def test_n_must_fit_the_pool(n: int):
    with pytest.raises(ValueError, match="needs a pool of at least"):
        best_of_n([0.1, 0.2], [0.0, 1.0], n)


def test_small_pools_are_missing():
    pools = [Pool("a", [0.1, 0.2], [0.0, 1.0]), Pool("b", [0.1], [1.0])]
    estimate = best_of_n_rate(pools, 2)
    assert (estimate.value, estimate.count, estimate.missing) == (1.0, 1, 1)
    assert best_of_n_rate(pools, 4).note == "no pool has 4 samples"


def test_oracle_is_the_upper_bound():
    pools = [Pool(task, [0.9, 0.5, 0.1], [0.0, 1.0, 0.0]) for task in "abc"]
    assert best_of_n_rate(pools, 2, oracle=True).value == pytest.approx(2 / 3)
    assert best_of_n_rate(pools, 2).value == pytest.approx(1 / 3)


def test_curve_has_the_sizes_that_every_pool_has():
    pools = [Pool("a", [0.1] * 5, [0.0] * 5), Pool("b", [0.1] * 3, [1.0] * 3)]
    assert list(best_of_n_curve(pools)) == [1, 2]
    assert best_of_n_curve([]) == {}


def test_pool_rejects_nan_and_unequal_lengths():
    with pytest.raises(ValueError, match="NaN"):
        Pool("a", [math.nan], [0.0])
    with pytest.raises(ValueError, match="1 scores and 2 outcomes"):
        Pool("a", [0.1], [0.0, 1.0])
