import math

from selfcritic.agent.evals.measures.frontier import (
    RatedSample,
    measure_frontier,
    select_sample,
)

SHORT = RatedSample(1.0, 1, is_comprehensive=False, is_spurious=False)
LONG = RatedSample(0.2, 4, is_comprehensive=True, is_spurious=True)
UNRATED = RatedSample(0.5, 3, is_comprehensive=None, is_spurious=None)


def test_the_modifier_trades_reward_for_highlights():
    # Equal at 0.8 / 3 per highlight.
    assert select_sample([SHORT, LONG], 0.26) is SHORT
    assert select_sample([SHORT, LONG], 0.27) is LONG
    assert select_sample([], 0.0) is None


def test_points_come_from_the_same_pools():
    pools = {("task", 1): [SHORT, LONG], ("other", 1): [SHORT, LONG]}
    precise, comprehensive = measure_frontier(pools, [0.0, 1.0])
    assert (precise.comprehensive.value, precise.spurious.value) == (0.0, 0.0)
    assert (comprehensive.comprehensive.value, comprehensive.spurious.value) == (1.0, 1.0)
    assert (precise.highlights.value, comprehensive.highlights.value) == (1.0, 4.0)


def test_unrated_and_empty_pools_are_missing():
    (point,) = measure_frontier({"a": [UNRATED], "b": [SHORT], "c": []}, [0.0])
    assert (point.comprehensive.count, point.comprehensive.missing) == (1, 2)
    assert (point.highlights.value, point.highlights.missing) == (2.0, 1)


def test_no_pools():
    (point,) = measure_frontier({}, [0.0])
    assert math.isnan(point.comprehensive.value)
