"""Rank, calibrate, select and merge critiques."""

from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent import Comment, Critique
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.critic.selection import (
    calibrate,
    merge_critiques,
    rerank,
    select_critiques,
    selected_critique,
)
from selfcritic.agent.errors import InputError

# Rank and calibrate


def critique(reward: float | None, highlights: int, ungrounded: int = 0) -> Critique:
    comments = [Comment(quote="q", text=str(number)) for number in range(highlights)]
    return Critique(
        text="",
        comments=comments,
        ungrounded=[Comment(quote="?", text="")] * ungrounded,
        reward=reward,
    )


def selected_length(pool: list[Critique], modifier: float) -> int:
    index = rerank(pool, modifier)
    assert index is not None
    return len(pool[index].comments)


REWARDS = st.one_of(st.none(), st.floats(-1e6, 1e6))
MODIFIERS = st.floats(-1e6, 1e6)
CRITIQUES = st.builds(critique, REWARDS, st.integers(0, 8), st.integers(0, 2))
POOLS = st.lists(CRITIQUES, max_size=28)


@given(POOLS, MODIFIERS, MODIFIERS)
def test_greater_modifier_never_selects_fewer_highlights(pool, first, second):
    low, high = sorted((first, second))
    if rerank(pool, low) is not None:
        assert selected_length(pool, high) >= selected_length(pool, low)


@given(POOLS, MODIFIERS)
def test_selects_the_highest_value(pool, modifier):
    eligible = [c for c in pool if c.reward is not None and c.comments]
    index = rerank(pool, modifier)
    assert (index is None) == (not eligible)
    if index is not None:
        best = max(c.reward + modifier * len(c.comments) for c in eligible)
        value = pool[index].reward + modifier * len(pool[index].comments)
        assert value == pytest.approx(best, abs=1e-6, rel=1e-9)


def test_selects_the_first_of_equals():
    assert rerank([critique(0.1, 1), critique(0.5, 1), critique(0.5, 1)], 0.0) == 1


def test_never_selects_a_critique_with_only_ungrounded_quotes():
    pool = [critique(0.9, 0, ungrounded=1), critique(0.1, 0)]
    assert rerank(pool, 0.0) is None
    assert rerank(pool, 0.0, allow_ungrounded=True) == 1
    assert rerank(pool[:1], 100.0, allow_ungrounded=True) is None


LINEAR_POOLS = [[critique(-h / 8 - p / 4, h) for h in range(1, 9)] for p in range(10)]


@pytest.mark.parametrize("percentile", [0, 10, 25, 50, 75, 100])
def test_calibrates_to_a_percentile_of_the_highlights(percentile):
    pools = [[critique(-0.1 * h * h - 0.01 * p, h) for h in range(1, 9)] for p in range(10)]
    lengths = [len(c.comments) for pool in pools for c in pool]
    target = [min(lengths), *quantiles(lengths, n=100, method="inclusive"), max(lengths)][
        percentile
    ]
    modifier = calibrate(pools, percentile)
    selected_lengths = [selected_length(pool, modifier) for pool in pools]
    assert sum(selected_lengths) / len(selected_lengths) == pytest.approx(target, abs=0.5)


def test_calibrates_to_the_nearer_side_of_a_step():
    # Rewards fall linearly with length: below 1/8 every pool selects one highlight, above it all eight.
    for percentile, expected in ((25, 1), (75, 8)):
        modifier = calibrate(LINEAR_POOLS, percentile)
        assert {selected_length(pool, modifier) for pool in LINEAR_POOLS} == {expected}


@given(st.lists(POOLS, min_size=1, max_size=5), st.integers(0, 100), st.integers(0, 100))
def test_higher_percentile_never_gives_shorter_critiques(pools, first, second):
    if not any(rerank(pool, 0.0) is not None for pool in pools):
        with pytest.raises(InputError, match="no scored critique"):
            calibrate(pools, first)
        return

    def total_length(percentile: int) -> int:
        modifier = calibrate(pools, percentile)
        return sum(
            selected_length(pool, modifier) for pool in pools if rerank(pool, modifier) is not None
        )

    low, high = sorted((first, second))
    assert total_length(low) <= total_length(high)


