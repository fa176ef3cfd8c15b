"""Critiques given their rewards by the scorer that a run names: each distinct critique of a draft is scored once."""

import asyncio
import math
from collections.abc import Mapping, Sequence

from selfcritic.agent.concurrency import call_async
from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.critic.selection import is_ungrounded
from selfcritic.agent.errors import ModelError, SelfcriticError
from selfcritic.agent.protocols import ScorerFunction, Scores
from selfcritic.agent.schemas import Critique
from selfcritic.agent.scoring.evidence import evidence
from selfcritic.agent.scoring.helpfulness import helpfulness
from selfcritic.agent.scoring.reward_model import reward_model
from selfcritic.agent.scoring.reward_server import RewardServer
from selfcritic.agent.step import Step


async def score_critiques(run: Step, critiques: Sequence[Critique]) -> list[Critique]:
    """The critiques with their rewards; what was scored before, or says the same as one that was, is not scored again.

    A critique of which nothing stands but invented quotes has nothing to score, so it never wins. Where a score cannot
    be had, the reward stays None and `run.failure` says why.
    """
    known = {critique_text(critique): critique for critique in critiques if critique.reward is not None}
    fresh = {critique_text(critique): critique for critique in critiques if not is_ungrounded(critique)}
    fresh = {text: critique for text, critique in fresh.items() if text and text not in known}
    if fresh:
        known |= dict(zip(fresh, await _score(run, list(fresh.values())), strict=True))
    return [
        critique if is_ungrounded(critique) else _as(critique, known.get(critique_text(critique)))
        for critique in critiques
    ]


def _as(critique: Critique, twin: Critique | None) -> Critique:
    """The critique with the scores of one that says the same."""
    if twin is None:
        return critique
    return critique.model_copy(update={"helpfulness": twin.helpfulness, "reward": twin.reward})


async def _score(run: Step, critiques: Sequence[Critique]) -> list[Critique]:
    """Ask every scorer of the run at once, and add up what they say by their weights."""
    weights = scorer_weights(run)
    columns = await asyncio.gather(*(_ask(run, name, critiques) for name in weights))
    helpful = next((column for name, column in zip(weights, columns, strict=True) if name == "helpfulness"), None)
    rewards = [_sum(row, list(weights.values())) for row in zip(*columns, strict=True)]
    return [
        critique.model_copy(update={"reward": reward, "helpfulness": helpful[at] if helpful else None})
        for at, (critique, reward) in enumerate(zip(critiques, rewards, strict=True))
    ]


def scorer_weights(run: Step) -> Mapping[str | ScorerFunction, float]:
    """The scorers of a run with their weights; one that stands alone has the weight 1."""
    scorer = run.context.scorer
    return dict(scorer.items()) if isinstance(scorer, dict) else {scorer: 1.0}


async def _ask(run: Step, scorer: str | ScorerFunction, critiques: Sequence[Critique]) -> Scores:
    if scorer == "helpfulness":
        return await helpfulness(run, critiques)
    name = scorer if isinstance(scorer, str) else getattr(scorer, "__name__", type(scorer).__name__)
    try:
        scores = await call_async(_named(run, scorer), run.state["question"], run.draft.answer, critiques)
        if len(scores) != len(critiques):
            raise ValueError(f"{len(critiques)} critiques, {len(scores)} scores")
    except SelfcriticError as failure:
        run.failure = failure
        return [None] * len(critiques)
    except Exception as error:  # noqa: BLE001 - a scorer may be anybody's function; no draft may be lost for it
        run.failure = ModelError(f"The scorer '{name}' failed ({type(error).__name__}: {error}).")
        return [None] * len(critiques)
    for critique, score in zip(critiques, scores, strict=True):
        run.tell("scored", len(run.rounds) - 1, critique=critique_text(critique), by=name, score=score)
    return scores


def _named(run: Step, scorer: str | ScorerFunction) -> ScorerFunction:
    if not isinstance(scorer, str):
        return scorer
    kind, _, rest = scorer.partition(":")
    if kind == "reward":
        return reward_model(rest)
    if kind == "served":
        return RewardServer(rest, run.context.retries, before=lambda: run.reserve("scorer"))
    return evidence


def _sum(row: Scores, weights: Sequence[float]) -> float | None:
    """The weighted sum; None where a part of it is not known or no number."""
    parts = [weight * score for weight, score in zip(weights, row, strict=True) if score is not None]
    total = sum(parts)
    return total if len(parts) == len(row) and math.isfinite(total) else None
