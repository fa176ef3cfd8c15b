"""Text and findings of a file before a change."""

import difflib

from hypothesis import given
from hypothesis import strategies as st

from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.earlier_findings import count_findings, key_of, restore_text
from selfcritic.graphs.cli.review.unified_diff import parse_unified_diff
from tests.support.reviews import make_comment

LINES = st.lists(st.sampled_from(["", "x", "-x", "+y", " z", "é\r"]), max_size=12)


@given(LINES, LINES, st.integers(0, 3))
def test_restores_the_text_before_any_change(before: list[str], after: list[str], context: int):
    diff_lines = difflib.unified_diff(before, after, "a/x", "b/x", n=context, lineterm="")
    diff = "".join(f"{line}\n" for line in diff_lines)
    for file in parse_unified_diff(diff):
        text = "".join(f"{line}\n" for line in after)
        assert restore_text(text, file) == "".join(f"{line}\n" for line in before)


def test_a_merge_has_no_single_version_before_it():
    diff = "diff --cc x\n--- a/x\n+++ b/x\n@@@ -1,1 -1,1 +1,1 @@@\n- a\n -b\n++c\n"
    [file] = parse_unified_diff(diff)
    assert restore_text("c\n", file) is None


def test_equal_findings_have_one_key_in_any_row():
    before = Document("x.py", "a = b\n", "x.py")
    after = Document("x.py", "\na = b\n", "x.py")
    earlier = make_comment(before.text, "b", "Wrong since line 1.", rule="ruff/F1")
    later = make_comment(after.text, "b", "Wrong since line 2.", rule="ruff/F1")
    assert key_of(before, earlier) == key_of(after, later)
    other = make_comment(after.text, "b", "Wrong.", rule="ruff/F1")
    assert key_of(after, other) != key_of(after, later)
    assert count_findings(before, [earlier, earlier]) == {key_of(before, earlier): 2}


def test_findings_are_unknown_if_the_file_could_not_be_parsed():
    document = Document("x.py", "a = \n", "x.py")
    error = make_comment(document.text, "a", "Wrong.", rule="syntax/SyntaxError")
    assert count_findings(document, [error]) is None
