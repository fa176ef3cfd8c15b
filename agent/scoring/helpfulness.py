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


async def helpfulness(
    step: Step, critiques: Sequence[Critique]
) -> tuple[Verdicts, SelfcriticError | None]:
    """Ask the judge about each critique.

    Returns P(helpful) of each, None if the judge failed, and the first error.
    """
    results = await asyncio.gather(*(_ask_judge(step, critique) for critique in critiques))
    verdicts: Verdicts = []
    first_error: SelfcriticError | None = None
    for verdict, error in results:
        verdicts.append(verdict)
        first_error = first_error or error
    return verdicts, first_error


async def _ask_judge(
    step: Step, critique: Critique
) -> tuple[YesProbability | None, SelfcriticError | None]:
    text = critique_text(critique)
    prompt = step.render_prompt("helpfulness", answer=step.round.answer, critique=text)
    try:
        verdict = await step.sampler("judge").probability(prompt, step.context.num_votes)
    except SelfcriticError as error:
        return None, error
    emit_score(step, critique, helpfulness=verdict.probability, by=verdict.judged_by)
    return verdict, None


def emit_score(step: Step, critique: Critique, **data: Any) -> None:
    """Write an event with the critique's index in the round."""
    index = None
    for number, other in enumerate(step.round.critiques):
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
