"""The main job, offline: fresh tasks of every family are drafted, criticised and mended, then many at once.

    python examples/demo.py [--count 200] [--seed N] [--task "What is 128 + 256?"]

Nothing is written in advance: tasks are drawn anew at each run (a seed repeats them) and the oracle of each family,
which the loop never sees, says how many answers are right before and after.
"""

import asyncio
import random
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from selfcritic.agent import load
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.models.simulated import NOTICE
from selfcritic.agent.state import Output
from selfcritic.agent.tasks import TASKS, Task
from selfcritic.graphs import create_self_critique
from selfcritic.graphs.cli.trace import Trace

SIZES = {"addition": 6, "alphabetize": 9, "three_sat": 6, "functions": 3}
SHOWN = 2
console = Console(highlight=False)


@dataclass(frozen=True)
class Outcome:
    """One task run, graded by its oracle."""

    task: Task
    right_before: bool
    right_after: bool
    output: Output


def main(
    count: Annotated[int, typer.Option(min=1, help="Tasks of each family.")] = 200,
    seed: Annotated[int | None, typer.Option(help="Repeats a run; drawn anew by default.")] = None,
    task: Annotated[str | None, typer.Option(help="Run only this task, in your own words.")] = None,
) -> None:
    """Show the loop at work."""
    console.print(NOTICE, style="dim italic")
    if task is not None:
        raise typer.Exit(0 if show(task, seed) else 1)
    seed = secrets.randbelow(10**6) if seed is None else seed
    console.print(f"seed {seed} (the same again: make demo SEED={seed})\n", style="dim")
    for one in fresh_tasks(f"{seed} shown", SHOWN):
        show(one.question, seed)
    outcomes = asyncio.run(run_all(list(fresh_tasks(f"{seed} counted", count)), seed))
    console.print(summary(outcomes))
    while sys.stdin.isatty() and (typed := console.input("\nA task of your own (Enter ends): ").strip()):
        show(typed, seed)


def fresh_tasks(seed: str, count: int) -> Iterator[Task]:
    """`count` tasks of each family."""
    for family in TASKS:
        rng = random.Random(f"{seed} {family.name}")
        yield from (family.generate(rng, SIZES[family.name]) for _ in range(count))


def show(question: str, seed: int | None = None) -> bool:
    """Run one task with its trace; False where it is of no family."""
    console.rule(style="dim")
    console.print(question, soft_wrap=True)
    with Trace(console) as trace:
        graph = create_self_critique(seed=seed).compile()
        end: dict[str, Any] = {}
        try:
            for mode, part in graph.stream({"question": question}, stream_mode=["updates", "values"]):
                if mode == "values":
                    end = cast(dict[str, Any], part)
                    continue
                for node, update in cast(dict[str, Any], part).items():
                    trace.show(node, update)
        except SelfcriticError as error:
            console.print(str(error), style="red")
            return False
        trace.end(end["stop_reason"], end["best_round"], end["usage"])
    return True


async def run_all(tasks: list[Task], seed: int) -> list[Outcome]:
    """Run all tasks at once behind a progress bar."""
    graph = create_self_critique(model=load("simulated", seed=seed)).compile()

    async def run(task: Task) -> Outcome:
        output = cast(Output, await graph.ainvoke({"question": task.question}))
        before, after = [
            await asyncio.to_thread(task.is_correct, answer)
            for answer in (output["rounds"][0].answer, output["answer"])
        ]
        progress.advance(bar)
        return Outcome(task, before, after, output)

    with Progress(
        *Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn(), console=console
    ) as progress:
        bar = progress.add_task(f"{len(tasks)} tasks at once", total=len(tasks))
        return await asyncio.gather(*map(run, tasks))


def summary(outcomes: list[Outcome]) -> Table:
    """Right answers before and after, by family and by the oracle."""
    table = Table(title="Right answers before and after the loop, by oracle", title_justify="left")
    for name in ("family", "size", "tasks", "before", "after", "spoilt", "calls"):
        table.add_column(name, justify="left" if name == "family" else "right", no_wrap=True)
    for family, size in SIZES.items():
        mine = [outcome for outcome in outcomes if outcome.task.name == family]
        corruptions = sum(outcome.right_before and not outcome.right_after for outcome in mine)
        calls = sum(outcome.output["usage"].calls for outcome in mine) / len(mine)
        shares = [
            sum(rights) / len(mine) for rights in zip(*((o.right_before, o.right_after) for o in mine), strict=True)
        ]
        table.add_row(
            family, str(size), str(len(mine)), *(f"{share:.1%}" for share in shares), str(corruptions), f"{calls:.1f}"
        )
    return table


if __name__ == "__main__":
    typer.run(main)
