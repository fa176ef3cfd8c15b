"""Test the limits of the arithmetic checker: sizes, time and number of findings."""

import asyncio
import time

import pytest

from selfcritic.agent.checkers.arithmetic.checker import arithmetic
from selfcritic.agent.schemas import Comment


def check(draft: str) -> list[Comment]:
    return asyncio.run(arithmetic("How many?", draft))


HUGE_EXPRESSIONS = [
    "9^9^9^9 = 1",
    "9**999999999 = 1",
    "(9^999)^999 = 1",
    "99999999! = 1",
    r"\binom{99999999}{9} = 1",
    "2^2000 * 2^2000 * 2^2000 = 1",
    "1/0 = 1",
    "0^{-1} = 1",
    r"\sqrt{-1} + 1 = 1",
    "9" * 5000 + " + 1 = 2",
    "+".join(f"1/{n}" for n in range(1000, 1500)) + " = 1",
    "(" * 5000 + "1" + ")" * 5000 + " = 2 + 1",
    "-" * 5000 + "1 + 1 = 3",
    r"\frac{1}{" * 3000 + "1" + "}" * 3000 + " = 2",
    r"\sqrt{" * 3000 + "4" + "}" * 3000 + " = 2",
    "2^" * 3000 + "2 = 2",
    "1+" * 3000 + "1 = 2",
    "1+1=" * 3000 + "2",
]


@pytest.mark.parametrize("expression", HUGE_EXPRESSIONS, ids=range(len(HUGE_EXPRESSIONS)))
def test_skips_an_expression_that_is_too_large(expression: str):
    assert check(expression) == []


# Repeated text on which a backtracking pattern takes hours.
REPEATED = [
    "\n",
    " ",
    "(",
    "1+",
    "=",
    "1+1=",
    "7",
    "000,",
    "123,",
    "a",
    "a-",
    "-",
    "*",
    "&",
    ".",
    "\\",
    "x  ",
    "\\text{",
    "0.\\overline{",
    "0.1(6)",
    "~",
    "~~a ",
    "~~a~",
    "<s>",
    "<del>a",
]


@pytest.mark.parametrize("repeated", REPEATED)
def test_takes_linear_time_on_repeated_text(repeated: str):
    text = repeated * (10_000 // len(repeated))
    # For 8 times the text, linear time grows 8-fold and quadratic time 64-fold.
    assert cpu_seconds(text * 8) < 30 * cpu_seconds(text)
    assert [comment.quote for comment in check(f"{text}\n\n2 + 2 = 5")] == ["2 + 2 = 5"]


def cpu_seconds(text: str) -> float:
    """Return the CPU time of the fastest of three runs, at least 2 ms to exclude noise."""
    durations = []
    for _ in range(3):
        start = time.process_time()
        check(text + "=")
        durations.append(time.process_time() - start)
    return max(min(durations), 0.002)


def test_returns_at_most_1000_findings():
    assert len(check("2 + 2 = 5. " * 1_100)) == 1_000
