"""Answer tasks with the tiny model: the loop and its baselines.

A call is one reply of the model: a draft, a critique or a verdict. All arms have the same first draft of a task. A
task's index is the seed of its run.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from rich.table import Table

from examples.benchmarks.critics import mean, share
from selfcritic.agent import Budget
from selfcritic.agent.context import Context
from selfcritic.agent.errors import ModelError
from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.models.tiny.model import SHIPPED, TinyModel
from selfcritic.agent.schemas import Round, Usage
from selfcritic.agent.state import Output
from selfcritic.agent.tasks import Task
from selfcritic.agent.training.tiny.examples import render_prompt
from selfcritic.graphs import create_self_critique

NUM_CRITIQUES = 8  # per draft
MAX_APPLIED = 6  # critiques per refinement
MAX_REFINEMENTS = 4
ACCEPT_THRESHOLD = 0.1  # chosen on other tasks
_NUM_CONCURRENT = 4
_MIN_CALLS = 2  # of a chain: a draft and its verdict
_CHAIN_SEED_STEP = 1_000_000

Report = Callable[[], None]
"""Called after each task."""


@dataclass(frozen=True)
class Outcome:
    """The result of an arm on one task."""

    is_correct: bool
    calls: int


class LoopResult(NamedTuple):
    """What the loop returns for one task."""

    rounds: list[Round]
    answer: str
    usage: Usage = Usage()


class ArmRuns(NamedTuple):
    """The results of the loop and its baselines on the same tasks."""

    outcomes: dict[str, list[Outcome]]
    loop: list[LoopResult]
    direct: list[LoopResult]


NUM_REPORTS = 5
"""How often `run_shipped_model` reports each task."""


def run_shipped_model(tasks: Sequence[Task], report: Report) -> ArmRuns:
    """Run the loop and its baselines with the shipped weights."""
    base = loop_context(SHIPPED, ACCEPT_THRESHOLD)
    loop_options = base.model_copy(update={"critiques_per_refinement": MAX_APPLIED})
    direct_options = base.model_copy(update={"refinement": "direct"})
    loop = run_loop(loop_options, tasks, report)
    direct = run_loop(direct_options, tasks, report)
    outcomes = {
        "first draft": grade_first_drafts(tasks, loop),
        "loop": grade_results(tasks, loop),
        "direct": grade_results(tasks, direct),
    }
    max_calls = [outcome.calls for outcome in outcomes["loop"]]
    outcomes["direct, repeated"] = repeat_direct(base, tasks, max_calls, report)
    mean_calls = [round(float(np.mean(max_calls)))] * len(tasks)
    for arm, calls in (("best of n", max_calls), ("best of m", mean_calls)):
        outcomes[arm] = []
        for outcome in sample_best_of_n(Engine(SHIPPED), tasks, loop, calls):
            outcomes[arm].append(outcome)
            report()
    return ArmRuns(outcomes, loop, direct)


def loop_context(folder: Path, accept_threshold: float, **options: Any) -> Context:
    """Return the options of the loop that all arms share."""
    return Context(
        model=TinyModel(folder=folder),
        num_critiques=NUM_CRITIQUES,
        max_rounds=MAX_REFINEMENTS,
        patience=MAX_REFINEMENTS,
        accept_threshold=accept_threshold,
        **options,
    )


def run_loop(context: Context, tasks: Sequence[Task], report: Report) -> list[LoopResult]:
    """Run the loop on each task."""
    return asyncio.run(_run_loop(context, tasks, report))


async def _run_loop(context: Context, tasks: Sequence[Task], report: Report) -> list[LoopResult]:
    graph = create_self_critique(model=context.model).compile()
    slots = asyncio.Semaphore(_NUM_CONCURRENT)

    async def run(seed: int, task: Task) -> LoopResult:
        seeded_context = context.model_copy(update={"seed": seed})
        async with slots:
            try:
                reply = await graph.ainvoke({"question": task.question}, context=seeded_context)
            except ModelError:  # a poorly trained model may return an empty first draft
                return LoopResult([Round(answer="")], "")
            finally:
                report()
        output = cast(Output, reply)
        return LoopResult(output["rounds"], output["answer"], output["usage"])

    return await asyncio.gather(*[run(seed, task) for seed, task in enumerate(tasks)])


def grade_results(tasks: Sequence[Task], results: Sequence[LoopResult]) -> list[Outcome]:
    """Grade the answers and count the calls."""
    outcomes = []
    for task, result in zip(tasks, results, strict=True):
        calls = sum(count_calls(loop_round) for loop_round in result.rounds)
        outcomes.append(Outcome(task.is_correct(result.answer), calls))
    return outcomes


def grade_first_drafts(tasks: Sequence[Task], results: Sequence[LoopResult]) -> list[Outcome]:
    """Grade the first draft of each result."""
    outcomes = []
    for task, result in zip(tasks, results, strict=True):
        outcomes.append(Outcome(task.is_correct(result.rounds[0].answer), 1))
    return outcomes


def count_calls(loop_round: Round) -> int:
    """Count the calls of a round: draft, verdict, critiques, scores.

    Equal critiques are scored once.
    """
    num_distinct = len({critique.text for critique in loop_round.critiques})
    return 2 + len(loop_round.critiques) + num_distinct


def repeat_direct(
    context: Context, tasks: Sequence[Task], max_calls: Sequence[int], report: Report
) -> list[Outcome]:
    """Repeat direct refinement from new drafts until a task's calls are used.

    Of all chains of a task, the answer with the lowest P(critiqueable) counts.
    """
    return asyncio.run(_repeat_direct(context, tasks, max_calls, report))


async def _repeat_direct(
    context: Context, tasks: Sequence[Task], max_calls: Sequence[int], report: Report
) -> list[Outcome]:
    graph = create_self_critique(model=context.model).compile()
    slots = asyncio.Semaphore(_NUM_CONCURRENT)

    async def run(seed: int, task: Task, calls: int) -> Outcome:
        answers: dict[str, float] = {}
        calls_left = calls
        while calls_left >= _MIN_CALLS:
            options = {"seed": seed, "budget": Budget(calls=calls_left), "refinement": "direct"}
            chain_context = context.model_copy(update=options)
            reply = await graph.ainvoke({"question": task.question}, context=chain_context)
            output = cast(Output, reply)
            p_critiqueable = output["p_critiqueable"]
            answers[output["answer"]] = 1.0 if p_critiqueable is None else p_critiqueable
            calls_left -= output["usage"].calls
            seed += _CHAIN_SEED_STEP
        answer = min(answers, key=answers.__getitem__)
        return Outcome(task.is_correct(answer), calls - calls_left)

    async def run_in_slot(seed: int, task: Task, calls: int) -> Outcome:
        async with slots:
            outcome = await run(seed, task, calls)
        report()
        return outcome

    runs = []
    for seed, (task, calls) in enumerate(zip(tasks, max_calls, strict=True)):
        runs.append(run_in_slot(seed, task, calls))
    return await asyncio.gather(*runs)


def sample_best_of_n(
    engine: Engine, tasks: Sequence[Task], loop: Sequence[LoopResult], max_calls: Sequence[int]
) -> Iterator[Outcome]:
    """Draw as many drafts with verdicts as a task's calls allow; grade the best.

    The first one is the loop's first draft.
    """
    for seed, (task, result, calls) in enumerate(zip(tasks, loop, max_calls, strict=True)):
        drafts = [result.rounds[0].answer]
        num_new = calls // 2 - 1
        if num_new > 0:
            [pool] = engine.complete([render_prompt("generate", task.question)], num_new, seed)
            drafts += [reply.text for reply in pool]
        p_flawed = judge(engine, [(task, draft) for draft in drafts])
        yield grade_best(task, drafts, p_flawed)


def judge(engine: Engine, drafts: Sequence[tuple[Task, str]]) -> list[float]:
    """Return P(critiqueable) of each answer."""
    prompts = [render_prompt("classify", task.question, answer=answer) for task, answer in drafts]
    return [reply.p_yes for [reply] in engine.complete(prompts, seed=2)]


def grade_best(task: Task, drafts: Sequence[str], p_flawed: Sequence[float]) -> Outcome:
    """Grade the least critiqueable draft; each draft has cost two calls."""
    best = min(range(len(drafts)), key=p_flawed.__getitem__)
    return Outcome(task.is_correct(drafts[best]), 2 * len(drafts))


def arm_table(outcomes_by_arm: dict[str, list[Outcome]], *, with_intervals: bool = True) -> Table:
    """Compare the accuracy of each arm with the loop's, on the same tasks.

    Args:
        outcomes_by_arm: One outcome for each task; "loop" is an arm.
        with_intervals: Whether to add 95% intervals to the shares of correct answers.
    """
    table = Table(
        "", "correct", "calls per task", "loop is ahead by", title="the loop and its baselines"
    )
    loop = outcomes_by_arm["loop"]
    for arm, outcomes in outcomes_by_arm.items():
        is_correct = [outcome.is_correct for outcome in outcomes]
        mean_calls = np.mean([outcome.calls for outcome in outcomes])
        accuracy = f"{np.mean(is_correct):.1%}"
        if with_intervals:
            accuracy = share(is_correct)
        lead = ""
        if arm != "loop":
            pairs = zip(loop, outcomes, strict=True)
            differences = [float(own.is_correct) - rival.is_correct for own, rival in pairs]
            lead = mean(differences, "{:+.1%}")
        table.add_row(arm, accuracy, f"{mean_calls:.1f}", lead)
    return table
