"""Critiques given their rewards by the scorer that a run names: each distinct critique of a draft is scored once."""

import math
from collections.abc import Sequence

from selfcritic.agent.parsing import body
from selfcritic.agent.run import Run
from selfcritic.agent.schemas import Critique
from selfcritic.agent.scoring.helpfulness import helpfulness
from selfcritic.agent.scoring.rerank import is_invented


async def scored(run: Run, critiques: Sequence[Critique]) -> list[Critique]:
    """The critiques with their rewards; what was scored before, or says the same as one that was, is not scored again.

    A critique of which nothing stands but invented quotes has nothing to score, so it never wins. Where a score cannot
    be had, the reward stays None and `run.failure` says why.
    """
    known = {body(critique): critique for critique in critiques if critique.reward is not None}
    fresh = {body(critique): critique for critique in critiques if not is_invented(critique)}
    fresh = {text: critique for text, critique in fresh.items() if text and text not in known}
    if fresh:
        known |= dict(zip(fresh, await _score(run, list(fresh.values())), strict=True))
    return [critique if is_invented(critique) else _as(critique, known.get(body(critique))) for critique in critiques]


def _as(critique: Critique, twin: Critique | None) -> Critique:
    """The critique with the scores of one that says the same."""
    if twin is None:
        return critique
    return critique.model_copy(update={"helpfulness": twin.helpfulness, "reward": twin.reward})


async def _score(run: Run, critiques: Sequence[Critique]) -> list[Critique]:
    scores = await helpfulness(run, critiques)
    return [
        critique.model_copy(update={"helpfulness": score, "reward": _finite(score)})
        for critique, score in zip(critiques, scores, strict=True)
    ]


def _finite(score: float | None) -> float | None:
    return score if score is not None and math.isfinite(score) else None
