"""Score the critiques of a draft with the run's scorers, each distinct one once."""

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
    """Return the critiques with their rewards.

    Critiques with equal text share one score; those with a reward are not scored again. A critique with only ungrounded
    quotes is not scored, so it is never selected. After an error, rewards are None and `run.failure` is set.
    """
    scored = {critique_text(critique): critique for critique in critiques if critique.reward is not None}
    unscored: dict[str, Critique] = {}
    for critique in critiques:
        text = critique_text(critique)
        if text and text not in scored and not is_ungrounded(critique):
            unscored[text] = critique
    if unscored:
        newly_scored = await _score(run, list(unscored.values()))
        scored.update(zip(unscored, newly_scored, strict=True))
    return [_copy_scores(critique, scored) for critique in critiques]


def _copy_scores(critique: Critique, scored: Mapping[str, Critique]) -> Critique:
    """Return a critique with the scores of the one with the same text."""
    source = scored.get(critique_text(critique))
    if source is None or is_ungrounded(critique):
        return critique
    return critique.model_copy(update={"helpfulness": source.helpfulness, "reward": source.reward})


async def _score(run: Step, critiques: Sequence[Critique]) -> list[Critique]:
    """Run all scorers concurrently and sum their weighted scores."""
    weights = scorer_weights(run)
    columns = await asyncio.gather(*(_run_scorer(run, scorer, critiques) for scorer in weights))
    scores_by_scorer = dict(zip(weights, columns, strict=True))
    helpfulness_scores = scores_by_scorer.get("helpfulness", [None] * len(critiques))
    scored = []
    for critique, row, helpful in zip(critiques, zip(*columns, strict=True), helpfulness_scores, strict=True):
        reward = _weighted_sum(row, list(weights.values()))
        scored.append(critique.model_copy(update={"reward": reward, "helpfulness": helpful}))
    return scored


def scorer_weights(run: Step) -> Mapping[str | ScorerFunction, float]:
    """Return the weight of each scorer; a single scorer has weight 1."""
    scorer = run.context.scorer
    if isinstance(scorer, dict):
        return dict(scorer.items())
    return {scorer: 1.0}


async def _run_scorer(run: Step, scorer: str | ScorerFunction, critiques: Sequence[Critique]) -> Scores:
    if scorer == "helpfulness":
        return await helpfulness(run, critiques)
    name = scorer if isinstance(scorer, str) else getattr(scorer, "__name__", type(scorer).__name__)
    try:
        scores = await call_async(_get_scorer(run, scorer), run.state["question"], run.draft.answer, critiques)
        if len(scores) != len(critiques):
            raise ValueError(f"{len(critiques)} critiques, {len(scores)} scores")
    except SelfcriticError as failure:
        run.failure = failure
        return [None] * len(critiques)
    except Exception as error:  # noqa: BLE001 - custom scorers raise anything; the draft must survive
        run.failure = ModelError(f"The scorer '{name}' failed ({type(error).__name__}: {error}).")
        return [None] * len(critiques)
    for critique, score in zip(critiques, scores, strict=True):
        run.tell("scored", len(run.rounds) - 1, critique=critique_text(critique), by=name, score=score)
    return scores


def _get_scorer(run: Step, scorer: str | ScorerFunction) -> ScorerFunction:
    if not isinstance(scorer, str):
        return scorer
    kind, _, argument = scorer.partition(":")
    if kind == "reward":
        return reward_model(argument)
    if kind == "served":
        return RewardServer(argument, run.context.retries, before_request=lambda: run.reserve("scorer"))
    return evidence


def _weighted_sum(scores: Scores, weights: Sequence[float]) -> float | None:
    """Return the weighted sum; None if any score is missing or the sum is not finite."""
    products: list[float] = []
    for score, weight in zip(scores, weights, strict=True):
        if score is None:
            return None
        products.append(weight * score)
    total = sum(products)
    return total if math.isfinite(total) else None
