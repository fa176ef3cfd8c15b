"""Measure the loop on two real models: quality on word lists, mechanics on free questions.

    python -m examples.benchmarks.recorded_run [--lists 500] [--questions 50] [--seed 1]

Quality: `tiny` sorts new lists of 4 to 30 words, graded by the oracle. A call is one reply. On each list, "direct,
repeated" and "best of n" get as many calls as the loop made; "best of m" gets the loop's mean on every list.

Mechanics: `local:smollm2` answers the questions in `questions.txt`. It is too small to criticize well, so the table
counts only what happens: which verdicts and critiques are readable, how runs end, and what they cost. Every draft is
criticized, as `accept_threshold` is 0.

Intervals are 95%: Wilson for shares, bootstrap (BCa) for means and paired differences.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple, cast

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from examples.benchmarks.critics import mean, share
from examples.benchmarks.tiny_arms import NUM_REPORTS, LoopResult, arm_table, run_shipped_model
from selfcritic.agent import load
from selfcritic.agent.context import Context
from selfcritic.agent.schemas import Usage
from selfcritic.agent.state import Output
from selfcritic.agent.training.tiny.examples import draw_task
from selfcritic.graphs import create_self_critique

QUESTIONS = Path(__file__).with_name("questions.txt")
INSTRUCTION = "Answer in one short sentence."  # long replies would be cut off


class Answered(NamedTuple):
    """The output for one question, and the seconds it took."""

    output: Output
    seconds: float


def main(
    lists: Annotated[int, typer.Option(min=0, help="Word lists for tiny.")] = 500,
    questions: Annotated[int, typer.Option(min=0, max=50, help="Questions for MODEL.")] = 50,
    seed: Annotated[int, typer.Option(help="Seed of lists and replies.")] = 1,
    model: Annotated[
        str, typer.Option(help="Model that answers the questions.")
    ] = "local:smollm2?n_ctx=2048&threads=1",
) -> None:
    """Print the tables of both models."""
    console = Console(highlight=False, width=100)
    if lists:
        for table in measure_quality(lists, seed):
            console.print(table)
    if questions:
        lines = QUESTIONS.read_text("utf-8").splitlines()[:questions]
        texts = [f"{line} {INSTRUCTION}" for line in lines]
        answered = asyncio.run(answer_questions(model, texts, seed))
        console.print(mechanics_table(answered, model))
        console.print(cost_table({"loop": [item.output["usage"] for item in answered]}, model))


def measure_quality(count: int, seed: int) -> list[Table]:
    """Run all arms on new word lists; return the tables."""
    rng = random.Random(f"recorded {seed}")
    tasks = [draw_task("alphabetize", rng) for _ in range(count)]
    with Progress(transient=True) as progress:
        bar = progress.add_task(f"{count} word lists", total=NUM_REPORTS * count)
        runs = run_shipped_model(tasks, lambda: progress.advance(bar))
    table = arm_table(runs.outcomes)
    table.title = f"tiny, {count} lists, seed {seed}: quality"
    table.title_justify = "left"
    usages = {"loop": _usages(runs.loop), "direct": _usages(runs.direct)}
    return [table, cost_table(usages, f"tiny, {count} lists")]


def _usages(results: Sequence[LoopResult]) -> list[Usage]:
    return [result.usage for result in results]


async def answer_questions(model: str, questions: Sequence[str], seed: int) -> list[Answered]:
    """Run the loop on each question, one after the other."""
    context = Context(
        model=load(model),
        accept_threshold=0.0,  # criticizes every draft
        num_critiques=4,
        max_rounds=1,
        max_output_tokens={"generator": 96, "critic": 64, "judge": 4, "refiner": 96},
    )
    graph = create_self_critique(model=context.model).compile()
    answered = []
    with Progress(transient=True) as progress:
        bar = progress.add_task(f"{len(questions)} questions", total=len(questions))
        for number, question in enumerate(questions):
            start = time.perf_counter()
            options = context.model_copy(update={"seed": 1000 * seed + number})
            output = await graph.ainvoke({"question": question}, context=options)
            answered.append(Answered(cast(Output, output), time.perf_counter() - start))
            progress.advance(bar)
    return answered


def mechanics_table(answered: Sequence[Answered], title: str) -> Table:
    """Count readable verdicts, grounded critiques and stop reasons."""
    rounds = [draft for item in answered for draft in item.output["rounds"]]
    critiques = [critique for draft in rounds for critique in draft.critiques]
    scored = [critique for critique in critiques if critique.helpfulness is not None]
    quotes = []
    for critique in critiques:
        quotes += [True] * len(critique.comments) + [False] * len(critique.ungrounded)
    is_judged = [draft.p_critiqueable is not None for draft in rounds]
    by_logprobs = [draft.judged_by == "logprobs" for draft in rounds]
    table = Table("", "measured", title=f"{title}, {len(answered)} questions: mechanics")
    table.title_justify = "left"
    table.add_row("drafts and refinements", str(len(rounds)))
    table.add_row("… with a verdict", share(is_judged))
    table.add_row("… with a verdict from logprobs", share(by_logprobs))
    table.add_row("… cut off at the length limit", share([draft.is_truncated for draft in rounds]))
    table.add_row("critiques", str(len(critiques)))
    if critiques:
        is_grounded = [bool(critique.comments) for critique in critiques]
        table.add_row("… with a comment that quotes the draft", share(is_grounded))
        table.add_row("… scored by the judge", str(len(scored)))
    if quotes:
        table.add_row("quotes found in the draft", share(quotes))
    reasons = Counter(str(item.output["stop_reason"]) for item in answered)
    for reason, count in reasons.most_common():
        table.add_row(f"runs that ended with {reason}", str(count))
    table.add_row("seconds per question", mean([item.seconds for item in answered], "{:.1f}"))
    return table


def cost_table(usages_by_arm: dict[str, list[Usage]], title: str) -> Table:
    """Show the mean requests and tokens of a run."""
    table = Table("", "requests", "tokens in", "tokens out", title=f"{title}: cost of a run")
    table.title_justify = "left"
    for arm, usages in usages_by_arm.items():
        calls = [float(usage.calls) for usage in usages]
        input_tokens = [float(usage.input_tokens) for usage in usages]
        output_tokens = [float(usage.output_tokens) for usage in usages]
        table.add_row(
            arm,
            mean(calls, "{:.1f}"),
            mean(input_tokens, "{:,.0f}"),
            mean(output_tokens, "{:,.0f}"),
        )
    return table


if __name__ == "__main__":
    typer.run(main)
