"""Edits: smallest difference, application and exact positions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.data.tampering.edits import (
    Edit,
    apply_edits,
    changed_lines,
    find_edit,
    locate_edit,
    quote_lines,
    unified_diff,
)

TEXTS = st.text(alphabet="ab \n", max_size=40)


@given(TEXTS, TEXTS)
def test_an_edit_turns_one_text_into_the_other(original: str, changed: str):
    edit = find_edit(original, changed, "test")
    if edit is None:
        assert original == changed
    else:
        assert apply_edits(original, [edit]) == changed
        assert len(edit.replacement) + edit.end - edit.start <= len(original) + len(changed)


@given(TEXTS, st.integers(0, 40), st.integers(0, 10))
def test_quoted_lines_are_at_their_offsets(text: str, start: int, length: int):
    start = min(start, len(text))
    end = min(start + length, len(text))
    span = quote_lines(text, start, end)
    assert text[span.start : span.end] == span.quote
    assert span.quote == span.quote.strip()
    if text.strip():
        assert span.quote


def test_locates_each_edit_in_the_answer_with_all():
    original = "def f(x):\n    y = x + 1\n    return y * 2\n"
    plus = original.index("+")
    times = original.index("*")
    edits = [Edit(times, times + 1, "**", "b"), Edit(plus, plus + 1, "- -", "a")]
    changed = apply_edits(original, edits)
    for index, quote in enumerate(["return y ** 2", "y = x - - 1"]):
        span = locate_edit(original, edits, index)
        assert span.quote == quote
        assert changed[span.start : span.end] == quote


def test_quotes_the_next_line_where_a_line_is_removed():
    original = "a = 1\nb = 2\nc = 3\n"
    edit = find_edit(original, "a = 1\nc = 3\n", "test")
    assert edit is not None
    assert changed_lines(original, edit)[1] == "c = 3"


def test_rejects_edits_that_overlap_or_change_nothing():
    with pytest.raises(ValueError, match="overlap"):
        apply_edits("abc", [Edit(0, 2, "x", ""), Edit(1, 3, "y", "")])
    with pytest.raises(ValueError, match="nothing"):
        apply_edits("abc", [Edit(0, 1, "a", "")])


def test_shows_only_changed_lines_in_the_diff():
    diff = unified_diff("a\nb\n", "a\nc\n")
    assert [line for line in diff.splitlines() if line[0] in "+-"] == [
        "--- original",
        "+++ tampered",
        "-b",
        "+c",
    ]


def test_counts_the_lines_of_an_edit():
    assert Edit(2, 5, "", "").lines_in("a\nb\nc\nd") == range(1, 3)
