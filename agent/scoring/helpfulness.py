"""Helpfulness: P(Yes) to "is this critique valid and helpful" (paper 1, critique reranking)."""

import asyncio
from collections.abc import Sequence

from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.schemas import Critique
from selfcritic.agent.step import Step


async def helpfulness(step: Step, critiques: Sequence[Critique]) -> tuple[list[float | None], SelfcriticError | None]:
    """Return P(helpful) of each critique, None where the judge failed, and the first error."""
    results = await asyncio.gather(*(_score(step, critique_text(critique)) for critique in critiques))
    error = next((error for _, error in results if error is not None), None)
    return [score for score, _ in results], error


async def _score(step: Step, text: str) -> tuple[float | None, SelfcriticError | None]:
    prompt = step.render_prompt("helpfulness", answer=step.round.answer, critique=text)
    try:
        verdict = await step.sampler("judge").probability(prompt, step.context.num_votes)
    except SelfcriticError as error:
        return None, error
    step.emit("scored", critique=text, helpfulness=verdict.probability)
    return verdict.probability, None
