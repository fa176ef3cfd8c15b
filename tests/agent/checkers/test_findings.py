"""Where a finding ends up: always on words of the draft, where it has any."""

from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.checkers.findings import finding, first_line_span

DRAFT = "one two\n\n  three\r\nfour\nfive\nsix\n"


def quoted(start: int, end: int, draft: str = DRAFT) -> str:
    return finding(draft, start, end, "So.", source="x").quote


def test_a_span_of_words_is_quoted_without_white_space():
    assert quoted(9, 17) == "three"
    assert quoted(9, 23) == "three\r\nfour"


def test_a_short_span_is_widened_to_its_line():
    assert quoted(4, 6) == "one two"
    assert quoted(0, 1, "x" * 500) == "x"


def test_an_empty_span_is_widened_to_the_nearest_words():
    assert quoted(8, 8) == "one two"
    assert quoted(0, 0, "\n\n ab") == "ab"
    assert quoted(11, 11) == "three"


def test_a_long_span_is_narrowed_to_its_first_line():
    assert quoted(9, len(DRAFT)) == "three"


def test_a_blank_draft_has_the_empty_quote():
    assert quoted(0, 0, "") == quoted(1, 1, " \n ") == ""
    assert first_line_span("") == first_line_span("  \n") == (0, 0)
    assert first_line_span("\n  A line.  \nB") == (3, 10)


@given(st.text(alphabet="ab \t\r\n🙂", max_size=40), st.integers(-5, 50), st.integers(-5, 50))
def test_the_quote_is_always_what_stands_there(draft: str, start: int, end: int):
    comment = finding(draft, min(start, end), max(start, end), "So.", source="x")
    assert comment.start is not None
    assert comment.quote == draft[comment.start : comment.end]
    assert comment.quote.strip() or not draft.strip()
    assert (comment.source, comment.evidence) == ("x", "confirmed")
