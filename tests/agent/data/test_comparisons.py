from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.data.comparisons import (
    GOLD,
    add_gold_critique,
    create_comparisons,
    fill_comparison,
    get_blind_texts,
    get_key,
)
from selfcritic.agent.data.preference_pairs import balance_lengths, create_pairs, report_lengths
from selfcritic.agent.data.records import (
    AnswerRecord,
    Bug,
    Comparison,
    CritiqueSample,
    Rating,
    RatingForm,
)
from selfcritic.agent.errors import InputError


def record(name: str = "1", critics: str = "xyz", bugs: bool = True) -> AnswerRecord:
    bug = Bug(id="b", description="7 * 12 is 84.", quote="74", start=5, end=7, severity="high")
    return AnswerRecord(
        id=name,
        task=f"task-{name}",
        question="?",
        answer="It is 74.",
        bugs=[bug] if bugs else None,
        critiques=[
            CritiqueSample(id=f"{critic} #{number}", critic=critic, text=f"by {critic} {number}")
            for number, critic in enumerate(critics)
        ],
    )


def comparison(scores: list[int | None], name: str = "1") -> Comparison:
    names = [critique.id for critique in record(name).critiques]
    forms = [RatingForm(overall=score) for score in scores]
    return Comparison(record=name, critiques=names, rater="me", rater_type="human", forms=forms)


def test_the_gold_critique_describes_the_bugs():
    gold = add_gold_critique(record()).critiques[-1]
    assert (gold.id, gold.critic) == (GOLD, GOLD)
    grounded = ground(gold.text, "It is 74.").comments
    assert [(comment.quote, comment.text, comment.severity) for comment in grounded] == [
        ("74", "7 * 12 is 84.", "high")
    ]


def test_a_bug_without_quote_is_described_in_words():
    bugs = [Bug(id="1", description="Too short."), Bug(id="2", description="No.", quote="It")]
    gold = add_gold_critique(record().model_copy(update={"bugs": bugs})).critiques[-1]
    assert gold.text == "Too short.\n\n```\nIt\n```\nNo.\n"


def test_no_gold_critique_without_bugs_and_only_one():
    for unchanged in (record(bugs=False), add_gold_critique(record())):
        assert add_gold_critique(unchanged) == unchanged


def test_comparisons_show_the_gold_critique_among_different_critics():
    records = [add_gold_critique(record(str(number), "xxxxyyz")) for number in range(50)]
    comparisons = create_comparisons(records, "me", seed=1)
    assert len(comparisons) == 50
    for shown in comparisons:
        critics = [name.split()[0] for name in shown.critiques]
        assert sorted(critics) == [GOLD, "x", "y", "z"]
        assert shown.is_blind
    positions = Counter(shown.critiques.index(GOLD) for shown in comparisons)
    assert set(positions) == {0, 1, 2, 3}
    assert comparisons == create_comparisons(records, "me", seed=1)
    assert comparisons != create_comparisons(records, "me", seed=2)
    assert comparisons != create_comparisons(records, "you", seed=1)
    assert len({tuple(shown.critiques) for shown in comparisons}) > 10


def test_nobody_compares_their_work_and_one_critique_is_not_compared():
    (shown,) = create_comparisons([record(critics="xyz")], "x")
    assert {name[0] for name in shown.critiques} == {"y", "z"}
    assert create_comparisons([record(critics="xy")], "x") == []
    (shown,) = create_comparisons([record(critics="xxxxxx")], "me")
    assert len(set(shown.critiques)) == 4
    with pytest.raises(InputError, match="from 2 to 26 critiques, not 1"):
        create_comparisons([], "me", size=1)


def test_what_the_rater_sees_names_no_critic():
    (shown,) = create_comparisons([record()], "me")
    texts = get_blind_texts(record(), shown)
    assert list(texts) == ["a", "b", "c"]
    assert [text[3:] for text in texts.values()] == [
        name.replace(" #", " ") for name in shown.critiques
    ]
    assert "#" not in get_key(shown)
    with pytest.raises(InputError, match=r"has no critique 'gold'. Call add_gold_critique"):
        get_blind_texts(record(), shown.model_copy(update={"critiques": [GOLD, "x #0"]}))


