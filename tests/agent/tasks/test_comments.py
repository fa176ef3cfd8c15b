"""Quotes by example: widened where they stand earlier too, and found where they should be."""

import pytest

from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.comments import comment_on, is_quoted, overlaps, remark_opening


@pytest.mark.parametrize(
    ("answer", "start", "end", "quote"),
    [
        ("12 is less", 0, 2, "12"),
        ("12 and 7 is 129", 12, 14, "is 12"),
        ("is 12, is 12", 10, 12, "12, is 12"),
        ("12" + "x" * 100 + "12", 102, 104, "12"),
    ],
)
def test_a_quote_is_widened_to_the_left_until_it_is_the_first_of_its_kind(
    answer: str, start: int, end: int, quote: str
):
    comment = comment_on(answer, start, end, "Wrong.")
    assert comment == Comment(quote=quote, text="Wrong.", start=end - len(quote), end=end)


@pytest.mark.parametrize(("answer", "quote"), [("", ""), (" \n", ""), ("\n  No.  \nNo!", "No."), ("x" * 200, "x" * 80)])
def test_an_opening_is_the_first_line_cut_short(answer: str, quote: str):
    comment = remark_opening(answer, "Nothing.")
    assert (comment.quote, answer[comment.start : comment.end]) == (quote, quote)
    assert is_quoted(comment, answer)


def test_a_quote_touches_what_it_overlaps():
    answer = "ab ab"
    assert [at for at in range(5) if overlaps(Comment(quote="ab", text=""), answer, at, at + 1)] == [0, 1, 3, 4]
    assert [at for at in range(5) if overlaps(Comment(quote="ab", text="", start=3), answer, at, at + 1)] == [3, 4]
    assert [at for at in range(5) if overlaps(Comment(quote="ab", text="", start=2), answer, at, at + 1)] == [
        0,
        1,
        3,
        4,
    ]
    assert not overlaps(Comment(quote="", text=""), answer, 0, 5)


def test_the_empty_quote_stands_in_a_blank_answer_only():
    comment = Comment(quote="", text="")
    assert is_quoted(comment, " ")
    assert not is_quoted(comment, "No.")
