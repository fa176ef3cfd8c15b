"""Tests of comments on spans: widened quotes and their overlap with spans."""

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
def test_widens_a_quote_to_the_left_until_it_is_unambiguous(
    answer: str, start: int, end: int, quote: str
):
    comment = comment_on(answer, start, end, "Wrong.")
    assert comment == Comment(quote=quote, text="Wrong.", start=end - len(quote), end=end)


@pytest.mark.parametrize(
    ("answer", "quote"), [("", ""), (" \n", ""), ("\n  No.  \nNo!", "No."), ("x" * 200, "x" * 80)]
)
def test_quotes_the_start_of_the_first_line(answer: str, quote: str):
    comment = remark_opening(answer, "Nothing.")
    assert comment.quote == quote
    assert answer[comment.start : comment.end] == quote
    assert is_quoted(comment, answer)


@pytest.mark.parametrize(
    ("start", "overlapping"),
    [
        pytest.param(None, [0, 1, 3, 4], id="any occurrence counts without a position"),
        pytest.param(3, [3, 4], id="only the occurrence at the position counts"),
        pytest.param(2, [0, 1, 3, 4], id="any occurrence counts if the position is wrong"),
    ],
)
def test_quote_overlaps_the_characters_that_it_covers(start: int | None, overlapping: list[int]):
    comment = Comment(quote="ab", text="", start=start)
    assert [
        index for index in range(5) if overlaps(comment, "ab ab", index, index + 1)
    ] == overlapping


def test_empty_quote_overlaps_nothing():
    assert not overlaps(Comment(quote="", text=""), "ab ab", 0, 5)


def test_empty_quote_only_matches_a_blank_answer():
    comment = Comment(quote="", text="")
    assert is_quoted(comment, " ")
    assert not is_quoted(comment, "No.")
