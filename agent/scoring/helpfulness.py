"""Score critiques by P(Yes) to "is this critique valid and helpful".

Source: paper 1, the critique reranker.
"""

import asyncio
from collections.abc import Sequence

from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.schemas import Critique
from selfcritic.agent.step import Step


async def helpfulness(run: Step, critiques: Sequence[Critique]) -> list[float | None]:
    """Ask the judge about each critique.

    Returns the scores in order; None for a critique without a verdict.
    """
    texts = [critique_text(critique) for critique in critiques]
    return await asyncio.gather(*(_score(run, text) for text in texts))


async def _score(run: Step, text: str) -> float | None:
    messages = run.ask("helpfulness", answer=run.draft.answer, critique=text)
    try:
        score = (await run.sampler("judge").probability(messages, run.context.num_votes)).probability
    except SelfcriticError as failure:
        run.failure = failure
        return None
    run.tell("scored", len(run.rounds) - 1, critique=text, helpfulness=score)
    return score
