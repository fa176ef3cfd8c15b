"""Measure how often the arithmetic checker objects to worked solutions.

    python -m examples.benchmarks.arithmetic SOLUTIONS.jsonl [--half tuned|held-out] [--show]

Each line of the file is an object with `question`, `reasoning` (a worked solution) and `previous_score` (`[true]` for a
correct answer), as in RealCritic (https://huggingface.co/datasets/tangzhy/RealCritic). A hash of the question splits
the rows into two halves; the checker was tuned on the first. The table shows 95% Wilson intervals.

Target: the checker objects to less than 5% of the correct solutions.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from scipy.stats import binomtest

from selfcritic.agent.checkers.arithmetic.checker import arithmetic
from selfcritic.agent.schemas import Comment

TARGET = 0.05
EXCERPT_MARGIN = 200  # characters on each side of a quote


class Half(StrEnum):
    """The rows to read."""

    TUNED = "tuned"
    HELD_OUT = "held-out"
    BOTH = "both"


class CheckedSolution(NamedTuple):
    """A worked solution and the findings of the checker."""

    question: str
    reasoning: str
    is_correct: bool
    comments: list[Comment]


def main(
    solutions: Annotated[
        Path, typer.Argument(help="JSONL file of solutions.", exists=True, dir_okay=False)
    ],
    half: Annotated[Half, typer.Option(help="Half of the rows to read.")] = Half.HELD_OUT,
    show: Annotated[bool, typer.Option(help="Print the objections to correct solutions.")] = False,
) -> None:
    """Print the objection rates for wrong and correct solutions."""
    console = Console(width=100)
    start = time.perf_counter()
    checked = [_check(row) for row in _read_rows(solutions, half)]
    milliseconds = 1000 * (time.perf_counter() - start) / max(len(checked), 1)

    correct = [solution for solution in checked if solution.is_correct]
    wrong = [solution for solution in checked if not solution.is_correct]
    table = Table("solutions", "count", "objections", "rate", "95% interval", "target")
    table.add_row("wrong", *_statistics(wrong), "")
    table.add_row("correct", *_statistics(correct), f"< {TARGET:.0%}")
    console.print(table)
    console.print(f"{half} half; {milliseconds:.1f} ms per solution")
    if show:
        for solution in correct:
            _print_objections(console, solution)


def _read_rows(solutions: Path, half: Half) -> Iterator[dict[str, Any]]:
    for line in solutions.read_text().splitlines():
        row = json.loads(line)
        if half in (Half.BOTH, _half_of(row["question"])):
            yield row


def _half_of(question: str) -> Half:
    digest = hashlib.sha256(question.encode()).hexdigest()
    is_odd = int(digest, 16) % 2 == 1
    return Half.HELD_OUT if is_odd else Half.TUNED


def _check(row: dict[str, Any]) -> CheckedSolution:
    question = row["question"]
    reasoning = row["reasoning"]
    comments = asyncio.run(arithmetic(question, reasoning))
    return CheckedSolution(question, reasoning, row["previous_score"][0], comments)


def _statistics(solutions: list[CheckedSolution]) -> list[str]:
    """Return the cells of a table row."""
    count = len(solutions)
    if count == 0:
        return ["0", "0", "", ""]
    num_objections = sum(bool(solution.comments) for solution in solutions)
    interval = binomtest(num_objections, count).proportion_ci(method="wilson")
    rate = num_objections / count
    return [
        str(count),
        str(num_objections),
        f"{rate:.1%}",
        f"{interval.low:.1%} … {interval.high:.1%}",
    ]


def _print_objections(console: Console, solution: CheckedSolution) -> None:
    for comment in solution.comments:
        excerpt = _excerpt(solution.reasoning, comment)
        console.print(f"\n[bold]{escape(solution.question)}[/]\n{escape(excerpt)}")
        console.print(escape(comment.text), style="red")


def _excerpt(text: str, comment: Comment) -> str:
    assert comment.start is not None  # noqa: S101 - checkers locate their quotes
    assert comment.end is not None  # noqa: S101
    start = max(comment.start - EXCERPT_MARGIN, 0)
    return text[start : comment.end + EXCERPT_MARGIN]


if __name__ == "__main__":
    typer.run(main)
