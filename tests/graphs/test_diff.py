"""Differences between two drafts."""

from hypothesis import given
from hypothesis import strategies as st

from selfcritic.graphs.control_characters import escape_lines
from selfcritic.graphs.diff import diff_lines

LINES = st.lists(st.sampled_from(["a", "b", "one line", "one word", ""]), max_size=12)


def numbered(count: int, ending: str) -> str:
    return "\n".join(f"line {index} alpha beta gamma {ending}" for index in range(count))


def lines_of(diff: str, markers: str) -> list[str]:
    return [line[2:] for line in diff.splitlines() if line[0] in markers]


def test_lists_removed_and_added_lines():
    assert diff_lines("a\nb\nc", "a\nB\nc").plain == "  a\n- b\n+ B\n  c"


def test_shows_similar_lines_next_to_each_other_with_their_changed_words():
    diff = diff_lines("The sum is 12.\nSo be it.", "The sum is 13.\nSo it is.")
    assert diff.plain.splitlines() == [
        "- The sum is 12.",
        "+ The sum is 13.",
        "- So be it.",
        "+ So it is.",
    ]
    changed = [
        diff.plain[span.start : span.end] for span in diff.spans if "bold" in str(span.style)
    ]
    assert changed[:2] == ["12", "13"]


def test_leaves_out_long_unchanged_parts():
    before = numbered(50, "delta")
    assert diff_lines(before, before + "\nend").plain.splitlines() == [
        "  … 47 unchanged lines",
        *[f"  {line}" for line in before.splitlines()[-3:]],
        "+ end",
    ]


@given(LINES, LINES)
def test_has_the_lines_of_both_drafts(before: list[str], after: list[str]):
    diff = diff_lines("\n".join(before), "\n".join(after)).plain
    if "unchanged lines" not in diff:
        assert lines_of(diff, " -") == "\n".join(before).splitlines()
        assert lines_of(diff, " +") == "\n".join(after).splitlines()


@given(st.text(), st.text())
def test_escapes_any_text(before: str, after: str):
    diff = diff_lines(before, after).plain
    assert escape_lines(diff) == diff


def test_bounds_what_it_compares_and_shows():
    changed = diff_lines(numbered(400, "delta"), numbered(400, "epsilon x")).plain.splitlines()
    assert changed[200] == "- … 200 more lines"
    assert changed[401] == "+ … 200 more lines"
    alternating = "\n".join("ab"[index % 2] for index in range(4_000))
    assert len(diff_lines("a\n" * 4_000, alternating).plain.splitlines()) == 501
    huge = diff_lines(numbered(20_000, "delta"), numbered(20_000, "epsilon")).plain.splitlines()
    assert len(huge) == 402