@pytest.mark.parametrize("percentile", [-1, 101])
def test_rejects_a_percentile_out_of_range(percentile):
    with pytest.raises(InputError, match="`percentile` must be between 0 and 100"):
        calibrate(LINEAR_POOLS, percentile)


# Select and merge

ANSWER = "one two three four"


def quoting(*words: str, reward: float | None = 0.5) -> Critique:
    comments = [
        Comment(
            quote=word, text=f"{word}?", start=ANSWER.find(word), end=ANSWER.find(word) + len(word)
        )
        for word in words
    ]
    return Critique(text="", comments=comments, reward=reward)


def accept_all(_critique: Critique) -> bool:
    return True


QUOTING_POOLS = st.lists(
    st.builds(
        lambda words, reward: quoting(*words, reward=reward),
        st.lists(st.sampled_from(ANSWER.split()), unique=True),
        st.one_of(st.none(), st.floats(0, 1)),
    ),
    max_size=9,
)


@given(QUOTING_POOLS, st.floats(-1, 1), st.integers(1, 9), st.floats(0, 1))
def test_selects_the_best_first_and_no_overlapping_quotes(pool, modifier, limit, threshold):
    selected = select_critiques(pool, modifier, limit, lambda c: (c.reward or 0.0) > threshold)
    best = rerank(pool, modifier)
    is_good_enough = best is not None and (pool[best].reward or 0.0) > threshold
    assert selected[:1] == ([best] if is_good_enough else [])
    assert len(selected) <= limit
    assert all((pool[index].reward or 0.0) > threshold for index in selected)
    comments = [(index, comment) for index in selected for comment in pool[index].comments]
    assert not any(a.overlaps(b) for i, a in comments for j, b in comments if i != j)


@given(QUOTING_POOLS, st.integers(1, 9))
def test_selects_as_many_as_possible(pool, limit):
    selected = select_critiques(pool, 0.0, limit, accept_all)
    if selected and len(selected) < limit and pool[selected[0]].comments:
        merged = merge_critiques([pool[index] for index in selected]).comments
        rest = [
            c
            for index, c in enumerate(pool)
            if index not in selected and c.comments and c.reward is not None
        ]
        assert all(any(own.overlaps(other) for own in c.comments for other in merged) for c in rest)


def test_prefers_a_worse_critique_of_other_words_to_an_overlapping_one():
    pool = [
        quoting("three", reward=0.6),
        quoting("one", reward=0.9),
        quoting("one", "two", reward=0.8),
    ]
    assert select_critiques(pool, 0.0, 2, accept_all) == [1, 0]


def test_selects_only_the_better_of_two_equal_comments_on_different_words():
    pool = [
        quoting(word, reward=reward)
        for word, reward in (("one", 0.7), ("three", 0.9), ("two", 0.5))
    ]
    for duplicate in pool[:2]:
        duplicate.comments[0].text = "five is missing"
    assert select_critiques(pool, 0.0, 3, accept_all) == [1, 2]


def test_selects_a_critique_without_quotes_alone():
    unquoted = Critique(text="All of it.", unparsed="All of it.", reward=0.9)
    pool = [unquoted, quoting("one")]
    assert select_critiques(pool, 0.0, 3, accept_all) == [1]
    assert select_critiques(pool, 0.0, 3, accept_all, allow_ungrounded=True) == [0]
    pool[0] = unquoted.model_copy(update={"reward": 0.1})
    assert select_critiques(pool, 0.0, 3, accept_all, allow_ungrounded=True) == [1]


def test_merges_selected_critiques_in_the_order_of_the_answer():
    pool = [quoting("three").model_copy(update={"selected": True}), quoting("two"), quoting("one")]
    pool[2].selected = True
    merged = selected_critique(pool)
    assert merged is not None
    assert [comment.quote for comment in merged.comments] == ["one", "three"]
    assert ground(merged.text, ANSWER).comments == merged.comments
    assert selected_critique(pool[:2]) == pool[0]
    assert selected_critique(pool[1:2]) is None
