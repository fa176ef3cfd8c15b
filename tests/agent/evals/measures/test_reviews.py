import math

import pytest

from selfcritic.agent.data.records import Bug
from selfcritic.agent.evals.measures.reviews import (
    ReviewedItem,
    calls_per_caught_bug,
    match_comments,
    measure_reviews,
    overlap_score,
)
from selfcritic.agent.schemas import Comment


def comment(start: int, end: int) -> Comment:
    return Comment(quote="x" * (end - start), text="wrong", start=start, end=end)


def bug(name: str, start: int, end: int, severity: str | None = None) -> Bug:
    return Bug(id=name, description="wrong", start=start, end=end, severity=severity)


def test_overlap_is_the_covered_share_of_the_bug():
    assert overlap_score(comment(0, 10), bug("1", 5, 15)) == 0.5
    assert overlap_score(comment(0, 100), bug("1", 5, 15)) == 1.0
    assert overlap_score(comment(0, 5), bug("1", 5, 15)) == 0.0
    assert overlap_score(Comment(quote="x", text="wrong"), bug("1", 5, 15)) == 0.0


def test_a_comment_matches_one_bug_only():
    bugs = [bug("1", 0, 10), bug("2", 5, 15)]
    assert match_comments([comment(0, 15)], bugs) in ([0, None], [None, 0])


def test_matches_maximize_the_sum():
    # Greedily, the wide comment would take bug 1 and leave bug 2 without one.
    bugs = [bug("1", 0, 10), bug("2", 10, 20)]
    assert match_comments([comment(0, 20), comment(0, 10)], bugs) == [1, 0]


def test_weak_overlaps_do_not_match():
    assert match_comments([comment(0, 4)], [bug("1", 0, 10)]) == [None]
    assert match_comments([comment(0, 4)], [bug("1", 0, 10)], threshold=0.4) == [0]


def test_without_comments_or_bugs_nothing_matches():
    assert match_comments([], [bug("1", 0, 1)]) == [None]
    assert match_comments([comment(0, 1)], []) == []


ITEMS = [
    ReviewedItem("a", 3, [bug("1", 0, 1, "high"), bug("2", 2, 3, "low")], [True, False]),
    ReviewedItem("b", 1, [bug("1", 0, 1, "high")], [False]),
    ReviewedItem("c", 2, [], []),
    ReviewedItem("d", 0, [], []),
]


def test_rates():
    result = measure_reviews(ITEMS)
    assert (result.recall.value, result.recall.count) == pytest.approx((1 / 3, 3))
    assert (result.precision.value, result.precision.count) == (0.25, 4)
    assert (result.severe_misses.value, result.severe_misses.count) == (0.5, 2)
    assert (result.false_alarms.value, result.false_alarms.count) == (0.5, 2)
    assert result.comments.value == 1.5


def test_silence_is_not_perfect_precision():
    silent = [ReviewedItem("a", 0, [bug("1", 0, 1)], [False])]
    result = measure_reviews(silent)
    assert math.isnan(result.precision.value)
    assert result.recall.value == 0.0
    assert math.isnan(result.false_alarms.value)


def test_costs_of_clean_items_count():
    assert calls_per_caught_bug(ITEMS, [2, 2, 2, 2]).value == 8
