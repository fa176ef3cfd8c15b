"""Measure the loop on many tasks, and summarize the results."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn
from rich.table import Table

from examples.benchmarks.tiny_arms import NUM_REPORTS, Outcome, arm_table, run_shipped_model
from selfcritic.agent import load
from selfcritic.agent.state import Output
from selfcritic.agent.tasks import TASKS, Task
from selfcritic.agent.training.tiny.examples import draw_task
from selfcritic.graphs import create_self_critique

SIMULATED_SIZES = {"addition": 6, "three_sat": 6, "functions": 3}
_NUM_CONCURRENT = 20


@dataclass(frozen=True)
class SimulatedOutcome:
    """One run of a task, graded by its oracle."""

    task: Task
    is_correct_before: bool
    is_correct_after: bool
    num_calls: int


def measure_tiny(console: Console, seed: int, count: int) -> dict[str, list[Outcome]]:
    """Run the loop and its baselines on new word lists."""
    rng = random.Random(f"{seed} word lists")
    tasks = [draw_task("alphabetize", rng) for _ in range(count)]
    with _progress(console) as progress:
        bar = progress.add_task(f"{count} word lists", total=NUM_REPORTS * count)
        return run_shipped_model(tasks, lambda: progress.advance(bar)).outcomes


def tiny_table(outcomes: dict[str, list[Outcome]]) -> Table:
    """Compare the loop with its baselines."""
    count = len(outcomes["loop"])
    table = arm_table(outcomes, with_intervals=False)
    table.title = f"tiny on {count} new lists of 4 to 30 words"
    table.title_justify = "left"
    return table


def describe_changes(outcomes: dict[str, list[Outcome]]) -> str:
    """Count the first drafts that the loop fixed or made worse."""
    num_fixed = 0
    num_worse = 0
    num_wrong = 0
    for before, after in zip(outcomes["first draft"], outcomes["loop"], strict=True):
        num_wrong += not before.is_correct
        num_fixed += after.is_correct and not before.is_correct
        num_worse += before.is_correct and not after.is_correct
    num_correct = len(outcomes["loop"]) - num_wrong
    return (
        f"The loop fixed {num_fixed} of {num_wrong} incorrect first drafts, and made {num_worse} of "
        f"{num_correct} correct ones worse."
    )


def generate_tasks(seed: int, count: int) -> Iterator[Task]:
    """Yield `count` random tasks of each type that the simulated solver shows."""
    for task_type in TASKS:
        if task_type.name in SIMULATED_SIZES:
            rng = random.Random(f"{seed} {task_type.name}")
            for _ in range(count):
                yield task_type.generate(rng, SIMULATED_SIZES[task_type.name])


def measure_simulated(console: Console, seed: int, count: int) -> list[SimulatedOutcome]:
    """Run the tasks of the simulated solver."""
    tasks = list(generate_tasks(seed, count))
    with _progress(console) as progress:
        bar = progress.add_task(f"{len(tasks)} simulated runs", total=len(tasks))
        return asyncio.run(_run_all(tasks, seed, progress, bar))


async def _run_all(
    tasks: Sequence[Task], seed: int, progress: Progress, bar: TaskID
) -> list[SimulatedOutcome]:
    graph = create_self_critique(model=load("simulated", seed=seed)).compile()
    slots = asyncio.Semaphore(_NUM_CONCURRENT)  # so that runs end one after the other

    async def run(task: Task) -> SimulatedOutcome:
        async with slots:
            output = cast(Output, await graph.ainvoke({"question": task.question}))
            outcome = await asyncio.to_thread(grade, task, output)
        progress.advance(bar)
        return outcome

    return await asyncio.gather(*map(run, tasks))


def grade(task: Task, output: Output) -> SimulatedOutcome:
    """Grade the first draft and the final answer with the task's oracle."""
    return SimulatedOutcome(
        task=task,
        is_correct_before=task.is_correct(output["rounds"][0].answer),
        is_correct_after=task.is_correct(output["answer"]),
        num_calls=output["usage"].calls,
    )


def simulated_table(outcomes: Sequence[SimulatedOutcome]) -> Table:
    """Count correct answers before and after the loop by task type."""
    table = Table(title="simulated: correct answers before and after the loop")
    table.title_justify = "left"
    table.add_column("task", no_wrap=True)
    columns = ("size", "runs", "correct first draft", "correct answer", "made worse")
    for name in (*columns, "calls per task"):
        table.add_column(name, justify="right")
    for name, size in SIMULATED_SIZES.items():
        group = [outcome for outcome in outcomes if outcome.task.name == name]
        num_before = sum(outcome.is_correct_before for outcome in group)
        num_after = sum(outcome.is_correct_after for outcome in group)
        is_worse = [outcome.is_correct_before and not outcome.is_correct_after for outcome in group]
        num_calls = sum(outcome.num_calls for outcome in group)
        table.add_row(
            name,
            str(size),
            str(len(group)),
            f"{num_before / len(group):.1%}",
            f"{num_after / len(group):.1%}",
            str(sum(is_worse)),
            f"{num_calls / len(group):.1f}",
        )
    return table


def _progress(console: Console) -> Progress:
    columns = [*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn()]
    return Progress(*columns, console=console)