def rating(critique: str, rater: str = "oracle", **values: object) -> Rating:
    return Rating(record="1", critique=critique, rater=rater, rater_type="oracle", **values)


def test_ratings_fill_a_comparison():
    (shown,) = create_comparisons([record()], "oracle", "oracle")
    ratings = [
        rating("x #0", form=RatingForm(overall=3)),
        rating("y #1", is_helpful=True),
        rating("z #2", is_helpful=False, form=RatingForm(nitpick=7)),
        rating("other", error="not about this comparison"),
        Rating(record="2", critique="x #0", rater="another", rater_type="human"),
    ]
    filled = fill_comparison(shown, ratings)
    scores = dict(zip(filled.critiques, filled.forms, strict=True))
    assert [scores[name].overall for name in ("x #0", "y #1", "z #2")] == [3, 7, 1]
    assert scores["z #2"].nitpick == 7
    assert filled.error is None
    with pytest.raises(InputError, match="Record '1' has no rating of critique 'z #2'"):
        fill_comparison(shown, ratings[:2])
    with pytest.raises(InputError, match="several raters: me, oracle"):
        fill_comparison(shown, [*ratings, rating("x #0", "me")])
    failed = fill_comparison(shown, [*ratings[:2], rating("z #2", error="unreadable")])
    assert failed.error == "unreadable"
    assert create_pairs([record()], [failed]) == []


def test_pairs_follow_the_overall_scores():
    pairs = create_pairs([record()], [comparison([7, 2, 2])])
    assert [(pair.chosen.critic, pair.rejected.critic, pair.margin) for pair in pairs] == [
        ("x", "y", 5),
        ("x", "z", 5),
    ]
    pairs = create_pairs([record()], [comparison([1, None, 3])])
    assert [(pair.chosen.critic, pair.rejected.critic) for pair in pairs] == [("z", "x")]
    assert create_pairs([record()], [comparison([1, None, 3])], min_margin=3) == []
    assert create_pairs([record()], [comparison([4, 4, 4]), comparison([])]) == []


def test_equal_texts_give_no_pair():
    same = record()
    for critique in same.critiques:
        critique.text = "same"
    assert create_pairs([same], [comparison([1, 2, 3])]) == []


def test_pairs_of_unknown_records():
    with pytest.raises(InputError, match="no record '2'"):
        create_pairs([record()], [comparison([1, 2, 3], "2")])
    bad = comparison([1, 2, 3]).model_copy(update={"critiques": ["x #0", "y #1", "w"]})
    with pytest.raises(InputError, match="has no critique 'w'"):
        create_pairs([record()], [bad])
    with pytest.raises(InputError, match="at least 1, not 0"):
        create_pairs([], [], min_margin=0)
    with pytest.raises(InputError, match="There are no pairs"):
        report_lengths([])


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=20))
def test_balanced_pairs_have_no_length_preference(lengths: list[tuple[int, int]]):
    pairs = []
    for number, (chosen, rejected) in enumerate(lengths):
        item = record(str(number), "xy")
        item.critiques[0].text = "a" * chosen
        item.critiques[1].text = "b" * rejected
        forms = [RatingForm(overall=7), RatingForm(overall=1)]
        names = [critique.id for critique in item.critiques]
        shown = Comparison(
            record=item.id, critiques=names, rater="me", rater_type="human", forms=forms
        )
        pairs += create_pairs([item], [shown])
    report = report_lengths(pairs)
    assert report.chosen == sum(chosen for chosen, _ in lengths) / len(lengths)
    wins = [1 if first > second else 0.5 if first == second else 0 for first, second in lengths]
    assert report.chosen_is_longer == pytest.approx(sum(wins) / len(wins))
    balanced = balance_lengths(pairs, seed=3)
    assert balanced == balance_lengths(pairs, seed=3)
    assert [pair for pair in pairs if pair in balanced] == balanced
    if balanced:
        assert report_lengths(balanced).chosen_is_longer == 0.5
    num_equal = wins.count(0.5)
    assert len(balanced) == num_equal + 2 * min(wins.count(1), wins.count(0))
