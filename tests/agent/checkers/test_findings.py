"""The quotes of findings."""

from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.checkers.findings import (
    MAX_FINDINGS,
    finding,
    first_line_span,
    limit_findings,
)

DRAFT = "one two\n\n  three\r\nfour\nfive\nsix\n"


def quote_of(start: int, end: int, draft: str = DRAFT) -> str:
    return finding(draft, start, end, "So.", source="x").quote


def test_span_of_words_is_quoted_without_surrounding_whitespace():
    assert quote_of(9, 17) == "three"
    assert quote_of(9, 23) == "three\r\nfour"


def test_short_span_grows_to_its_line_unless_that_is_long():
    assert quote_of(4, 6) == "one two"
    assert quote_of(0, 1, "x" * 500) == "x"


def test_span_without_words_moves_to_the_nearest_words():
    assert quote_of(8, 8) == "one two"
    assert quote_of(0, 0, "\n\n ab") == "ab"
    assert quote_of(11, 11) == "three"


def test_long_span_shrinks_to_its_first_line():
    assert quote_of(9, len(DRAFT)) == "three"


def test_blank_draft_has_an_empty_quote():
    assert quote_of(0, 0, "") == ""
    assert quote_of(1, 1, " \n ") == ""


def test_first_line_span_covers_the_first_line_with_words():
    assert first_line_span("") == (0, 0)
    assert first_line_span("  \n") == (0, 0)
    assert first_line_span("\n  A line.  \nB") == (3, 10)


@given(st.text(alphabet="ab \t\r\n🙂", max_size=40), st.integers(-5, 50), st.integers(-5, 50))
def test_quote_equals_the_draft_at_its_offsets(draft: str, start: int, end: int):
    comment = finding(draft, min(start, end), max(start, end), "So.", source="x")
    assert comment.start is not None
    assert comment.quote == draft[comment.start : comment.end]
    assert comment.quote.strip() or not draft.strip()
    assert (comment.source, comment.evidence) == ("x", "confirmed")


def test_the_most_severe_findings_are_kept_in_their_order():
    low = [finding(DRAFT, 0, 3, "Low.", source="x", severity="low") for _ in range(MAX_FINDINGS)]
    high = finding(DRAFT, 0, 3, "High.", source="x", severity="high")
    assert limit_findings([*low, high]) == [*low[1:], high]
    assert limit_findings([high, *low]) == [high, *low[1:]]
    assert limit_findings(low) == low


def test_preferred_findings_are_kept_before_severe_ones():
    high = [finding(DRAFT, 0, 3, "High.", source="x", severity="high") for _ in range(MAX_FINDINGS)]
    low = finding(DRAFT, 4, 7, "Low.", source="x", severity="low")
    kept = limit_findings([*high, low], lambda comment: comment.severity == "low")
    assert (len(kept), kept[-1]) == (MAX_FINDINGS, low)
