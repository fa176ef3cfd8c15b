"""Replies of a critic that approve the document."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.graphs.cli.review.approval import is_approval

APPROVALS = [
    "No issues.",
    "**No flaws were found in the code.**",
    "I found no problems!",
    "I didn’t find any bugs or errors in this function.",
    "There are no real bugs",
    "None.",
    "LGTM",
    "LGTM, no issues found.",
    "The code looks correct.",
    "This function is correct.",
    "Looks good to me.",
    "No issues found. The code is clean.",
    "The code looks good and I found no issues.",
    "- No\tissues found\n- This file has no errors\n",
]
OTHERS = [
    "",
    "...",
    "No issues, except that it divides by zero.",
    "The code looks good. But it divides by zero.",
    "No error handling.",
    "Sorry, I can't help.",
    "没有。",
    "None of this looks correct.",
    "Nothing looks correct.",
    "This never looks correct.",
    "It hardly looks good.",
    "The code is not correct.",
    "I do not think this function looks correct.",
    "LGTM in general, but line 3 divides by zero",
    "No issues found in the first half, but the rest drops every error",
    "No issues found in the first half.",
    "No other issues.",
    "No issues found:",
    "No. Issues found.",
    "No issues?",
]


@pytest.mark.parametrize("text", APPROVALS)
def test_accepts_approvals(text: str):
    assert is_approval(text)
    assert is_approval(f"\n{text.upper()} \n" + " " * 100_000)


@pytest.mark.parametrize("text", OTHERS)
def test_refuses_objections_and_other_text(text: str):
    assert not is_approval(text)


@given(st.lists(st.sampled_from(APPROVALS), min_size=1, max_size=3), st.sampled_from(OTHERS[2:]))
def test_one_statement_that_does_not_approve_is_enough(approvals: list[str], other: str):
    text = "\n".join(approvals)
    assert is_approval(text) is (len(text.strip()) <= 200)
    assert not is_approval(f"{text}\n{other}")
    assert not is_approval(f"{other}\n{text}")


@given(st.text(st.sampled_from(" \t\n.x"), max_size=50))
def test_text_without_a_statement_is_no_approval(text: str):
    assert not is_approval(text)


@pytest.mark.parametrize("padding", [" " * 200_000, "\n" * 200_000, "I see " * 40_000])
def test_long_text_is_no_approval(padding: str):
    assert not is_approval(f"No issues.{padding}No issues.")
