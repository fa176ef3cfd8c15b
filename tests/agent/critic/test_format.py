"""Critique texts in and out of comments, and quotes found in answers: by example, then by property."""

import re
from collections import Counter
from random import Random

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from selfcritic.agent.critic.format import Parsed, parse, render, strip_closing_paragraph
from selfcritic.agent.critic.grounding import Span, ground, locate
from selfcritic.agent.schemas import Comment

ANSWER = """\
def mean(values):
    total = 0
    for value in values:
        total += value
    return total / len(values) + 1

The mean of 12 and 14 is 1284, and of an empty list it is zero.
"""

CRITIQUE = """\
Here is what I found.

```python
    return total / len(values) + 1
```
[high] Adds one to the mean.

It should be `total / len(values)`.

```
for value in values:
    total += value
```
[low] `sum(values)` says the same.

These issues must be addressed before the code is used.
"""

reproducible = settings(derandomize=True, deadline=None)


def comment(quote: str, text: str = "wrong", **fields: object) -> Comment:
    return Comment.model_validate({"quote": quote, "text": text, **fields})


def test_criticgpt_sample() -> None:
    assert parse(CRITIQUE) == Parsed(
        [
            comment(
                "    return total / len(values) + 1",
                "Adds one to the mean.\n\nIt should be `total / len(values)`.",
                severity="high",
            ),
            comment("for value in values:\n    total += value", "`sum(values)` says the same.", severity="low"),
        ],
        "Here is what I found.\n\nThese issues must be addressed before the code is used.",
    )


def test_sample_is_grounded() -> None:
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
    ("text", "quotes"),
    [
        ("```\na\n```\nwrong", ["a"]),
        ("```\r\na\r\nb\r\n```\r\nwrong\r\n", ["a\r\nb"]),
        ("~~~\na\n~~~\nwrong", ["a"]),
        ("```\na\r\r\n```\nwrong", ["a"]),
        ("```py x=1\na\n```\nwrong", ["a"]),
        ("~~~ ` ~\na\n~~~\nwrong", ["a"]),
        ("  ```\n  a\n   b\n c\n ```  \nwrong", ["a\n b\nc"]),
        ("\t```\na\n```\nwrong", []),
        ("````\n```\na\n```\n````\nwrong", ["```\na\n```"]),
        ("```\n~~~\n```\nwrong", ["~~~"]),
        ("```\na\n`````\nwrong", ["a"]),
        ("```\na\n``` b\n```\nwrong", ["a\n``` b"]),
        ("```\n\n  a\n\n```\nwrong", ["\n  a\n"]),
        ("```\n𝔘😀\n```\nwrong", ["𝔘😀"]),
        ("```\na\0b\n```\nwrong", ["a\0b"]),
        ("```\na\n```\n\n\n  wrong  \n\n", ["a"]),
        ("```\n\ta\n```\nwrong", ["\ta"]),
        ("```quote```\nwrong", ["quote"]),
        ("~~~quote~~~ wrong", ["quote"]),
        ("````a ``` b```` wrong", ["a ``` b"]),
        ("```a``b\nno fence", []),
        ("```a```` b", []),
        ("````a``` b", []),
        ("see ```a``` wrong", []),
        ("> a\n\nwrong", []),
        ("    ```\na", []),
    ],
)
def test_fences(text: str, quotes: list[str]) -> None:
    parsed = parse(text)
    assert parsed.comments == [comment(quote) for quote in quotes]
    assert parsed.unparsed.split() == ([] if quotes else text.split())


@pytest.mark.parametrize(
    ("text", "unparsed"),
    [
        ("", ""),
        ("No fence.\n\nAt all.", "No fence.\n\nAt all."),
        ("```\nopen to\nthe end\n\n", "```\nopen to\nthe end"),
        ("```\nno comment\n```\n", "```\nno comment\n```"),
        ("```\nmark alone\n```\n[low]\n", "```\nmark alone\n```\n[low]"),
        ("```\n\n```\nno quote", "```\n\n```\nno quote"),
        ("```", ""),
        ("~~~x\n", ""),
        ("```\n```\n", ""),
    ],
)
def test_what_is_no_comment_is_unparsed(text: str, unparsed: str) -> None:
    assert parse(text) == Parsed([], unparsed)


def test_fence_without_comment_does_not_swallow_the_next() -> None:
    parsed = parse("```\na\n```\n```\nb\n```\nwrong")
    assert parsed == Parsed([comment("b")], "```\na\n```")


