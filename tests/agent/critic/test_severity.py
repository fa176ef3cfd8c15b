"""Read severities in the spellings of critics."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.critic.severity import severity_in_title, severity_of, split_severity
from selfcritic.agent.schemas import Severity


@pytest.mark.parametrize(
    ("mark", "severity"),
    [
        ("[high] ", "high"),
        ("[HIGH]", "high"),
        ("**[high]** ", "high"),
        ("`[high]` ", "high"),
        ("[high]: ", "high"),
        ("**[High]:** ", "high"),
        ("High: ", "high"),
        ("**High:** ", "high"),
        ("**High** ", "high"),
        ("**Medium** — ", "medium"),
        ("(high) ", "high"),
        ("HIGH - ", "high"),
        ("[critical] ", "high"),
        ("[blocker] ", "high"),
        ("[major] ", "high"),
        ("[severe] ", "high"),
        ("[minor] ", "low"),
        ("[nit] ", "low"),
        ("[info] ", "low"),
        ("nit: ", "low"),
        ("[severity: high] ", "high"),
        ("Severity: high\n", "high"),
        ("**Severity:** Low. ", "low"),
        ("[高] ", "high"),
        ("【高】", "high"),
        ("[中]：", "medium"),
        ("严重程度：低\n", "low"),
        ("[hoch] ", "high"),
        ("[élevée] ", "high"),
        ("[moyenne] ", "medium"),
        ("[alta] ", "high"),
        ("[baja] ", "low"),
        ("[عالية] ", "high"),
        ("[error] ", "high"),
        ("[warning] ", "medium"),
        ("[note] ", "low"),
        ("[P0] ", "high"),
        ("[**high**] ", "high"),
        ("[high, bug] ", "high"),
        ("[high | off by one] ", "high"),
        ("[high/critical] ", "high"),
        ("[high-severity] ", "high"),
        ("🔴 High: ", "high"),
        ("⚠️ [medium] ", "medium"),
    ],
)
def test_reads_severity_marks(mark: str, severity: Severity) -> None:
    assert split_severity(f"{mark}Divides by nothing.") == (severity, "Divides by nothing.")
    critique = ground(f"```\nreturn total\n```\n{mark}Divides by nothing.", "return total")
    assert [(c.severity, c.text) for c in critique.comments] == [(severity, "Divides by nothing.")]


@pytest.mark.parametrize(
    "text",
    [
        "`low` does not advance.",
        "high - voltage lines are missing.",
        "Highly unlikely: it is Canberra.",
        "Low-level details are missing.",
        "low_value = 3 is never read.",
        "[urgent] It is Canberra.",
        "Error: the wrong city.",
        "(high-dimensional) It is Canberra.",
        "⚠️ It is Canberra.",
        "The severity is high.",
        "Is it high? No.",
        "",
    ],
)
def test_other_words_are_no_mark(text: str) -> None:
    assert split_severity(text) == (None, text)


def test_mark_inside_emphasis_leaves_the_emphasis() -> None:
    assert split_severity("**[high] Wrong.** It is 5.") == ("high", "**Wrong.** It is 5.")


@pytest.mark.parametrize(
    ("title", "severity"),
    [
        ("**Flaw 1 [high]:**", "high"),
        ("### 🔴 High: missing await", "high"),
        ("1) Wrong date — low", "low"),
        ("**Severity: medium**", "medium"),
        ("**1. Style (low)**", "low"),
        ("### Issue 3", None),
        ("The bar is too high", None),
    ],
)
def test_reads_severities_in_titles(title: str, severity: Severity | None) -> None:
    assert severity_in_title(title) == severity


def test_reads_words_of_tables() -> None:
    assert [severity_of(word) for word in ("**High**", "MAJOR", "nit", "Alta", "yes", "")] == [
        "high",
        "high",
        "low",
        "high",
        None,
        None,
    ]


@given(st.text() | st.text("[]()*_`:-– highlownit\n"))
def test_splitting_loses_no_text_after_the_mark(text: str) -> None:
    severity, rest = split_severity(text)
    if severity is None:
        assert rest == text
    else:
        assert text.endswith(rest.lstrip("*_`"))
