"""Locate quotes in answers: examples, then properties."""

import asyncio
import re
import threading
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from selfcritic import prompts
from selfcritic.agent.critic import grounding
from selfcritic.agent.critic.examples import prompt_examples
from selfcritic.agent.critic.facts import has_same_facts
from selfcritic.agent.critic.format import parse, render
from selfcritic.agent.critic.grounding import ground, ground_async, place_comment
from selfcritic.agent.critic.location import Span, locate
from tests.support.critiques import ANY_TEXT, CRITIQUE, MEGABYTE, comment, reproducible

ANSWER = """\
def mean(values):
    total = 0
    for value in values:
        total += value
    return total / len(values) + 1

The mean of 12 and 14 is 1284, and of an empty list it is zero.
"""

TYPEWRITER = str.maketrans("–’“”", '-\'""')


def match_kind(quote: str, cut: str) -> str:
    """Classify how a located part of the answer matches the quote."""
    if cut == quote:
        return "exact"
    if cut.translate(TYPEWRITER).split() == quote.translate(TYPEWRITER).split():
        return "folded"
    return "fuzzy"


def test_grounds_a_critique() -> None:
    critique = ground(CRITIQUE, ANSWER)
    assert critique.text == CRITIQUE
    assert critique.ungrounded == []
    assert [c.quote for c in critique.comments] == [
        "    return total / len(values) + 1",
        "for value in values:\n        total += value",
    ]
    assert all(ANSWER[c.start : c.end] == c.quote for c in critique.comments)
    assert critique.unparsed.startswith("Here is")


@pytest.mark.parametrize(
    ("quote", "answer", "cut", "match"),
    [
        ("zero", "it is zero", "zero", "exact"),
        ("cat", "concatenate the cat.", "cat", "exact"),
        ("a\nb", "x a\r\nb y", "a\r\nb", "folded"),
        ("\n  it is\tzero  ", "so it  is\n zero!", "it  is\n zero", "folded"),
        ('"don\'t" - he wrote', "“don’t” – he wrote", "“don’t” – he wrote", "folded"),
        ("😀 x  y", "𝔘𝔘😀 x y", "😀 x y", "folded"),
        (
            "The quick brwn fox jumps",
            "Oh. The quick brown fox jumps far",
            "The quick brown fox jumps",
            "fuzzy",
        ),
        (
            "Thee quick browwn fox jumps",
            "Oh. The quick\nbrown  fox jumps far",
            "The quick\nbrown  fox jumps",
            "fuzzy",
        ),
        ("abcdefgij", "the letters (abcdefghij) only", "abcdefghij", "fuzzy"),
        (
            "The sum of it all is 12",
            "a sum: the sum of  it all is 12.",
            "the sum of  it all is 12",
            "fuzzy",
        ),
    ],
)
def test_locates_quotes(quote: str, answer: str, cut: str, match: str) -> None:
    span = locate(quote, answer)
    assert span is not None
    assert answer[span.start : span.end] == cut
    assert match_kind(quote, cut) == match


def test_prefers_whole_words() -> None:
    assert locate("cat", "concatenate the cat.") == Span(16, 19)
    assert locate("cat", "concatenate") == Span(3, 6)


@pytest.mark.parametrize(
    ("quote", "answer"),
    [
        ("", "answer"),
        (" \n\t", "an  answer \n\t"),
        ("answer", ""),
        ("car", "the cat sat"),
        ("the cat", "the car sat down"),
        ("1234", "1284"),
        ("The mean of 12 and 14 is 1234", ANSWER),
        ("The mean of 12 and 14 iz 128", ANSWER),
        ("it is -5 degrees outside now", "it is  5 degrees outside now"),
        ("the area is x² times pi today", "the area is x³ times pi today"),
        ("a sentence that is nowhere to be found", ANSWER),
        ("the whole answer and a good deal more than that", "the whole answer"),
        ("Zero", "zero"),
    ],
)
def test_does_not_locate_other_text(quote: str, answer: str) -> None:
    assert locate(quote, answer) is None


def test_fuzzy_matches_need_the_minimum_similarity() -> None:
    quote, answer = "the quikc brwn fox jmps ovr", "the quick brown fox jumps over"
    assert locate(quote, answer, min_similarity=99) is None
    assert locate(quote, answer, min_similarity=80) == Span(0, len(answer))


