"""Output of a review on terminals of two widths and in a pipe."""

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from selfcritic.graphs.cli.review.result import Review
from selfcritic.graphs.cli.review.terminal_view import ReviewPrinter
from tests.support.reviews import make_comment, make_review

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


def render(
    review: Review,
    width: int = 80,
    is_terminal: bool = True,
    context_lines: int | None = None,
    color_system=None,
) -> str:
    console = Console(
        file=io.StringIO(),
        force_terminal=is_terminal,
        width=width,
        highlight=False,
        color_system=color_system,
    )
    ReviewPrinter(console, "low", context_lines).print(review)
    return console.file.getvalue()


def test_wraps_at_80_columns():
    assert render(make_review(CODE, CRITIQUE)) == (
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
        "  Quotes that are not in the file:\n"
        "  »meen« A misspelling.\n"
        "  Text without a quote:\n"
        "  Two things.\n"
        "\n"
        "  That is all.\n"
    )


def test_wraps_at_the_width_of_the_terminal():
    assert max(map(len, render(make_review(CODE, CRITIQUE), width=120).splitlines())) > 80
    for width in (80, 120):
        assert max(map(len, render(make_review(CODE, CRITIQUE), width=width).splitlines())) <= width


def test_a_pipe_gets_quote_marks_and_no_wrapping():
    lines = render(make_review(CODE, CRITIQUE), is_terminal=False).splitlines()
    assert lines[5].startswith("   5  ┃     return »sum(xs) / len(xs)«  # 😀 a remark")
    assert lines[5].endswith("columns")
    assert lines[10:12] == [
        "   9  ┃     »xs = sorted(xs)«",
        "  10  ┃     »return xs[len(xs) // 2]«",
    ]


def test_colors_quotes_by_severity():
    text = render(make_review(CODE, CRITIQUE), color_system="standard")
    assert "\x1b[4;31msum(xs) / len(xs)" in text
    assert "\x1b[4;33mreturn xs" in text
    assert "\x1b[1;31mhigh" in text


def test_context_lines_limit_the_lines_around_comments():
    lines = render(make_review(CODE, "```\nsorted(xs)\n```\nWrong."), context_lines=1).splitlines()
    assert [line.split(" ┃")[0].split(" │")[0].strip() for line in lines[1:]] == [
        "⋮", "8", "9", "╰ unrated critic: Wrong.", "10",
    ]  # fmt: skip


def test_a_diff_prints_context_around_changed_lines():
    text = "".join(f"line {n}\n" for n in range(1, 31))
    review = make_review(
        text,
        findings=[
            make_comment(text, "line 10", "Seen.", "low", source="lint"),
            make_comment(text, "line 2", "Old."),
        ],
        changed_lines=frozenset({9, 27}),
    )
    assert render(review) == (
        "calc.py  1 comment: 1 low\n"
        "   ⋮\n   7  │ line 7\n   8  │ line 8\n   9  │ line 9\n"
        "  10 +┃ line 10\n      ╰ low lint: Seen.\n"
        "  11  │ line 11\n  12  │ line 12\n  13  │ line 13\n"
        "   ⋮\n  25  │ line 25\n  26  │ line 26\n  27  │ line 27\n  28 +│ line 28\n  29  │ line 29\n  30  │ line 30\n"
        "  Comments on unchanged lines: 1 hidden.\n"
    )  # fmt: skip


def test_a_long_file_prints_context_around_comments():
    text = "".join(f"line {n}\n" for n in range(1, 500_001))
    lines = render(
        make_review(text, findings=[make_comment(text, "line 250000\n", "Here.")])
    ).splitlines()
    assert len(lines) == 1 + 1 + 7 + 1
    assert lines[5].strip() == "250000  ┃ line 250000"


def test_labels_refuted_comments():
    finding = make_comment(CODE, "sum", "No.", "high", evidence="refuted")
    assert "╰ high critic, refuted: No." in render(make_review(CODE, findings=[finding]))


def test_prints_one_line_for_a_file_without_comments():
    assert render(make_review(CODE)) == "calc.py  no comments\n"


@given(
    st.text(st.characters(max_codepoint=0x2070)),
    st.text(st.characters(max_codepoint=0x2070), min_size=1),
)
def test_replaces_control_characters(file_text: str, comment_text: str):
    code = f"x{file_text}\n"
    output = render(make_review(code, findings=[make_comment(code, "x", comment_text)]))
    unsafe = {
        *range(32),
        0x7F,
        *range(0x80, 0xA0),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    } - {ord("\n")}
    assert unsafe.isdisjoint(map(ord, output))


def test_handles_crlf_and_overlapping_quotes():
    text = "one two\r\nthree\r\n"
    findings = [
        make_comment(text, "one two", "A.", "low"),
        make_comment(text, "two\r\nthree", "B.", "high"),
    ]
    assert render(make_review(text, findings=findings), is_terminal=False) == (
        "calc.py  2 comments: 1 high, 1 low\n"
        "  1  ┃ »one two«\n     ╰ low critic: A.\n"
        "  2  ┃ »three«\n     ╰ high critic: B.\n"
    )  # fmt: skip


def test_cuts_long_lines_around_the_quote():
    text = "a" * 3000 + " quoted " + "b" * 3000 + "\n"
    output = render(
        make_review(text, findings=[make_comment(text, "quoted", "Wrong.")]), is_terminal=False
    )
    line = output.splitlines()[1]
    assert len(line) < 600
    assert "a »quoted« b" in line
    assert line.count("…") == 2


def test_cuts_long_comments():
    comment = make_comment(CODE, "def mean", "Wrong. " * 1000)
    critique = f"```\n{'x' * 5000}\n```\nWhere?\n\n" + "Words. " * 1000
    output = render(make_review(CODE, critique, findings=[comment]))
    assert len(output) < 9000
    assert "5,000 more characters; --json has all" in " ".join(output.split())
    assert max(map(len, output.splitlines())) <= 80


def test_ranks_at_most_a_hundred_comments():
    text = "".join(f"line {number}\n" for number in range(150))
    findings = [make_comment(text, f"line {number}\n", "Wrong.") for number in range(150)]
    console = Console(file=io.StringIO(), width=80)
    printer = ReviewPrinter(console, "low", None)
    printer.print_ranking([make_review(text, findings=findings)])
    assert console.file.getvalue().endswith("  … and 50 more; --json has all\n")
    assert console.file.getvalue().count("calc.py:") == 100
