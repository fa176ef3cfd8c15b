"""Run experiments as inspect_ai tasks (extra `eval`).

A sample is one item of the data with one critic. Its solver runs our graphs with `model="none"`, so inspect sees no
requests: its limits, caches and usage stay empty, and the budget is ours. Its score is the rating form of the best
critique. Errors clusters by task, and a sample without a rating is unscored, never zero.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageAssistant, ChatMessageUser
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from selfcritic.agent.data.records import AnswerRecord, CritiqueSample, Rating
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.evals.experiments import Item
from selfcritic.agent.evals.journal import FinishedSample

RunItem = Callable[[Item], Awaitable[FinishedSample]]
_OUTCOME = "outcome"
_YES = 5
"""Scores of 5 or more count as a yes; 4 is "unsure" (paper 2, table 2)."""


class ItemFailed(SelfcriticError):  # noqa: N818 - inspect shows its name
    """A sample that must be run again."""


def build_task(
    name: str, items: Sequence[Item], run: RunItem, *, metadata: dict[str, Any] | None = None
) -> Task:
    """Return an inspect task that runs each item.

    Args:
        name: Name of the task in inspect's logs.
        items: Samples of the task. Those with an epoch greater than 1 are left to inspect, which repeats the others.
        run: Runs one sample, such as `Experiment.run`, or any function of yours.
        metadata: Entries for inspect's log.
    """
    samples = []
    first_epoch = [item for item in items if item.epoch == 1]
    for item in first_epoch:
        record = item.record
        facts = {"task": record.task, "record": record.id, "critic": item.critic}
        samples.append(Sample(id=item.id, input=record.question, metadata=facts))
    by_id = {item.id: item for item in first_epoch}
    num_epochs = max((item.epoch for item in items), default=1)
    return Task(
        name=name,
        dataset=MemoryDataset(samples, name=name),
        solver=run_item(by_id, run),
        scorer=rating_form(),
        epochs=num_epochs if num_epochs > 1 else None,
        model="none",
        metadata=metadata,
        # A failed sample does not stop the others, but inspect runs it again with the same command.
        fail_on_error=True,
        continue_on_fail=True,
    )


@solver
def run_item(items: dict[str, Item], run: RunItem) -> Solver:
    """Run the item of a sample.

    Raises:
        ItemFailed: The sample is incomplete.
        BudgetExhausted: The sample was not started.
    """

    async def solve(state: TaskState, generate: Generate) -> TaskState:  # noqa: ARG001 - inspect's
        item = replace(items[str(state.sample_id)], epoch=state.epoch)
        finished = await run(item)
        state.metadata[_OUTCOME] = finished.model_dump(mode="json", exclude_defaults=True)
        for record in finished.records:
            state.messages.append(ChatMessageAssistant(content=record.answer))
            best = select_best(record.critiques)
            if best is not None:
                state.messages.append(ChatMessageUser(content=f"{best.critic}:\n{best.text}"))
                state.output.completion = best.text
        if finished.error is not None:
            raise ItemFailed(finished.error)
        return state

    return solve


@scorer(metrics={"*": [mean(), stderr(cluster="task")]})
def rating_form() -> Scorer:
    """Score a sample by the rating of its best critique, and by its answers."""

    async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001 - inspect's
        finished = FinishedSample.model_validate(state.metadata[_OUTCOME])
        values = score_values(finished)
        details = {"usage": finished.usage.model_dump(), "seconds": finished.seconds}
        if all(math.isnan(value) for value in values.values()):
            return Score.unscored(reason="no rating", metadata=details)
        return Score(value=dict(values), metadata=details)

    return score


def score_values(finished: FinishedSample) -> dict[str, float]:
    """Return the score of a sample by name; NaN for what is unknown.

    Form scores are 1 for a yes, else 0. With several answers, each value is their mean.
    """
    rows = [_record_values(record, finished.ratings) for record in finished.records]
    values: dict[str, float] = {}
    for name in _record_values(None, []):
        known = [row[name] for row in rows if not math.isnan(row[name])]
        values[name] = sum(known) / len(known) if known else math.nan
    return values


def select_best(critiques: Sequence[CritiqueSample]) -> CritiqueSample | None:
    """Return the critique with the highest reward, the first of ties; None without any."""
    best: CritiqueSample | None = None
    for critique in critiques:
        if best is None or _reward(critique) > _reward(best):
            best = critique
    return best


def _reward(critique: CritiqueSample) -> float:
    return -math.inf if critique.reward is None else critique.reward


def _record_values(record: AnswerRecord | None, ratings: Sequence[Rating]) -> dict[str, float]:
    values = dict.fromkeys(
        (
            "correct",
            "p_critiqueable",
            "helpful",
            "bug_inclusion",
            "comprehensive",
            "nitpick",
            "hallucinated_problem",
        ),
        math.nan,
    )
    if record is None:
        return values
    if record.is_correct is not None:
        values["correct"] = float(record.is_correct)
    if record.p_critiqueable is not None:
        values["p_critiqueable"] = record.p_critiqueable
    best = select_best(record.critiques)
    for rating in ratings:
        if best is not None and (rating.record, rating.critique) == (record.id, best.id):
            values |= _rating_values(rating)
            break
    return values


def _rating_values(rating: Rating) -> dict[str, float]:
    """Return the answered questions of a rating."""
    values: dict[str, float] = {}
    if rating.is_helpful is not None:
        values["helpful"] = float(rating.is_helpful)
    form = rating.form
    if form is None:
        return values
    if form.bug_inclusion:
        hits = [score >= _YES for score in form.bug_inclusion.values()]
        values["bug_inclusion"] = sum(hits) / len(hits)
    questions = {
        "comprehensive": form.comprehensiveness,
        "nitpick": form.nitpick,
        "hallucinated_problem": form.hallucinated_problem,
    }
    for name, score in questions.items():
        if score is not None:
            values[name] = float(score >= _YES)
    return values
