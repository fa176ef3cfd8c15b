"""Run fresh tasks through the loop, offline, and grade the answers.

    python examples/demo.py [--count 200] [--seed N] [--task "What is 128 + 256?"]

Shows a few runs in detail. Then runs many tasks concurrently and prints how many answers are correct before and after
the loop. Each run draws new tasks; `--seed` repeats a run. The task's oracle, which the loop cannot see, grades the
answers.
"""

import asyncio
import random
import secrets
import sys
from collections.abc import Iterator, Sequence
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
NUM_SHOWN = 2
console = Console(highlight=False)


@dataclass(frozen=True)
class Outcome:
    """One run of a task, graded by its oracle."""

    task: Task
    is_correct_before: bool
    is_correct_after: bool
    num_calls: int


def main(
    count: Annotated[int, typer.Option(min=1, help="Number of tasks of each type.")] = 200,
    seed: Annotated[
        int | None, typer.Option(help="Seed that repeats a run (default: random).")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Run only this task.")] = None,
) -> None:
    """Run tasks through the loop and grade the answers."""
    console.print(NOTICE, style="dim italic")
    if task is not None:
        is_known = show_run(task, seed)
        raise typer.Exit(0 if is_known else 1)
    if seed is None:
        seed = secrets.randbelow(10**6)
    console.print(f"seed {seed} (repeat with: make demo SEED={seed})\n", style="dim")
    for example in generate_tasks(f"{seed} shown", NUM_SHOWN):
        show_run(example.question, seed)
    tasks = list(generate_tasks(f"{seed} counted", count))
    outcomes = asyncio.run(run_all(tasks, seed))
    console.print(summary_table(outcomes))
    if sys.stdin.isatty():
        run_typed_tasks(seed)


def generate_tasks(seed: str, count: int) -> Iterator[Task]:
    """Yield `count` random tasks of each type."""
    for task_type in TASKS:
        rng = random.Random(f"{seed} {task_type.name}")
        for _ in range(count):
            yield task_type.generate(rng, SIZES[task_type.name])


def run_typed_tasks(seed: int) -> None:
    """Run the tasks that the user types until an empty line."""
    while question := console.input("\nType a task (Enter quits): ").strip():
        show_run(question, seed)


def show_run(question: str, seed: int | None = None) -> bool:
    """Run and print one task; return False if it is unknown."""
    console.rule(style="dim")
    console.print(question, soft_wrap=True)
    graph = create_self_critique(model="simulated", seed=seed).compile()
    state: dict[str, Any] = {}
    with Trace(console) as trace:
        try:
            for mode, chunk in graph.stream(
                {"question": question}, stream_mode=["updates", "values"]
            ):
                data = cast(dict[str, Any], chunk)
                if mode == "values":
                    state = data
                    continue
                for node, update in data.items():
                    trace.show(node, update)
        except SelfcriticError as error:
            console.print(str(error), style="red")
            return False
        trace.end(state["stop_reason"], state["best_round"], state["usage"])
    return True


async def run_all(tasks: Sequence[Task], seed: int) -> list[Outcome]:
    """Run all tasks concurrently with a progress bar."""
    graph = create_self_critique(model=load("simulated", seed=seed)).compile()
    columns = [*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn()]
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(f"{len(tasks)} tasks at once", total=len(tasks))

        async def run(task: Task) -> Outcome:
            output = cast(Output, await graph.ainvoke({"question": task.question}))
            outcome = await asyncio.to_thread(grade, task, output)
            progress.advance(bar)
            return outcome

        return await asyncio.gather(*map(run, tasks))


def grade(task: Task, output: Output) -> Outcome:
    """Grade the first draft and the final answer with the task's oracle."""
    return Outcome(
        task=task,
        is_correct_before=task.is_correct(output["rounds"][0].answer),
        is_correct_after=task.is_correct(output["answer"]),
        num_calls=output["usage"].calls,
    )


def summary_table(outcomes: Sequence[Outcome]) -> Table:
    """Count correct answers before and after the loop by task type."""
    table = Table(title="Correct answers before and after the loop", title_justify="left")
    table.add_column("task", no_wrap=True)
    for name in ("size", "runs", "before", "after", "made worse", "calls/task"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, size in SIZES.items():
        group = [outcome for outcome in outcomes if outcome.task.name == name]
        num_before = sum(outcome.is_correct_before for outcome in group)
        num_after = sum(outcome.is_correct_after for outcome in group)
        num_worse = sum(
            outcome.is_correct_before and not outcome.is_correct_after for outcome in group
        )
        num_calls = sum(outcome.num_calls for outcome in group)
        table.add_row(
            name,
            str(size),
            str(len(group)),
            f"{num_before / len(group):.1%}",
            f"{num_after / len(group):.1%}",
            str(num_worse),
            f"{num_calls / len(group):.1f}",
        )
    return table


if __name__ == "__main__":
    typer.run(main)
