"""Test the comments that ask for an edit, and their application."""

import pytest

from selfcritic.agent.schemas import Comment
from tests.support.functions_tasks import HEADER, REFERENCE, TASK, parse_task


def test_comment_text_of_each_kind_of_flaw():
    answer = REFERENCE.replace("<= 3", "< 3")
    answer = answer.replace("        x = x * x\n", "")
    answer = answer.replace("    return out + 2", "    out += 1\n    return out + 2")
    flaws = [(flaw.kind, flaw.comment.quote, flaw.comment.text) for flaw in TASK.flaws(answer)]
    assert flaws == [
        ("extra line", "out += 1", "This line should go: the specification does not ask for it."),
        ("missing line", "out += x", '`x = x * x` is missing before this line: "Square each".'),
        ("wrong line", "if x < 3:", 'Should be `if x <= 3:`: "Keep only numbers greater than 3".'),
    ]
    (flaw,) = TASK.flaws("Dear me.")
    assert (flaw.kind, flaw.comment.quote) == ("form", "Dear me.")
    expected = (
        f'This is not the function asked for: write `{REFERENCE}`: "Write a Python function f(xs)".'
    )
    assert flaw.comment.text == expected


def test_adjacent_missing_lines_are_one_flaw():
    answer = REFERENCE.replace("        if x <= 3:\n            continue\n", "")
    (flaw,) = TASK.flaws(answer)
    assert flaw.comment.text.startswith(
        "`        if x <= 3:\n            continue` is missing before"
    )
    assert TASK.apply_comment(answer, flaw.comment) == REFERENCE

    answer = REFERENCE.removesuffix("\n    if n == 0:\n        return 0\n    return out + 2")
    (flaw,) = TASK.flaws(answer)
    assert "is missing after this line" in flaw.comment.text
    assert TASK.apply_comment(answer, flaw.comment) == REFERENCE


def test_quotes_a_repeated_line_with_words_that_make_it_unique():
    task = parse_task(
        HEADER + "Keep only even numbers. Keep only numbers above 3. Return the count"
    )
    before, _, after = task.solution().rpartition("continue")
    answer = f"{before}break{after}".replace("out += 1", "out += 1  # one more break")
    comment = task.flaws(answer)[1].comment
    assert answer.index(comment.quote) == comment.start
    assert task.apply_comment(answer, comment).count("continue") == 2


@pytest.mark.parametrize(
    ("quote", "text", "valid"),
    [
        ("if x < 3:", "Should be `if x <= 3:`.", True),
        (
            "if x < 3:",
            "The threshold is excluded. should be `if  x <= 3:`, since 3 itself is not greater than 3.",
            True,
        ),
        ("x < 3", "Should be `if x <= 3:`", True),
        ("if x < 3:", "Should be `if not x > 3:`", True),
        ("if x < 3:", "Should be `if x < 2:`", False),
        ("if x < 3:", "This is hard to read.", False),
        ("if x < 3:", "This line should go", False),
        ("out += x", "Should be `if x <= 3:`", False),
        ("if x <= 3:", "Should be `if x <= 3:`", False),
        ("out += x", "Should be `out -= x`", False),
        ("", "Should be `if x <= 3:`", False),
    ],
)
def test_accepts_only_comments_that_fix_a_flaw(quote: str, text: str, valid: bool):
    answer = REFERENCE.replace("<= 3", "< 3")
    assert TASK.is_valid(answer, Comment(quote=quote, text=text)) is valid


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        ("Should be `b = 3`: why", "Look:\n```\n  a = 1\n  b = 3\n  c = 3\n```\n"),
        ("Should be `    b = 3`", "Look:\n```\n  a = 1\n    b = 3\n  c = 3\n```\n"),
        ("This line should go.", "Look:\n```\n  a = 1\n  c = 3\n```\n"),
        (
            "`d = 4` is missing before this line",
            "Look:\n```\n  a = 1\n  d = 4\n  b = 2\n  c = 3\n```\n",
        ),
        (
            "`d = 4` is missing after this line",
            "Look:\n```\n  a = 1\n  b = 2\n  d = 4\n  c = 3\n```\n",
        ),
        (
            "This is not the function asked for: write `def f(xs):\n    return 1`",
            "def f(xs):\n    return 1",
        ),
        ("This is nonsense.", "Look:\n```\n  a = 1\n  b = 2\n  c = 3\n```\n"),
    ],
)
def test_applies_a_comment_to_the_last_quoted_line(text: str, edited: str):
    answer = "Look:\n```\n  a = 1\n  b = 2\n  c = 3\n```\n"
    for comment in (
        Comment(quote="b = 2", text=text),
        Comment(quote="b = 2", text=text, start=3, end=8),
        Comment(quote="a = 1\n  b = 2\n", text=text),
    ):
        assert TASK.apply_comment(answer, comment) == edited
    assert TASK.apply_comment(answer, Comment(quote="e = 5", text=text)) == answer