def test_quotes_not_in_the_answer_are_ungrounded() -> None:
    critique = ground("```\nnothing like it\n```\nwrong\n\n```\nzero\n```\nundefined\n", ANSWER)
    assert critique.ungrounded == [comment("nothing like it")]
    assert [(c.quote, c.text) for c in critique.comments] == [("zero", "undefined")]


def test_places_a_comment_at_the_answers_words() -> None:
    placed = place_comment(comment("it is zero"), Span(0, 11), "it  is zero")
    assert placed == comment("it  is zero", start=0, end=11)


def test_duplicates_are_merged() -> None:
    comments = [
        comment("zero", "It is undefined, not zero."),
        comment("1284", "The number here should be 13.", severity="low"),
        comment("zero", "It  is undefined,\nNOT zero.", severity="low"),
        comment("1284", "The number here should be 14."),
        comment("zero ", "It is undefined, not zero."),
        comment("it is\nzero", "It is undefined, not zero."),
        comment("zero", "It is undefined; not zero.", severity="high"),
        comment("zero", "It is undefined, not zero.", severity="medium"),
    ]
    critique = ground(render(comments), ANSWER.replace("zero.", "zero ."))
    assert [(c.quote, c.text, c.severity) for c in critique.comments] == [
        ("zero", "It is undefined, not zero.", "high"),
        ("1284", "The number here should be 13.", "low"),
        ("1284", "The number here should be 14.", None),
        ("zero ", "It is undefined, not zero.", None),
        ("it is zero", "It is undefined, not zero.", None),
    ]


