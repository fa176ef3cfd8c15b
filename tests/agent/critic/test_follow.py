from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent import Comment, Critique
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.critic.selection import merge_critiques, rerank, select_critiques, selected_critique

ANSWER = "one two three four"


def about(*words: str, reward: float | None = 0.5) -> Critique:
    comments = [
        Comment(quote=word, text=f"{word}?", start=ANSWER.find(word), end=ANSWER.find(word) + len(word))
        for word in words
    ]
    return Critique(text="", comments=comments, reward=reward)


pools = st.lists(
    st.builds(
        lambda words, reward: about(*words, reward=reward),
        st.lists(st.sampled_from(ANSWER.split()), unique=True),
        st.one_of(st.none(), st.floats(0, 1)),
    ),
    max_size=9,
)


@given(pools, st.floats(-1, 1), st.integers(1, 9), st.floats(0, 1))
def test_the_best_is_taken_first_and_no_two_speak_of_the_same_words(pool, modifier, follow, least):
    taken = select_critiques(pool, modifier, follow, lambda one: (one.reward or 0.0) > least)
    best = rerank(pool, modifier)
    is_enough = best is not None and (pool[best].reward or 0.0) > least
    assert taken[:1] == ([best] if is_enough else [])
    assert len(taken) <= follow
    assert all((pool[at].reward or 0.0) > least for at in taken)
    comments = [(at, comment) for at in taken for comment in pool[at].comments]
    assert not any(one.overlaps(other) for at, one in comments for by, other in comments if at != by)


@given(pools, st.integers(1, 9))
def test_as_many_as_may_be_are_taken(pool, follow):
    taken = select_critiques(pool, 0.0, follow, lambda one: True)
    if taken and len(taken) < follow and pool[taken[0]].comments:
        known = merge_critiques([pool[at] for at in taken]).comments
        left = [one for at, one in enumerate(pool) if at not in taken and one.comments and one.reward is not None]
        assert all(any(own.overlaps(other) for own in one.comments for other in known) for one in left)


def test_a_worse_one_about_other_words_is_followed_and_a_better_one_about_the_same_is_not():
    pool = [about("three", reward=0.6), about("one", reward=0.9), about("one", "two", reward=0.8)]
    assert select_critiques(pool, 0.0, 2, lambda one: True) == [1, 0]


def test_of_two_that_say_the_same_of_different_words_the_better_one_is_followed():
    pool = [about(word, reward=reward) for word, reward in (("one", 0.7), ("three", 0.9), ("two", 0.5))]
    for critique in pool[:2]:
        critique.comments[0].text = "five is missing"
    assert select_critiques(pool, 0.0, 3, lambda one: True) == [1, 2]


def test_without_a_quote_a_critique_is_followed_alone():
    words = Critique(text="All of it.", unparsed="All of it.", reward=0.9)
    assert select_critiques([words, about("one")], 0.0, 3, lambda one: True) == [0]
    assert select_critiques([words.model_copy(update={"reward": 0.1}), about("one")], 0.0, 3, lambda one: True) == [1]


def test_together_they_are_one_critique_in_the_order_of_the_answer():
    pool = [about("three").model_copy(update={"selected": True}), about("two"), about("one")]
    pool[2].selected = True
    critique = selected_critique(pool)
    assert critique is not None
    assert [comment.quote for comment in critique.comments] == ["one", "three"]
    assert ground(critique.text, ANSWER).comments == critique.comments
    assert selected_critique(pool[:2]) == pool[0]
    assert selected_critique(pool[1:2]) is None
