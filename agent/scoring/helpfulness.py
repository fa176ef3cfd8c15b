"""Score critiques by P(Yes) to "is this critique valid and helpful".

Source: paper 1, critique reranking.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.sampling.verdicts import YesProbability
from selfcritic.agent.schemas import Critique
from selfcritic.agent.step import Step

Verdicts = list[YesProbability | None]


Verdict = tuple[YesProbability | None, SelfcriticError | None]


class EarlyVerdicts:
    """Verdicts of the judge on critiques that arrived before others."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self.critiques: Sequence[Critique] = ()
        """All critiques of the round, once they are known."""
        self._tasks: dict[str, asyncio.Task[Verdict]] = {}

    def start(self, text: str) -> None:
        """Ask the judge about a critique, unless it was asked already."""
        if text not in self._tasks:
            self._tasks[text] = asyncio.create_task(_ask_judge(self._step, text))

    async def get(self, text: str) -> Verdict | None:
        """Return the verdict on a critique, None if the judge was not asked."""
        task = self._tasks.get(text)
        return None if task is None else await task

    async def cancel(self) -> None:
        """Cancel the requests that are not finished."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


async def helpfulness(
    step: Step, critiques: Sequence[Critique], early: EarlyVerdicts | None = None
) -> tuple[Verdicts, SelfcriticError | None]:
    """Ask the judge about each critique, unless it was asked early.

    Returns P(helpful) of each, None if the judge failed, and the first error.
    """
    requests = [_get_verdict(step, critique, early) for critique in critiques]
    results = await asyncio.gather(*requests)
    verdicts: Verdicts = []
    first_error: SelfcriticError | None = None
    for verdict, error in results:
        verdicts.append(verdict)
        first_error = first_error or error
    return verdicts, first_error


async def _get_verdict(step: Step, critique: Critique, early: EarlyVerdicts | None) -> Verdict:
    text = critique_text(critique)
    result = None
    among: Sequence[Critique] = step.round.critiques
    if early is not None:
        result = await early.get(text)
        among = early.critiques
    if result is None:
        result = await _ask_judge(step, text)
    verdict, error = result
    if verdict is not None:
        emit_score(step, critique, among, helpfulness=verdict.probability, by=verdict.judged_by)
    return verdict, error


async def _ask_judge(step: Step, text: str) -> Verdict:
    prompt = step.render_prompt("helpfulness", answer=step.round.answer, critique=text)
    try:
        verdict = await step.sampler("judge").probability(prompt, step.context.num_votes)
    except SelfcriticError as error:
        return None, error
    return verdict, None


def emit_score(step: Step, critique: Critique, among: Sequence[Critique], **data: Any) -> None:
    """Write an event with the critique's index among those of the round."""
    index = None
    for number, other in enumerate(among):
        if other is critique:
            index = number
    step.emit("scored", index=index, critique=critique_text(critique).rstrip(), **data)


def comparable_scores(verdicts: Verdicts, earlier: Sequence[Critique]) -> list[float | None]:
    """Return the probabilities that were measured in the same way, None for the others.

    The way is that of the critiques scored earlier, else that of most verdicts.
    """
    methods = [critique.judged_by for critique in earlier if critique.judged_by is not None]
    if not methods:
        methods = [verdict.judged_by for verdict in verdicts if verdict is not None]
    scores: list[float | None] = []
    for verdict in verdicts:
        is_comparable = verdict is not None and verdict.judged_by == max(methods, key=methods.count)
        scores.append(verdict.probability if verdict is not None and is_comparable else None)
    return scores
