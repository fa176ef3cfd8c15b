"""Compare best-of-8 with FSBS on answers with injected flaws.

    python -m examples.benchmarks.critics [--count 200] [--seed 1] [--flaws 2]

`inject_flaw` puts flaws into a correct answer of each task type. The critic is the simulated model with its default
error rates, so this measures the search and not a language model. `calibrate` finds the length modifiers at the 25th,
50th and 75th percentile of highlights, on tasks of another seed. All modifiers, including 0, select from the same
critiques.

- caught: the selected critique names a true flaw, according to the task's oracle;
- named: share of the answer's flaws that it names;
- ungrounded: it contains an invalid comment;
- highlights: number of passages that it quotes.

Intervals are 95%: Wilson for shares, bootstrap (BCa) for means.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import stats

from selfcritic.agent import Critique, load
from selfcritic.agent.context import SearchMethod
from selfcritic.agent.models.simulated import NOTICE
from selfcritic.agent.tasks import TASKS, Task
from selfcritic.graphs import calibrate, create_review, rerank

SIZES = {"addition": 6, "alphabetize": 9, "three_sat": 6, "functions": 3}
PERCENTILES = (25, 50, 75)
RATES = ("caught", "named", "ungrounded", "highlights")


@dataclass(frozen=True)
class Case:
    """A task and an answer with injected flaws."""

    task: Task
    answer: str


@dataclass(frozen=True)
class Grade:
    """The oracle's grade of a selected critique; all zero without one."""

    caught: bool
    named: float
    ungrounded: bool
    highlights: int


def main(
    count: Annotated[
        int, typer.Option(min=2, help="Answers per task type; a quarter more to calibrate.")
    ] = 200,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 1,
    flaws: Annotated[int, typer.Option(min=1, help="Flaws injected into each answer.")] = 2,
    task: Annotated[str | None, typer.Option(help="Task type (default: all).")] = None,
) -> None:
    """Print a table for each task type."""
    console = Console(highlight=False, width=140)
    console.print(NOTICE, style="dim italic")
    for task_type in TASKS:
        if task in (None, task_type.name):
            console.print(asyncio.run(measure(task_type, count, seed, flaws)))


async def measure(task_type: type[Task], count: int, seed: int, flaws: int) -> Table:
    """Compare the searches on one task type."""
    calibration_cases = flawed_answers(task_type, max(count // 4, 1), f"{seed} set", flaws)
    calibration_pools = await sample_pools(calibration_cases, "fsbs", seed)
    cases = flawed_answers(task_type, count, f"{seed} measured", flaws)
    best_of_n_pools = await sample_pools(cases, "rejection", seed)
    fsbs_pools = await sample_pools(cases, "fsbs", seed)

    name = task_type.name
    title = f"{name}, size {SIZES[name]}: {count} answers, {flaws} flaws each"
    table = Table("", "modifier", *RATES, title=title, title_justify="left")
    table.add_row("best-of-8", "0", *row(cases, best_of_n_pools, 0.0))
    table.add_row("fsbs", "0", *row(cases, fsbs_pools, 0.0))
    for percentile in PERCENTILES:
        modifier = calibrate(calibration_pools, percentile)
        cells = row(cases, fsbs_pools, modifier)
        table.add_row(f"fsbs, {percentile}th percentile", f"{modifier:.3f}", *cells)
    return table


def flawed_answers(task_type: type[Task], count: int, seed: str, flaws: int) -> list[Case]:
    """Return tasks with answers that the oracle grades as incorrect."""
    rng = random.Random(f"{seed} {task_type.name}")
    cases: list[Case] = []
    while len(cases) < count:
        task = task_type.generate(rng, SIZES[task_type.name])
        answer = task.solution()
        for _ in range(flaws):
            answer = task.inject_flaw(answer, rng).answer
        if not task.is_correct(answer):
            cases.append(Case(task, answer))
    return cases


async def sample_pools(
    cases: Sequence[Case], search: SearchMethod, seed: int
) -> list[list[Critique]]:
    """Return all critiques sampled for each answer."""
    graph = create_review(
        model=load("simulated", seed=seed), search=search, num_critiques=8
    ).compile()
    pools = []
    for case in track(cases, description=search, transient=True):
        output = await graph.ainvoke({"question": case.task.question, "answer": case.answer})
        pools.append(output["rounds"][0].critiques)
    return pools


def row(cases: Sequence[Case], pools: Sequence[Sequence[Critique]], modifier: float) -> list[str]:
    """Return the cells of one search at one length modifier."""
    grades = [grade(case, pool, modifier) for case, pool in zip(cases, pools, strict=True)]
    return [
        share([grade.caught for grade in grades]),
        mean([grade.named for grade in grades], "{:.1%}"),
        share([grade.ungrounded for grade in grades]),
        mean([grade.highlights for grade in grades], "{:.2f}"),
    ]


def grade(case: Case, pool: Sequence[Critique], modifier: float) -> Grade:
    """Grade the critique that is selected at a length modifier."""
    selected = rerank(pool, modifier)
    comments = []
    if selected is not None:
        comments = pool[selected].comments
    num_valid = sum(case.task.is_valid(case.answer, comment) for comment in comments)
    num_flaws = len(case.task.flaws(case.answer))
    return Grade(
        caught=num_valid > 0,
        named=min(num_valid / num_flaws, 1.0),
        ungrounded=num_valid < len(comments),
        highlights=len(comments),
    )


def share(hits: Sequence[bool]) -> str:
    """Format a share with its Wilson interval."""
    low, high = stats.binomtest(sum(hits), len(hits)).proportion_ci(method="wilson")
    return f"{sum(hits) / len(hits):.1%} ({low:.1%}–{high:.1%})"


def mean(values: Sequence[float], form: str) -> str:
    """Format a mean with its bootstrap interval, unless all values are equal."""
    average = form.format(sum(values) / len(values))
    if len(set(values)) == 1:
        return average
    interval = stats.bootstrap(
        (values,), lambda sample, axis: sample.mean(axis=axis), rng=1
    ).confidence_interval
    return f"{average} ({form.format(interval.low)}–{form.format(interval.high)})"


if __name__ == "__main__":
    typer.run(main)
