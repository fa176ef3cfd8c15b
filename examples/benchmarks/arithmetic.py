"""How often the checker of arithmetic objects to wrong and to right worked solutions, with Wilson intervals.

    python -m examples.benchmarks.arithmetic SOLUTIONS.jsonl [--half tuned|held-out] [--show]

A line of the file is an object with `question`, `reasoning` (a worked solution) and `previous_score` (`[true]` where
its answer was right), as in RealCritic (https://huggingface.co/datasets/tangzhy/RealCritic). The halves are split by a
hash of the question: the checker was tuned on the first.

Claim: it objects to less than 5% of the right solutions.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from scipy.stats import binomtest  # type: ignore[import-untyped]

from selfcritic.agent.checkers.arithmetic.checker import arithmetic
from selfcritic.agent.schemas import Comment

LIMIT = 0.05
GradedDraft = list[tuple[dict[str, Any], list[Comment]]]


class Half(StrEnum):
    """Which rows are read."""

    TUNED = "tuned"
    HELD_OUT = "held-out"
    BOTH = "both"


def main(
    solutions: Annotated[Path, typer.Argument(help="A JSONL file.", exists=True, dir_okay=False)],
    half: Annotated[Half, typer.Option(help="The half of the rows that is read.")] = Half.HELD_OUT,
    show: Annotated[bool, typer.Option(help="Print each objection to a right solution.")] = False,
) -> None:
    """Print the shares of wrong and of right solutions that are objected to."""
    console = Console(width=100)
    start = time.perf_counter()
    judged = [(row, asyncio.run(arithmetic(row["question"], row["reasoning"]))) for row in _rows(solutions, half)]
    milliseconds = (time.perf_counter() - start) / max(len(judged), 1) * 1000
    table = Table("solutions", "of them", "objected to", "share", "95% interval", "claim")
    for right, claim in ((False, ""), (True, f"< {LIMIT:.0%}")):
        table.add_row("right" if right else "wrong", *_figures(_of(judged, right)), claim)
    console.print(table, f"{half} half; {milliseconds:.1f} ms a solution", sep="\n")
    for row, comments in _of(judged, right=True) if show else []:
        for comment in comments:
            console.print(f"\n[bold]{escape(row['question'])}[/]\n{escape(_around(row['reasoning'], comment))}")
            console.print(escape(comment.text), style="red")


def _rows(solutions: Path, half: Half) -> Iterator[dict[str, Any]]:
    for line in solutions.read_text().splitlines():
        row = json.loads(line)
        odd = int(hashlib.sha256(row["question"].encode()).hexdigest(), 16) % 2
        if half is Half.BOTH or odd == (half is Half.HELD_OUT):
            yield row


def _of(judged: GradedDraft, right: bool) -> GradedDraft:
    return [(row, comments) for row, comments in judged if row["previous_score"][0] == right]


def _figures(judged: GradedDraft) -> tuple[str, str, str, str]:
    objected = sum(bool(comments) for _, comments in judged)
    if not judged:
        return "0", "0", "", ""
    interval = binomtest(objected, len(judged)).proportion_ci(method="wilson")
    share = f"{objected / len(judged):.1%}"
    return str(len(judged)), str(objected), share, f"{interval.low:.1%} … {interval.high:.1%}"


def _around(text: str, comment: Comment) -> str:
    assert comment.start is not None  # noqa: S101 - a checker locates what it quotes
    assert comment.end is not None  # noqa: S101
    return text[max(comment.start - 200, 0) : comment.end + 200]


if __name__ == "__main__":
    typer.run(main)
