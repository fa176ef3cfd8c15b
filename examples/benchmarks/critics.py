"""Best-of-8 against Force Sampling Beam Search at three length modifiers, on answers with planted flaws.

    python -m examples.benchmarks.critics [--count 200] [--seed 1] [--slips 2]

A right answer of each family has flaws put in by `slip`; the critic is the simulated model, whose rates are chosen, so
this measures the search and no language model. The modifiers are found by `calibrate` on tasks of another seed, at the
25th, 50th and 75th percentile of highlights, and the pools of one search serve all three, and the modifier 0 besides.

- caught: the chosen critique names a true flaw, by the family's oracle;
- named: the share of the answer's flaws that it names;
- invented: it holds a comment that is not valid;
- highlights: the passages that it quotes.

Shares have Wilson's interval, means a bootstrap's (BCa), both of 95%.
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
from scipy import stats  # type: ignore[import-untyped]

from selfcritic.agent import Critique, load
from selfcritic.agent.models.simulated import NOTICE
from selfcritic.agent.tasks import TASKS, Task
from selfcritic.graphs import calibrate, create_review, rerank

SIZES = {"addition": 6, "alphabetize": 9, "three_sat": 6, "functions": 3}
PERCENTILES = (25, 50, 75)
RATES = ("caught", "named", "ungrounded", "highlights")


@dataclass(frozen=True)
class Case:
    """A task and an answer to it with planted flaws."""

    task: Task
    answer: str


@dataclass(frozen=True)
class GradedDraft:
    """What the oracle makes of one chosen critique; none chosen names nothing and invents nothing."""

    caught: bool
    named: float
    ungrounded: bool
    highlights: int


def main(
    count: Annotated[int, typer.Option(min=2, help="Answers of each family; a quarter as many to calibrate on.")] = 200,
    seed: Annotated[int, typer.Option(help="Repeats the run.")] = 1,
    slips: Annotated[int, typer.Option(min=1, help="Flaws put into each answer.")] = 2,
    family: Annotated[str | None, typer.Option(help="Only this family.")] = None,
) -> None:
    """Print a table for each family."""
    console = Console(highlight=False, width=140)
    console.print(NOTICE, style="dim italic")
    for kind in TASKS:
        if family in (None, kind.name):
            console.print(asyncio.run(measure(kind, count, seed, slips)))


async def measure(family: type[Task], count: int, seed: int, slips: int) -> Table:
    """The table of one family."""
    to_set = await pools_of(planted(family, max(count // 4, 1), f"{seed} set", slips), "fsbs", seed)
    cases = planted(family, count, f"{seed} measured", slips)
    best, found = await pools_of(cases, "rejection", seed), await pools_of(cases, "fsbs", seed)
    title = f"{family.name}, size {SIZES[family.name]}: {count} answers, {slips} slips each"
    table = Table("", "modifier", *RATES, title=title, title_justify="left")
    table.add_row("best-of-8", "0", *row(cases, best, 0.0))
    table.add_row("fsbs", "0", *row(cases, found, 0.0))
    for percentile in PERCENTILES:
        modifier = calibrate(to_set, percentile)
        table.add_row(f"fsbs, {percentile}th percentile", f"{modifier:.3f}", *row(cases, found, modifier))
    return table


def planted(family: type[Task], count: int, seed: str, slips: int) -> list[Case]:
    """Answers that the oracle holds for flawed."""
    rng = random.Random(f"{seed} {family.name}")
    cases: list[Case] = []
    while len(cases) < count:
        task = family.generate(rng, SIZES[family.name])
        answer = task.solution()
        for _ in range(slips):
            answer = task.inject_flaw(answer, rng).answer
        if not task.is_correct(answer):
            cases.append(Case(task, answer))
    return cases


async def pools_of(cases: Sequence[Case], search: str, seed: int) -> list[list[Critique]]:
    """All critiques drawn of each answer."""
    graph = create_review(model=load("simulated", seed=seed), search=search, num_critiques=8).compile()
    pools = []
    for case in track(cases, description=search, transient=True):
        output = await graph.ainvoke({"question": case.task.question, "answer": case.answer})
        pools.append(output["rounds"][0].critiques)
    return pools


def row(cases: Sequence[Case], pools: Sequence[Sequence[Critique]], modifier: float) -> list[str]:
    """The cells of one way to choose."""
    judged = [judge(case, pool, modifier) for case, pool in zip(cases, pools, strict=True)]
    return [
        share([one.caught for one in judged]),
        mean([one.named for one in judged], "{:.1%}"),
        share([one.ungrounded for one in judged]),
        mean([one.highlights for one in judged], "{:.2f}"),
    ]


def judge(case: Case, pool: Sequence[Critique], modifier: float) -> GradedDraft:
    """Hold the chosen critique against the oracle."""
    chosen = rerank(pool, modifier)
    comments = [] if chosen is None else pool[chosen].comments
    valid = sum(case.task.is_valid(case.answer, comment) for comment in comments)
    flaws = len(case.task.flaws(case.answer))
    return GradedDraft(valid > 0, min(valid / flaws, 1.0), valid < len(comments), len(comments))


def share(hits: Sequence[bool]) -> str:
    """A share with Wilson's interval."""
    low, high = stats.binomtest(sum(hits), len(hits)).proportion_ci(method="wilson")
    return f"{sum(hits) / len(hits):.1%} ({low:.1%}–{high:.1%})"


def mean(values: Sequence[float], form: str) -> str:
    """A mean with a bootstrap's interval; without one where all values are equal."""
    average = form.format(sum(values) / len(values))
    if len(set(values)) == 1:
        return average
    interval = stats.bootstrap((values,), lambda sample, axis: sample.mean(axis=axis), rng=1).confidence_interval
    return f"{average} ({form.format(interval.low)}–{form.format(interval.high)})"


if __name__ == "__main__":
    typer.run(main)
