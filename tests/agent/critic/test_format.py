"""Parse, render and cut critique texts: examples, then properties."""

import re
from collections import Counter
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from selfcritic.agent.critic.format import Parsed, parse, render, strip_closing_paragraph
from selfcritic.agent.schemas import Comment
from tests.support.critiques import (
    ANY_TEXT,
    CRITIQUE,
    MARKUP_TEXTS,
    MEGABYTE,
    comment,
    reproducible,
)


def test_parses_a_critique_in_criticgpts_format() -> None:
    assert parse(CRITIQUE) == Parsed(
        [
            comment(
                "    return total / len(values) + 1",
                "Adds one to the mean.\n\nIt should be `total / len(values)`.",
                severity="high",
            ),
            comment(
                "for value in values:\n    total += value",
                "`sum(values)` does the same.",
                severity="low",
            ),
        ],
        "Here is what I found.\n\nThese issues must be addressed before the code is used.",
    )


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
def test_parses_fenced_quotes(text: str, quotes: list[str]) -> None:
    parsed = parse(text)
    assert parsed.comments == [comment(quote) for quote in quotes]
    assert parsed.unparsed.split() == ([] if quotes else text.split())


@pytest.mark.parametrize(
    ("text", "unparsed"),
    [
        ("", ""),
        ("No fence.\n\nNone.", "No fence.\n\nNone."),
        ("```\nopen to\nthe end\n\n", "```\nopen to\nthe end"),
        ("```\nno comment\n```\n", "```\nno comment\n```"),
        ("```\nmark alone\n```\n[low]\n", "```\nmark alone\n```\n[low]"),
        ("```\n\n```\nno quote", "```\n\n```\nno quote"),
        ("```", ""),
        ("~~~x\n", ""),
        ("```\n```\n", ""),
    ],
)
def test_keeps_other_text_as_unparsed(text: str, unparsed: str) -> None:
    assert parse(text) == Parsed([], unparsed)


def test_fence_without_comment_leaves_the_next_fence_intact() -> None:
    parsed = parse("```\na\n```\n```\n \n```\nwrong")
    assert parsed == Parsed([], "```\na\n```\n\n```\n \n```\nwrong")


def test_adjacent_fences_share_the_comment_below() -> None:
    parsed = parse("```\na\n```\n```\nb\n```\n[low] wrong")
    assert parsed == Parsed([comment("a", severity="low"), comment("b", severity="low")], "")


@pytest.mark.parametrize(
    ("below", "text", "severity"),
    [
        ("[high] wrong", "wrong", "high"),
        ("[LOW]wrong", "wrong", "low"),
        ("\n[medium]\n\nwrong", "wrong", "medium"),
        ("[high] [low] wrong", "[low] wrong", "high"),
        ("[urgent] wrong", "[urgent] wrong", None),
        ("wrong [high]", "wrong [high]", None),
    ],
)
def test_parses_severity_marks(below: str, text: str, severity: str | None) -> None:
    assert parse(f"```\na\n```\n{below}").comments == [comment("a", text, severity=severity)]


def test_renders_the_format() -> None:
    text = render([comment("a\nb", severity="high"), comment("```\nc", "also\n\nwrong")])
    assert text == "```\na\nb\n```\n[high] wrong\n\n````\n```\nc\n````\nalso\n\nwrong\n\n```\n```\n"
    assert render([]) == ""


def test_parses_a_megabyte_without_closing_fence() -> None:
    text = "`" * (MEGABYTE // 2) + "\nx " + "`" * (MEGABYTE // 2 - 1)
    assert parse(text).unparsed == text
    assert parse(text.replace("\n", "")).unparsed == text.replace("\n", "")


# Properties

QUOTES = st.one_of(MARKUP_TEXTS, st.text()).filter(
    lambda quote: quote.strip() and not quote.endswith("\r")
)
TEXTS = (
    st.one_of(MARKUP_TEXTS, st.text())
    .map(str.strip)
    .filter(
        lambda text: text and not re.search(r"^ {0,3}(```|~~~)|^\[(low|high)\]", text, re.M | re.I)
    )
)
COMMENTS = st.builds(
    comment, QUOTES, TEXTS, severity=st.sampled_from([None, "low", "medium", "high"])
)


@reproducible
@given(st.lists(COMMENTS, max_size=5))
@example([comment("```", "one\n\ntwo")])
@example([comment("~~~", "```x"), comment(" a\n\n", "~~~")])
def test_parse_inverts_render(comments: list[Comment]) -> None:
    assert parse(render(comments)) == Parsed(comments, "")


@reproducible
@given(ANY_TEXT, st.randoms(use_true_random=False))
@example("```q``` ```x\ny", Random(0))
@example("```q```~~~~\r\n\ny", Random(0))
@example("```q```      ~~~x\n\nmore\n```\nr\n```\ns", Random(1))
def test_parsed_comments_survive_rendering_in_any_order(text: str, random: Random) -> None:
    comments = parse(text).comments
    random.shuffle(comments)
    assert parse(render(comments)) == Parsed(comments, "")


def expected_characters(text: str) -> Counter[str]:
    """Count the characters outside of severity marks, fence lines and white space."""
    lines = [line for line in text.split("\n") if not re.match(r" {0,3}[`~]{3,}", line)]
    return Counter(re.sub(r"\[(low|medium|high)\]|\s", "", "\n".join(lines), flags=re.I))


@reproducible
@given(ANY_TEXT)
def test_parse_loses_no_text(text: str) -> None:
    parsed = parse(text)
    kept = Counter(parsed.unparsed + "".join(c.quote + c.text for c in parsed.comments))
    assert expected_characters(text) <= kept
    assert all(c.quote.strip() and c.text and c.text == c.text.strip() for c in parsed.comments)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("```\na\n```\nWrong.", "```\na\n```\nWrong."),
        ("```\na\n```\nWrong.\n\nFix it.", "```\na\n```\nWrong."),
        ("```\na\n```\nWrong.\n \t\nFix it.\n\n", "```\na\n```\nWrong."),
        ("```\na\n```\n\nWrong.", "```\na\n```\n\nWrong."),  # the comment, not a closing paragraph
        ("```\na\n```\n\nWrong.\n\nFix it.", "```\na\n```\n\nWrong."),
        ("```\na\n```\nOne.\n\nTwo.\n\nFix it.", "```\na\n```\nOne.\n\nTwo."),
        (
            "```\na\n```\nWrong.\n\n```\nb\n```\nToo.\n\nFix.",
            "```\na\n```\nWrong.\n\n```\nb\n```\nToo.",
        ),
        ("```\na\n```\nWrong.\n\n```\nbroke o", "```\na\n```\nWrong."),
        ("```\na\n\nb\n```\nWrong.", "```\na\n\nb\n```\nWrong."),
        ("```\nbroke o", ""),
        ("Nothing is quoted.", ""),
        ("", ""),
    ],
)
def test_strips_the_closing_paragraph(text: str, kept: str):
    assert strip_closing_paragraph(text) == kept


@reproducible
@given(ANY_TEXT)
def test_stripped_critique_is_a_prefix_with_all_comments(text: str):
    kept = strip_closing_paragraph(text)
    assert text.startswith(kept)
    assert [c.quote for c in parse(kept).comments] == [c.quote for c in parse(text).comments]
