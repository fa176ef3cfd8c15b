"""Tests of the task Alphabetize, compared with sorting and counting by other code."""

from collections import Counter
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import Alphabetize
from selfcritic.agent.tasks.alphabetize.vocabulary import COMMON

FRUIT_TASK = Alphabetize("", ("pear", "apple", "Kiwi", "fig", "plum"))
ANIMALS = ["ant", "bee", "Cat", "dog", "eel"]


@pytest.mark.parametrize(
    "question",
    [
        "Sort these words alphabetically: pear, apple, plum",
        "Put in alphabetical order: pear apple plum",
        "Could you please alphabetise the following 3 words?\n1. pear\n2. apple\n3. plum\n",
        "Sort pear, apple and plum alphabetically.",
        "Hi! Please put the words pear, apple, and plum in alphabetical order",
        "Arrange from A to Z:\n- pear\n- apple\n\n- plum",
        "Sort these words: pear; apple; plum. Thank you!",
    ],
)
def test_parses_typed_questions(question: str):
    task = Alphabetize.parse(question)
    assert task is not None
    assert task.words == ("pear", "apple", "plum")
    assert task.solution() == "apple, pear, plum"


@pytest.mark.parametrize(
    "question",
    [
        "Sort these numbers: 3, 1, 2",
        "Sort by length: pear, apple",
        "Sort these words: ice cream, tea",
        "pear, apple",
        "Sort in reverse alphabetical order: pear, apple",
        "Alphabetize: pear",
        "alphabetical order",
        "Why are words in alphabetical order?",
    ],
)
def test_rejects_other_orders_and_questions_without_words(question: str):
    assert Alphabetize.parse(question) is None


def test_rejects_too_many_words():
    with pytest.raises(InputError, match="at most"):
        Alphabetize.parse("Alphabetize: " + "pear, " * 5000)


@given(
    words=st.lists(st.sampled_from(ANIMALS), min_size=2, max_size=6),
    listed=st.lists(st.sampled_from([*ANIMALS, "BEE", "cat", "fox"]), min_size=1, max_size=6),
    gap=st.sampled_from([", ", "\n", " ", "\n- "]),
)
def test_flaws_agree_with_counting_and_sorting(words: list[str], listed: list[str], gap: str):
    task = Alphabetize("", tuple(words))
    answer = gap.join(listed)
    names = [original_spelling(name, words) for name in listed]
    word_counts = Counter(words)
    name_counts = Counter(names)
    kinds = Counter(flaw.kind for flaw in task.flaws(answer))
    num_known = sum(name in words for name in names)
    is_prose = gap in ", " and 2 * num_known < len(names)
    if not num_known or is_prose:
        assert kinds == {"form": 1}
    else:
        ordered = sorted(words, key=str.lower)
        assert kinds["missing"] == (word_counts - name_counts).total()
        assert kinds["foreign"] == len(names) - num_known
        assert kinds["doubled"] == (name_counts - word_counts).total() - kinds["foreign"]
        assert kinds["misplaced"] == (word_counts & name_counts).total() - longest_common(
            names, ordered
        )
        assert task.is_correct(answer) == (names == ordered) == (not kinds)
    check_gold_comments(task, answer)


def original_spelling(name: str, words: list[str]) -> str:
    return next((word for word in words if word.lower() == name.lower()), name)


def check_gold_comments(task: Alphabetize, answer: str) -> None:
    fixed = answer
    for flaw in task.flaws(answer):
        assert task.is_valid(answer, flaw.comment)
        fixed = task.apply_comment(fixed, flaw.comment)
    assert task.is_correct(fixed)


def longest_common(names: list[str], ordered: list[str]) -> int:
    """Return the length of the longest common subsequence, by brute force."""
    common = subsequences(names) & subsequences(ordered)
    return max(map(len, common))


def subsequences(words: list[str]) -> set[tuple[str, ...]]:
    return {run for size in range(len(words) + 1) for run in combinations(words, size)}


