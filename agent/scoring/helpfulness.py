"""Helpfulness: P(Yes) to "is this critique valid and helpful" (paper 1, the critique reranker)."""

import asyncio
from collections.abc import Sequence

from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.schemas import Critique
from selfcritic.agent.step import Step


async def helpfulness(run: Step, critiques: Sequence[Critique]) -> list[float | None]:
    """A score a critique; equal critiques are asked once. None where nothing can be scored or no verdict be had.

    A critique of which nothing stands but invented quotes has nothing to score, so it never wins.
    """
    texts = [
        None if critique.ungrounded and not critique.comments else critique_text(critique) for critique in critiques
    ]
    asked = list(dict.fromkeys(text for text in texts if text))
    scores = dict(zip(asked, await asyncio.gather(*(_score(run, text) for text in asked)), strict=True))
    return [scores.get(text) if text else None for text in texts]


async def _score(run: Step, text: str) -> float | None:
    messages = run.ask("helpfulness", answer=run.draft.answer, critique=text)
    try:
        score = (await run.sampler("judge").probability(messages, run.context.num_votes)).probability
    except SelfcriticError as failure:
        run.failure = failure
        return None
    run.tell("scored", len(run.rounds) - 1, critique=text, helpfulness=score)
    return score