@pytest.mark.parametrize(
    "unit",
    [
        "`",
        "```",
        "```\n",
        "~~~ ",
        pytest.param("```a``` b\n", marks=pytest.mark.slow),
        pytest.param("```\na\n```\nb\n", marks=pytest.mark.slow),
        "```a`\n",
        " ",
        "\n",
        " \n",
        "[low]",
        "```\n" + " " * 99,
    ],
)
def test_parses_a_megabyte_of_any_text(unit: str) -> None:
    text = unit * (MEGABYTE // len(unit))
    critique = ground(text, "a")
    assert parse(render(critique.comments)).comments == [comment("a", "b")] * len(critique.comments)


def test_grounds_a_megabyte_of_different_comments() -> None:
    random = Random(0)
    comments = [
        comment("zero", "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=99)))
        for _ in range(9_000)
    ]
    assert len(ground(render(comments), ANSWER).comments) == len(comments)


@pytest.mark.parametrize("unit", ["a", "ab ", "lorem ipsum dolor ", "\n"])
@pytest.mark.parametrize("length", [10, 300, 10_000])
def test_searches_a_megabyte_of_answer(unit: str, length: int) -> None:
    answer = unit * (MEGABYTE // len(unit))
    for quote in ("xyz " * (length // 4), answer[: length // 2] + "?" + answer[: length // 2]):
        span = locate(quote, answer)
        assert span is None or match_kind(quote, answer[span.start : span.end]) == "fuzzy"


# Properties

WORDS = st.lists(
    st.text("bcdfghjk lmpq\n", min_size=3, max_size=9)
    | st.sampled_from(["the", "12", "–", "“so”", "x = 3;", "𝔘😀"]),
    min_size=12,
    max_size=40,
).map(" ".join)


@reproducible
@given(ANY_TEXT, ANY_TEXT)
def test_offsets_of_grounded_comments_match_their_quotes(text: str, answer: str) -> None:
    critique = ground(text, answer)
    assert all(answer[c.start : c.end] == c.quote and c.quote.strip() for c in critique.comments)
    assert all(c.start is None and c.end is None for c in critique.ungrounded)


@st.composite
def excerpts(draw: st.DrawFn, size: int = 1) -> tuple[str, str]:
    """Draw an answer and a part of it with at least `size` characters other than white space."""
    answer = draw(WORDS)
    start = draw(st.integers(0, len(answer) - 2 * size))
    quote = answer[start : draw(st.integers(start + 2 * size - 1, len(answer)))]
    assume(len("".join(quote.split())) >= size)
    return answer, quote


@reproducible
@given(excerpts())
def test_locates_exact_quotes(case: tuple[str, str]) -> None:
    answer, quote = case
    span = locate(quote, answer)
    assert span is not None
    assert answer[span.start : span.end] == quote


@reproducible
@given(excerpts(), st.sampled_from(["  ", "\r\n", "\n\t", "\u00a0\n"]))
def test_locates_quotes_with_other_white_space_and_punctuation(
    case: tuple[str, str], space: str
) -> None:
    answer, quote = case
    mangled = space + re.sub(r"\s+", space, quote.strip().translate(TYPEWRITER)) + space
    span = locate(mangled, answer)
    assert span is not None
    cut = answer[span.start : span.end]
    assert cut == cut.strip()
    assert cut.translate(TYPEWRITER).split() == quote.translate(TYPEWRITER).split()


@reproducible
@given(excerpts(size=20), st.data())
def test_locates_mistyped_quotes(case: tuple[str, str], data: st.DataObject) -> None:
    answer, quote = case
    assume(not re.search(r"(^|[^\d])\d$|^\d([^\d]|$)", quote))  # part of "12" is another number
    index = data.draw(st.sampled_from([i for i, char in enumerate(quote) if char.isalpha()]))
    typed = data.draw(st.sampled_from(["", "Z", quote[index] + "Z"]))
    mistyped = quote[:index] + typed + quote[index + 1 :]
    assume(has_same_facts(mistyped, quote))
    span = locate(mistyped, answer)
    assert span is not None
    cut = answer[span.start : span.end]
    assert cut == cut.strip() or cut == mistyped
    assert re.findall(r"\d+", cut) == re.findall(r"\d+", quote)
    assert abs(len(" ".join(cut.split())) - len(" ".join(quote.split()))) <= 20


@reproducible
@given(excerpts(size=20), st.data())
def test_does_not_locate_quotes_with_other_numbers(
    case: tuple[str, str], data: st.DataObject
) -> None:
    answer, quote = case
    words = quote.split(" ")
    words.insert(
        data.draw(st.integers(0, len(words))),
        data.draw(st.sampled_from(["3.3", "99", "-12", "120"])),
    )
    assert locate(" ".join(words), answer) is None


@reproducible
@given(
    st.lists(
        st.tuples(st.sampled_from(["total", "zero", "for value"]), st.sampled_from("ABC")),
        max_size=8,
    )
)
def test_keeps_each_comment_once(pairs: list[tuple[str, str]]) -> None:
    texts = {
        "A": "is not what the question asks",
        "B": "contradicts the line above",
        "C": "misses the empty list",
    }
    critique = ground(render([comment(quote, texts[key]) for quote, key in pairs]), ANSWER)
    assert [(c.quote, c.text) for c in critique.comments] == list(
        dict.fromkeys((q, texts[k]) for q, k in pairs)
    )


def test_labels_and_examples_of_any_prompt_set_are_no_comments():
    prompt_set = prompts.load("zh")
    [example] = {comment.quote: comment for comment in prompt_examples(prompt_set)}.values()
    text = (
        f"```\n首都\n```\n{prompt_set.cues['critique']}\n```\n{example.quote}\n```\n{example.text}"
    )
    critique = ground(text, "首都是里昂。", examples=prompt_examples(prompt_set))
    assert critique.comments == []


def test_bounds_the_search_for_misquoted_words(monkeypatch: pytest.MonkeyPatch):
    answer = "A brown sentence. A green sentence. A white sentence."
    text = "```\nA browm sentence\n```\nA.\n\n```\nA grean sentence\n```\nB.\n\n```\nA white sentence\n```\nC."
    assert len(ground(text, answer).comments) == 3
    monkeypatch.setattr(grounding, "_MAX_FUZZY_COST", 16**2 * len(answer))
    comments = ground(text, answer).comments
    assert [comment.text for comment in comments] == ["A.", "C."]  # exact quotes are always found


@pytest.mark.parametrize("length", [100, 100_000])
def test_grounds_a_long_answer_in_a_thread(length: int, monkeypatch: pytest.MonkeyPatch):
    answer = "It is Lyon." + " " * length + "The end."
    is_main: list[bool] = []
    parse_critique = grounding.parse

    def record_thread(*args: Any) -> Any:
        is_main.append(threading.current_thread() is threading.main_thread())
        return parse_critique(*args)

    monkeypatch.setattr(grounding, "parse", record_thread)
    critique = asyncio.run(ground_async("```\nLyon\n```\nIt is Paris.", answer))
    assert is_main == [length == 100]
    assert critique == ground("```\nLyon\n```\nIt is Paris.", answer)