@pytest.mark.parametrize(
    ("below", "text", "severity"),
    [
        ("[high] wrong", "wrong", "high"),
        ("[LOW]wrong", "wrong", "low"),
        ("\n[medium]\n\nwrong", "wrong", "medium"),
        ("[high] [low] wrong", "[low] wrong", "high"),
        ("[severe] wrong", "[severe] wrong", None),
        ("wrong [high]", "wrong [high]", None),
    ],
)
def test_severity(below: str, text: str, severity: str | None) -> None:
    assert parse(f"```\na\n```\n{below}").comments == [comment("a", text, severity=severity)]


def test_render_is_the_format() -> None:
    written = render([comment("a\nb", severity="high"), comment("```\nc", "also\n\nwrong")])
    assert written == "```\na\nb\n```\n[high] wrong\n\n````\n```\nc\n````\nalso\n\nwrong\n\n```\n```\n"
    assert render([]) == ""


@pytest.mark.parametrize(
    ("quote", "answer", "cut", "match"),
    [
        ("zero", "it is zero", "zero", "exact"),
        ("cat", "concatenate the cat.", "cat", "exact"),
        ("a\nb", "x a\r\nb y", "a\r\nb", "folded"),
        ("\n  it is\tzero  ", "so it  is\n zero!", "it  is\n zero", "folded"),
        ('"don\'t" - he said', "“don’t” – he said", "“don’t” – he said", "folded"),
        ("😀 x  y", "𝔘𝔘😀 x y", "😀 x y", "folded"),
        ("The quick brwn fox jumps", "Oh. The quick brown fox jumps far", "The quick brown fox jumps", "fuzzy"),
        ("Thee quick browwn fox jumps", "Oh. The quick\nbrown  fox jumps far", "The quick\nbrown  fox jumps", "fuzzy"),
        ("abcdefgij", "the letters (abcdefghij) only", "abcdefghij", "fuzzy"),
        ("The sum of it all is 12", "a sum: the sum of  it all is 12.", "the sum of  it all is 12", "fuzzy"),
    ],
)
def test_located(quote: str, answer: str, cut: str, match: str) -> None:
    span = locate(quote, answer)
    assert span is not None
    assert (answer[span.start : span.end], span.match) == (cut, match)


def test_whole_word_before_part_of_one() -> None:
    assert locate("cat", "concatenate the cat.") == Span(16, 19, "exact")
    assert locate("cat", "concatenate") == Span(3, 6, "exact")


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
def test_not_located(quote: str, answer: str) -> None:
    assert locate(quote, answer) is None


def test_min_similarity() -> None:
    quote, answer = "the quikc brwn fox jmps ovr", "the quick brown fox jumps over"
    assert locate(quote, answer, min_similarity=99) is None
    assert locate(quote, answer, min_similarity=80) == Span(0, len(answer), "fuzzy")


def test_quotes_not_in_the_answer_are_invented() -> None:
    critique = ground("```\nnothing like it\n```\nwrong\n\n```\nzero\n```\nundefined\n", ANSWER)
    assert critique.ungrounded == [comment("nothing like it")]
    assert [(c.quote, c.text) for c in critique.comments] == [("zero", "undefined")]


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


MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    "unit",
    [
        "`",
        "```",
        "```\n",
        "~~~ ",
        "```a``` b\n",
        "```\na\n```\nb\n",
        "```a`\n",
        " ",
        "\n",
        " \n",
        "[low]",
        "```\n" + " " * 99,
    ],
)
def test_a_megabyte_of_anything_is_parsed(unit: str) -> None:
    text = unit * (MEGABYTE // len(unit))
    critique = ground(text, "a")
    assert parse(render(critique.comments)).comments == [comment("a", "b")] * len(critique.comments)


def test_a_megabyte_of_different_comments_is_grounded() -> None:
    random = Random(0)
    comments = [comment("zero", "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=99))) for _ in range(9_000)]
    assert len(ground(render(comments), ANSWER).comments) == len(comments)


def test_a_megabyte_without_its_closing_fence() -> None:
    text = "`" * (MEGABYTE // 2) + "\nx " + "`" * (MEGABYTE // 2 - 1)
    assert parse(text).unparsed == text
    assert parse(text.replace("\n", "")).unparsed == text.replace("\n", "")


@pytest.mark.parametrize("unit", ["a", "ab ", "lorem ipsum dolor ", "\n"])
@pytest.mark.parametrize("length", [10, 300, 10_000])
def test_a_megabyte_of_answer_is_searched(unit: str, length: int) -> None:
    answer = unit * (MEGABYTE // len(unit))
    for quote in ("xyz " * (length // 4), answer[: length // 2] + "?" + answer[: length // 2]):
        span = locate(quote, answer)
        assert span is None or span.match == "fuzzy"


# Properties

WRITTEN = ("```", "~~~~", "`", "````", "```x```", "[high]", "[LOW]", "one", "two", "python", "😀")
WHITE = ("\n", "\n", "\n", "\n\n", "\r\n", " ", "   ", "\t", "\r", "\0", "\x1f", "\u2028")
FENCISH = st.lists(st.sampled_from(WRITTEN + WHITE), max_size=30).map("".join)
ANYTHING = st.one_of(
    FENCISH,
    st.text(),
    st.binary().map(lambda raw: raw.decode("latin-1")),
    st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.binary().map(lambda raw: raw.decode("utf-8", "replace")),
)
QUOTES = st.one_of(FENCISH, st.text()).filter(lambda quote: quote.strip() and not quote.endswith("\r"))
TEXTS = (
    st.one_of(FENCISH, st.text())
    .map(str.strip)
    .filter(lambda text: text and not re.search(r"^ {0,3}(```|~~~)|^\[(low|high)\]", text, re.M | re.I))
)
COMMENTS = st.builds(comment, QUOTES, TEXTS, severity=st.sampled_from([None, "low", "medium", "high"]))
WORDS = st.lists(
    st.text("abcdefghij klmno\n", min_size=3, max_size=9)
    | st.sampled_from(["the", "12", "–", "“so”", "x = 3;", "𝔘😀"]),
    min_size=12,
    max_size=40,
).map(" ".join)


@reproducible
@given(st.lists(COMMENTS, max_size=5))
@example([comment("```", "one\n\ntwo")])
@example([comment("~~~", "```x"), comment(" a\n\n", "~~~")])
def test_parse_inverts_render(comments: list[Comment]) -> None:
    assert parse(render(comments)) == Parsed(comments, "")


@reproducible
@given(ANYTHING, st.randoms(use_true_random=False))
@example("```q``` ```x\ny", Random(0))
@example("```q```~~~~\r\n\ny", Random(0))
@example("```q```      ~~~x\n\nmore\n```\nr\n```\ns", Random(1))
def test_what_was_parsed_survives_in_any_order(text: str, random: Random) -> None:
    comments = parse(text).comments
    random.shuffle(comments)
    assert parse(render(comments)) == Parsed(comments, "")


def to_be_kept(text: str) -> Counter[str]:
    """The characters outside of severity marks and of the lines that begin with a fence; no white space."""
    lines = [line for line in text.split("\n") if not re.match(r" {0,3}[`~]{3,}", line)]
    return Counter(re.sub(r"\[(low|medium|high)\]|\s", "", "\n".join(lines), flags=re.I))


@reproducible
@given(ANYTHING)
def test_nothing_is_lost(text: str) -> None:
    parsed = parse(text)
    kept = Counter(parsed.unparsed + "".join(c.quote + c.text for c in parsed.comments))
    assert to_be_kept(text) <= kept
    assert all(c.quote.strip() and c.text and c.text == c.text.strip() for c in parsed.comments)


@reproducible
@given(ANYTHING, ANYTHING)
def test_grounding_never_raises_and_offsets_cut_out_the_quote(text: str, answer: str) -> None:
    critique = ground(text, answer)
    assert len(critique.comments) + len(critique.ungrounded) <= len(parse(text).comments)
    assert all(answer[c.start : c.end] == c.quote and c.quote.strip() for c in critique.comments)
    assert all(c.start is None and c.end is None for c in critique.ungrounded)


@st.composite
def excerpts(draw: st.DrawFn, size: int = 1) -> tuple[str, str]:
    """An answer and a part of it that holds at least `size` characters besides white space."""
    answer = draw(WORDS)
    start = draw(st.integers(0, len(answer) - 2 * size))
    quote = answer[start : draw(st.integers(start + 2 * size - 1, len(answer)))]
    assume(len("".join(quote.split())) >= size)
    return answer, quote


@reproducible
@given(excerpts())
def test_exact_quotes_are_cut_out(case: tuple[str, str]) -> None:
    answer, quote = case
    span = locate(quote, answer)
    assert span is not None
    assert span.match == "exact"
    assert answer[span.start : span.end] == quote


TYPEWRITER = str.maketrans("–“”", '-""')


@reproducible
@given(excerpts(), st.sampled_from(["  ", "\r\n", "\n\t", "\u00a0\n"]))
def test_mangled_quotes_are_cut_out(case: tuple[str, str], space: str) -> None:
    answer, quote = case
    mangled = space + re.sub(r"\s+", space, quote.strip().translate(TYPEWRITER)) + space
    span = locate(mangled, answer)
    assert span is not None
    assert span.match == "folded"
    cut = answer[span.start : span.end]
    assert cut == cut.strip()
    assert cut.translate(TYPEWRITER).split() == quote.translate(TYPEWRITER).split()


@reproducible
@given(excerpts(size=20), st.data())
def test_mistyped_quotes_are_cut_out(case: tuple[str, str], data: st.DataObject) -> None:
    answer, quote = case
    assume(not re.search(r"(^|[^\d])\d$|^\d([^\d]|$)", quote))  # where "12" is cut apart, it is another number
    at = data.draw(st.sampled_from([i for i, char in enumerate(quote) if char.isalpha()]))
    typed = data.draw(st.sampled_from(["", "Z", quote[at] + "Z"]))
    mistyped = quote[:at] + typed + quote[at + 1 :]
    span = locate(mistyped, answer)
    assert span is not None
    cut = answer[span.start : span.end]
    assert cut == cut.strip() or span.match == "exact"
    assert re.findall(r"\d+", cut) == re.findall(r"\d+", quote)
    assert abs(len(" ".join(cut.split())) - len(" ".join(quote.split()))) <= 20


@reproducible
@given(excerpts(size=20), st.data())
def test_another_number_is_not_located(case: tuple[str, str], data: st.DataObject) -> None:
    answer, quote = case
    words = quote.split(" ")
    words.insert(data.draw(st.integers(0, len(words))), data.draw(st.sampled_from(["3.3", "99", "-12", "120"])))
    assert locate(" ".join(words), answer) is None


@reproducible
@given(st.lists(st.tuples(st.sampled_from(["total", "zero", "for value"]), st.sampled_from("ABC")), max_size=8))
def test_each_objection_is_kept_once(pairs: list[tuple[str, str]]) -> None:
    texts = {"A": "is not what was asked for", "B": "contradicts the line above", "C": "misses the empty list"}
    critique = ground(render([comment(quote, texts[key]) for quote, key in pairs]), ANSWER)
    assert [(c.quote, c.text) for c in critique.comments] == list(dict.fromkeys((q, texts[k]) for q, k in pairs))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("```\na\n```\nWrong.", "```\na\n```\nWrong."),
        ("```\na\n```\nWrong.\n\nMend it.", "```\na\n```\nWrong."),
        ("```\na\n```\nWrong.\n \t\nMend it.\n\n", "```\na\n```\nWrong."),
        ("```\na\n```\n\nWrong.", "```\na\n```\n\nWrong."),  # the comment, not a closing paragraph
        ("```\na\n```\n\nWrong.\n\nMend it.", "```\na\n```\n\nWrong."),
        ("```\na\n```\nOne.\n\nTwo.\n\nMend it.", "```\na\n```\nOne.\n\nTwo."),
        ("```\na\n```\nWrong.\n\n```\nb\n```\nToo.\n\nMend.", "```\na\n```\nWrong.\n\n```\nb\n```\nToo."),
        ("```\na\n```\nWrong.\n\n```\nbroke o", "```\na\n```\nWrong."),
        ("```\na\n\nb\n```\nWrong.", "```\na\n\nb\n```\nWrong."),
        ("```\nbroke o", ""),
        ("Nothing is quoted.", ""),
        ("", ""),
    ],
)
def test_a_critique_to_be_continued_ends_with_its_last_comment(text: str, kept: str):
    assert strip_closing_paragraph(text) == kept


@reproducible
@given(ANYTHING)
def test_what_is_kept_of_a_critique_is_its_beginning_with_all_its_quotes(text: str):
    kept = strip_closing_paragraph(text)
    assert text.startswith(kept)
    assert [one.quote for one in parse(kept).comments] == [one.quote for one in parse(text).comments]
