"""Score critiques by P(Yes) to "is this critique valid and helpful".

Source: paper 1, critique reranking.
"""

import asyncio
from collections.abc import Sequence

from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.schemas import Critique
from selfcritic.agent.step import Step


async def helpfulness(
    step: Step, critiques: Sequence[Critique]
) -> tuple[list[float | None], SelfcriticError | None]:
    """Ask the judge about each critique.

    Returns P(helpful) of each, None if the judge failed, and the first error.
    """
    texts = [critique_text(critique) for critique in critiques]
    results = await asyncio.gather(*(_score(step, text) for text in texts))
    scores: list[float | None] = []
    first_error: SelfcriticError | None = None
    for score, error in results:
        scores.append(score)
        first_error = first_error or error
    return scores, first_error


async def _score(step: Step, text: str) -> tuple[float | None, SelfcriticError | None]:
    prompt = step.render_prompt("helpfulness", answer=step.round.answer, critique=text)
    try:
        verdict = await step.sampler("judge").probability(prompt, step.context.num_votes or 5)
    except SelfcriticError as error:
        return None, error
    step.emit("scored", critique=text, helpfulness=verdict.probability)
    return verdict.probability, None
