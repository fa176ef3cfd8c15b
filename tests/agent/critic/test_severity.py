"""Read severities in the spellings of critics."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.critic.severity import (
    _BRACKETED_WORDS,
    _WORDS,
    severity_in_title,
    severity_of,
    split_severity,
)
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
        ("- [high] ", "high"),
        ("* [high] ", "high"),
        ("1. [high] ", "high"),
        ("2) **[low]** ", "low"),
        ("> [high] ", "high"),
        ("### [high]\n", "high"),
        ("(Severity = high) ", "high"),
        ("severity=high ", "high"),
        ("Severity = Low\n", "low"),
        ("[sev: high] ", "high"),
        ("Sev: high. ", "high"),
        ("<high> ", "high"),
        ("{high} ", "high"),
        ("{low}\n", "low"),
        ("| high | ", "high"),
        ("high | ", "high"),
        ("\\[high\\] ", "high"),
        ("[very high] ", "high"),
        ("[Very Low] ", "low"),
        ("[Critical 🔥] ", "high"),
        ("[🔴 high] ", "high"),
        ("🔥 High: ", "high"),
        ("high-severity: ", "high"),
        ("ERROR: ", "high"),
        ("**ERROR:** ", "high"),
        ("WARNING: ", "medium"),
        ("P1: ", "high"),
        ("[must fix] ", "high"),
        ("[Must-Fix] ", "high"),
    ],
)
def test_reads_severity_marks(mark: str, severity: Severity) -> None:
    assert split_severity(f"{mark}Divides by nothing.") == (severity, "Divides by nothing.")
    critique = ground(f"```\nreturn total\n```\n{mark}Divides by nothing.", "return total")
    assert [(c.severity, c.text) for c in critique.comments] == [(severity, "Divides by nothing.")]


def test_category_before_the_mark_is_kept() -> None:
    for mark in ("[Logic][high]", "[Logic] [high]", "- [Logic][high]:"):
        assert split_severity(f"{mark} Divides.") == ("high", "[Logic] Divides.")


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
        "High water mark is never reset.",
        "Error handling is missing.",
        "error: the wrong city.",
        "Warning: this sentence is wrong.",
        "P1 is a prime.",
        "{low} and {high} are swapped in the text.",
        "<style> belongs into the head.",
        "<low>3</low> is not closed.",
        "{major}.{minor} lacks the patch number.",
        "high | low is evaluated first.",
        "| high | low |",
        "severity=high is never read.",
        "level = low; the others follow.",
        "[mid][high] should be swapped.",
        "[the docs][high] are wrong.",
        "- High time to leave.",
        "> Major versions differ.",
        "# Critical path",
        "1. Low tide is at nine.",
        "Must fix the year.",
        "[must] It is Canberra.",
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
        return
    after_mark = rest.lstrip("*_`")
    _, is_category, after_category = rest.partition("] ")
    assert text.endswith(after_mark) or (is_category and text.endswith(after_category))


WORDS = [word for words in (*_WORDS.values(), *_BRACKETED_WORDS.values()) for word in words.split()]
# What follows a severity word that is the first word of a sentence, or of code.
CONTINUATIONS = [" {}", "-{}", "'s {}", ", {}", ". {}", "; {}", " = {}", "_{}", "({})", "? {}"]
CODE = ["{{{}}} ", "<{}> ", "{} | ", "severity={} ", "[index][{}] ", "`{}` "]
MARKERS = st.sampled_from(["", "- ", "> ", "## ", "1. ", "* ", "| ", "🔥 "])
PROSE = st.text("abcdefghij ,.:()[]", min_size=2).map(lambda text: f"ab {text}")


@st.composite
def sentences(draw: st.DrawFn) -> str:
    """Return a sentence that begins with a severity word."""
    word = draw(st.sampled_from(WORDS))
    spelling = draw(st.sampled_from([word, word.title(), word.upper()]))
    continuation = draw(st.sampled_from(CONTINUATIONS))
    return draw(MARKERS) + spelling + continuation.format(draw(PROSE))


@given(sentences())
def test_no_sentence_is_a_mark(text: str) -> None:
    assert split_severity(text) == (None, text)


@given(st.sampled_from(WORDS), st.sampled_from(CODE), MARKERS, PROSE)
def test_no_code_is_a_mark(word: str, code: str, marker: str, prose: str) -> None:
    text = marker + code.format(word) + prose
    assert split_severity(text) == (None, text)
    assert split_severity(f"{marker}The {code.format(word)}{prose}")[0] is None