@pytest.mark.parametrize(
    ("answer", "comments"),
    [
        ("apple, fig, Kiwi, pear, plum", []),
        (
            "Here you are:\n\n1. **Apple**\n2. **fig**\n3. **kiwi**\n4. **pear**\n5. **plum**\n\nThat is all, I hope.",
            [],
        ),
        ("In order: apple, fig, kiwi, pear and plum.", []),
        ("apple fig kiwi pear plum", []),
        (
            "pear, apple, fig, Kiwi, plum",
            ['"pear" is out of order: it belongs right after "Kiwi".'],
        ),
        ("fig\nkiwi\npear\nplum\n", ['"apple" is missing: it belongs at the start.']),
        ("apple, fig, Kiwi, fig, pear, plum", ['"fig" stands twice but was given once.']),
        ("apple, fig, nut, Kiwi, pear, plum", ['"nut" was not among the words given.']),
        ("no words", ["There is no list here: it should be apple, fig, Kiwi, pear, plum."]),
    ],
)
def test_flaw_comments_have_fixed_wordings(answer: str, comments: list[str]):
    assert [flaw.comment.text for flaw in FRUIT_TASK.flaws(answer)] == comments


@pytest.mark.parametrize(
    ("text", "quote", "valid"),
    [
        ('"fig" is out of order: it belongs right after "apple".', "fig", True),
        ("Fig is out of order: it belongs right after apple, of course", "kiwi, fig", True),
        ('"kiwi" is out of order: it belongs right after "fig".', "kiwi", True),
        ('"fig" is out of order: it belongs right after "apple".', "kiwi", False),
        ('"fig" is out of order: it belongs at the start.', "fig", False),
        ('"apple" is out of order: it belongs at the start.', "apple", False),
        ('"pear" is missing: it belongs right after "Kiwi".', "plum", True),
        ('"pear" is missing: it belongs right after "fig".', "plum", False),
        ('"fig" is missing: it belongs right after "apple".', "apple", False),
        ('"plum" stands twice but was given once.', "plum", True),
        ('"plum" stands 3 times but was given once.', "plum", False),
        ('"fig" stands twice but was given once.', "fig", False),
        ('"nut" was not among the words given.', "nut", True),
        ('"fig" was not among the words given.', "fig", False),
        ('"nut" was not among the words given.', "fig", False),
        ("fig should come earlier", "fig", False),
        ('"pear" is missing: it belongs right after "Kiwi".', "Sorted", False),
    ],
)
def test_only_true_comments_are_valid(text: str, quote: str, valid: bool):
    assert (
        FRUIT_TASK.is_valid(
            "Sorted: apple, kiwi, fig, plum, nut, plum", Comment(quote=quote, text=text)
        )
        is valid
    )


@pytest.mark.parametrize(
    ("answer", "text", "quote", "edited"),
    [
        (
            "1. kiwi\n2. apple",
            '"pear" is missing: it belongs right after "kiwi".',
            "kiwi",
            "1. kiwi\n2. pear\n3. apple",
        ),
        (
            "1. kiwi\n2. apple\n3. fig",
            '"apple" was not among the words given.',
            "apple",
            "1. kiwi\n2. fig",
        ),
        (
            "kiwi\napple\n",
            '"apple" is out of order: it belongs at the start.',
            "apple",
            "apple\nkiwi\n",
        ),
        ("fig, apple", '"fig" stands twice but was given once.', "fig", "apple"),
        ("fig, apple", '"plum" is missing: it belongs right after "pear".', "fig", "fig, apple"),
        ("fig, apple", '"plum" was not among the words given.', "fig", "fig, apple"),
        ("fig", '"fig" was not among the words given.', "fig", "fig"),
        ("nothing", "There is no list here: it should be fig, apple.", "nothing", "fig, apple"),
    ],
)
def test_applies_true_and_false_comments(answer: str, text: str, quote: str, edited: str):
    assert FRUIT_TASK.apply_comment(answer, Comment(quote=quote, text=text)) == edited


def test_gold_comments_fix_lists_with_repeated_words():
    for seed in range(300):
        rng = Random(seed)
        task = Alphabetize("", tuple(rng.choices(COMMON[:12], k=rng.randrange(2, 14))))
        answer = task.solution()
        for _ in range(3):
            answer = task.inject_flaw(answer, rng).answer
        check_gold_comments(task, answer)


def test_no_vocabulary_word_contains_another():
    assert len(set(COMMON)) == len(COMMON)
    assert not [word for word in COMMON for other in COMMON if word != other and word in other]


def test_no_vocabulary_word_is_mistaken_for_the_request():
    for word in COMMON:
        task = Alphabetize.parse(f"Arrange {word}, zebra and apple in alphabetical order.")
        assert task is not None
        assert word in task.words
