from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent import Comment, Critique
from selfcritic.agent.critic.selection import calibrate, rerank
from selfcritic.agent.errors import InputError


def chosen_length(pool: list[Critique], modifier: float) -> int:
    index = rerank(pool, modifier)
    assert index is not None
    return len(pool[index].comments)


rewards = st.one_of(st.none(), st.floats(-1e6, 1e6))
modifiers = st.floats(-1e6, 1e6)


def critique(reward: float | None, highlights: int, ungrounded: int = 0) -> Critique:
    comments = [Comment(quote="q", text=str(number)) for number in range(highlights)]
    return Critique(text="", comments=comments, ungrounded=[Comment(quote="?", text="")] * ungrounded, reward=reward)


critiques = st.builds(critique, rewards, st.integers(0, 8), st.integers(0, 2))
pools = st.lists(critiques, max_size=28)


@given(pools, modifiers, modifiers)
def test_more_modifier_never_means_fewer_highlights(pool, one, other):
    less, more = sorted((one, other))
    if (index := rerank(pool, less)) is not None:
        assert len(pool[rerank(pool, more)].comments) >= len(pool[index].comments)


@given(pools, modifiers)
def test_none_is_worth_more_than_the_chosen(pool, modifier):
    able = [c for c in pool if c.reward is not None and not (c.ungrounded and not c.comments)]
    index = rerank(pool, modifier)
    assert (index is None) == (not able)
    if index is not None:
        best = max(c.reward + modifier * len(c.comments) for c in able)
        selected_critique = pool[index].reward + modifier * len(pool[index].comments)
        assert selected_critique == pytest.approx(best, abs=1e-6, rel=1e-9)


def test_the_first_of_equals_is_chosen():
    assert rerank([critique(0.1, 1), critique(0.5, 1), critique(0.5, 1)], 0.0) == 1


def test_what_quotes_only_inventions_is_never_chosen():
    assert rerank([critique(0.9, 0, ungrounded=1), critique(0.1, 0)], 0.0) == 1
    assert rerank([critique(0.9, 0, ungrounded=1)], 100.0) is None


POOLS = [[critique(-h / 8 - p / 4, h) for h in range(1, 9)] for p in range(10)]


@pytest.mark.parametrize("percentile", [0, 10, 25, 50, 75, 100])
def test_a_percentile_of_the_highlights_is_met(percentile):
    bent = [[critique(-0.1 * h * h - 0.01 * p, h) for h in range(1, 9)] for p in range(10)]
    lengths = [len(one.comments) for pool in bent for one in pool]
    wanted = [min(lengths), *quantiles(lengths, n=100, method="inclusive"), max(lengths)][percentile]
    modifier = calibrate(bent, percentile)
    selected_critique = [chosen_length(pool, modifier) for pool in bent]
    assert sum(selected_critique) / len(selected_critique) == pytest.approx(wanted, abs=0.5)


def test_where_no_modifier_meets_it_the_nearer_side_is_taken():
    # Rewards fall evenly with length: below 1/8 one highlight is chosen of each pool, above it all eight.
    for percentile, expected in ((25, 1), (75, 8)):
        modifier = calibrate(POOLS, percentile)
        assert {chosen_length(pool, modifier) for pool in POOLS} == {expected}


@given(st.lists(pools, min_size=1, max_size=5), st.integers(0, 100), st.integers(0, 100))
def test_a_higher_percentile_never_brings_a_lower_modifier_to_shorter_critiques(several, one, other):
    if not any(rerank(pool, 0.0) is not None for pool in several):
        with pytest.raises(InputError, match="no scored critique"):
            calibrate(several, one)
        return

    def total(modifier: float) -> int:
        return sum(len(p[i].comments) for p in several if (i := rerank(p, modifier)) is not None)

    less, more = sorted((one, other))
    assert total(calibrate(several, less)) <= total(calibrate(several, more))


@pytest.mark.parametrize("percentile", [-1, 101])
def test_what_is_no_percentile_is_refused(percentile):
    with pytest.raises(InputError, match="between 0 and 100"):
        calibrate(POOLS, percentile)
