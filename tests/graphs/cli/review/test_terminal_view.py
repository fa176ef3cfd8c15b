"""A review as a person sees it: on terminals of two widths, and in a pipe."""

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from selfcritic.graphs.cli.review.result import Review, SeverityChoice
from selfcritic.graphs.cli.review.terminal_view import Printer
from tests.support.reviews import comment, reviewed

CODE = (
    '"""Statistics of short lists."""\n\n\ndef mean(xs):\n\treturn sum(xs) / len(xs)  # 😀 a remark that is so long'
    " that the line does not go into eighty columns\n\n\ndef median(xs):\n"
    "    xs = sorted(xs)\n    return xs[len(xs) // 2]\n"
)
CRITIQUE = """Two things.

```
sum(xs) / len(xs)
```
[high] An empty list divides by zero; say what is to come back then, or raise an error that names the reason.

```
    xs = sorted(xs)
    return xs[len(xs) // 2]
```
[medium] Of an even count the median is the mean of two.

```
meen
```
A misspelling.

That is all.
"""


def shown(review: Review, width: int = 80, terminal: bool = True, around: int | None = None, colour=None) -> str:
    console = Console(
        file=io.StringIO(), force_terminal=terminal, width=width, highlight=False, color_system=colour
    )  # fmt: skip
    Printer(console, SeverityChoice.low, around).print(review)
    return console.file.getvalue()


def test_a_terminal_of_80_columns():
    assert shown(reviewed(CODE, CRITIQUE)) == (
        "calc.py  2 comments: 1 high, 1 medium\n"
        '   1  │ """Statistics of short lists."""\n'
        "   2  │\n"
        "   3  │\n"
        "   4  │ def mean(xs):\n"
        "   5  ┃     return sum(xs) / len(xs)  # 😀 a remark that is so long that the\n"
        "        line does not go into eighty columns\n"
        "      ╰ high critic: An empty list divides by zero; say what is to come back\n"
        "        then, or raise an error that names the reason.\n"
        "   6  │\n"
        "   7  │\n"
        "   8  │ def median(xs):\n"
        "   9  ┃     xs = sorted(xs)\n"
        "  10  ┃     return xs[len(xs) // 2]\n"
        "      ╰ medium critic: Of an even count the median is the mean of two.\n"
        "  Quoted, but not in the file:\n"
        "  »meen« A misspelling.\n"
        "  Said without a quote:\n"
        "  Two things.\n"
        "\n"
        "  That is all.\n"
    )


def test_a_wider_terminal_wraps_later():
    assert max(map(len, shown(reviewed(CODE, CRITIQUE), width=120).splitlines())) > 80
    for width in (80, 120):
        assert max(map(len, shown(reviewed(CODE, CRITIQUE), width=width).splitlines())) <= width


def test_a_pipe_marks_quotes_and_wraps_nothing():
    lines = shown(reviewed(CODE, CRITIQUE), terminal=False).splitlines()
    assert lines[5].startswith("   5  ┃     return »sum(xs) / len(xs)«  # 😀 a remark")
    assert lines[5].endswith("columns")
    assert lines[10:12] == ["   9  ┃     »xs = sorted(xs)«", "  10  ┃     »return xs[len(xs) // 2]«"]


def test_severity_is_coloured():
    text = shown(reviewed(CODE, CRITIQUE), colour="standard")
    assert "\x1b[4;31msum(xs) / len(xs)" in text
    assert "\x1b[4;33mreturn xs" in text
    assert "\x1b[1;31mhigh" in text


def test_around_shows_only_lines_near_comments():
    lines = shown(reviewed(CODE, "```\nsorted(xs)\n```\nWrong."), around=1).splitlines()
    assert [line.split(" ┃")[0].split(" │")[0].strip() for line in lines[1:]] == [
        "⋮", "8", "9", "╰ unrated critic: Wrong.", "10",
    ]  # fmt: skip


def test_of_a_diff_what_is_near_the_changes_is_shown():
    text = "".join(f"line {n}\n" for n in range(1, 31))
    review = reviewed(
        text,
        findings=[comment(text, "line 10", "Seen.", "low", source="lint"), comment(text, "line 2", "Old.")],
        changed=frozenset({9, 27}),
    )
    assert shown(review) == (
        "calc.py  1 comment: 1 low\n"
        "   ⋮\n   7  │ line 7\n   8  │ line 8\n   9  │ line 9\n"
        "  10 +┃ line 10\n      ╰ low lint: Seen.\n"
        "  11  │ line 11\n  12  │ line 12\n  13  │ line 13\n"
        "   ⋮\n  25  │ line 25\n  26  │ line 26\n  27  │ line 27\n  28 +│ line 28\n  29  │ line 29\n  30  │ line 30\n"
        "  On lines that the diff did not change: 1 left out.\n"
    )  # fmt: skip


def test_of_a_long_file_what_is_near_the_comments_is_shown():
    text = "".join(f"line {n}\n" for n in range(1, 500_001))
    lines = shown(reviewed(text, findings=[comment(text, "line 250000\n", "Here.")])).splitlines()
    assert len(lines) == 1 + 1 + 7 + 1
    assert lines[5].strip() == "250000  ┃ line 250000"


def test_a_refuted_comment_says_so():
    finding = comment(CODE, "sum", "No.", "high", evidence="refuted")
    assert "╰ high critic, refuted: No." in shown(reviewed(CODE, findings=[finding]))


def test_a_file_without_comments_is_one_line():
    assert shown(reviewed(CODE)) == "calc.py  no comments\n"


@given(st.text(st.characters(max_codepoint=0x2070)), st.text(st.characters(max_codepoint=0x2070), min_size=1))
def test_nothing_steers_the_terminal(text: str, said: str):
    code = f"x{text}\n"
    out = shown(reviewed(code, findings=[comment(code, "x", said)]))
    unsafe = {*range(32), 0x7F, *range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)} - {ord("\n")}
    assert not unsafe & set(map(ord, out))


def test_crlf_and_overlapping_quotes():
    text = "one two\r\nthree\r\n"
    findings = [comment(text, "one two", "A.", "low"), comment(text, "two\r\nthree", "B.", "high")]
    assert shown(reviewed(text, findings=findings), terminal=False) == (
        "calc.py  2 comments: 1 high, 1 low\n"
        "  1  ┃ »one two«\n     ╰ low critic: A.\n"
        "  2  ┃ »three«\n     ╰ high critic: B.\n"
    )  # fmt: skip
