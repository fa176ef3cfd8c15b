"""Score critiques with the run's scorer, each distinct critique once."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any, SupportsFloat

from selfcritic.agent.concurrency import call_async
from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.critic.selection import is_usable
from selfcritic.agent.errors import ScorerError, SelfcriticError
from selfcritic.agent.protocols import Scores
from selfcritic.agent.schemas import Critique
from selfcritic.agent.scoring.helpfulness import (
    EarlyVerdicts,
    Verdicts,
    comparable_scores,
    emit_score,
    helpfulness,
)
from selfcritic.agent.scoring.registry import AnyScorer, get_scorer, scorer_name, scorer_weights
from selfcritic.agent.step import Step


async def score_critiques(
    step: Step, critiques: Sequence[Critique], early: EarlyVerdicts | None = None
) -> tuple[list[Critique], SelfcriticError | None]:
    """Add rewards to critiques.

    Returns the critiques, and the first error if some could not be scored.

    Earlier scores are kept, and equal critiques share theirs. A critique without a located comment is not scored, so it
    is never selected; with `allow_ungrounded`, one that quotes nothing is.
    """
    scored = {
        critique_text(critique): critique for critique in critiques if critique.reward is not None
    }
    unscored: dict[str, Critique] = {}
    for critique in critiques:
        text = critique_text(critique)
        if text and text not in scored and _may_be_scored(step, critique):
            unscored.setdefault(text, critique)

    error = None
    if unscored:
        new_scores, error = await _score(
            step, list(unscored.values()), list(scored.values()), early
        )
        scored |= zip(unscored, new_scores, strict=True)
    return [_copy_scores(step, critique, scored) for critique in critiques], error


def asks_judge(step: Step, critique: Critique) -> bool:
    """Return whether the judge is asked about a critique that has no score."""
    is_scorer = "helpfulness" in scorer_weights(step.context)
    return is_scorer and bool(critique_text(critique)) and _may_be_scored(step, critique)


def _may_be_scored(step: Step, critique: Critique) -> bool:
    return is_usable(critique, allow_ungrounded=step.context.allow_ungrounded)


def _copy_scores(step: Step, critique: Critique, scored: Mapping[str, Critique]) -> Critique:
    equal = scored.get(critique_text(critique))
    if equal is None or not _may_be_scored(step, critique):
        return critique
    fields = ("helpfulness", "reward", "judged_by", "votes", "votes_read")
    return critique.model_copy(update={name: getattr(equal, name) for name in fields})


async def _score(
    step: Step,
    critiques: Sequence[Critique],
    earlier: Sequence[Critique],
    early: EarlyVerdicts | None,
) -> tuple[list[Critique], SelfcriticError | None]:
    """Run all scorers concurrently and return weighted sums."""
    weights = scorer_weights(step.context)
    scorers = [scorer for scorer in weights if scorer != "helpfulness"]
    judging = _judge(step, critiques, early, is_scorer="helpfulness" in weights)
    among = step.round.critiques if early is None else early.critiques
    scoring = asyncio.gather(*(_run_scorer(step, scorer, critiques, among) for scorer in scorers))
    (verdicts, first_error), results = await asyncio.gather(judging, scoring)
    columns: dict[AnyScorer, Scores] = {"helpfulness": comparable_scores(verdicts, earlier)}
    for scorer, (scores, error) in zip(scorers, results, strict=True):
        columns[scorer] = scores
        first_error = first_error or error

    scored = []
    for index, critique in enumerate(critiques):
        row = [columns[scorer][index] for scorer in weights]
        update: dict[str, Any] = {"reward": _weighted_sum(row, list(weights.values()))}
        verdict = verdicts[index]
        if verdict is not None:
            update["helpfulness"] = verdict.probability
            update["judged_by"] = verdict.judged_by
            update["votes"] = verdict.votes
            update["votes_read"] = verdict.votes_read
        scored.append(critique.model_copy(update=update))
    return scored, first_error


async def _judge(
    step: Step, critiques: Sequence[Critique], early: EarlyVerdicts | None, *, is_scorer: bool
) -> tuple[Verdicts, SelfcriticError | None]:
    if not is_scorer:
        return [None] * len(critiques), None
    return await helpfulness(step, critiques, early)


async def _run_scorer(
    step: Step,
    scorer: AnyScorer,
    critiques: Sequence[Critique],
    among: Sequence[Critique],
) -> tuple[Scores, SelfcriticError | None]:
    """Return a score for each critique, or no scores and the error."""
    name = scorer_name(scorer)
    no_scores = [None] * len(critiques)
    try:
        function = get_scorer(step, scorer)
        results = await call_async(function, step.state["question"], step.round.answer, critiques)
        scores = _read_scores(results, len(critiques))
    except SelfcriticError as error:
        return no_scores, error
    except Exception as error:  # noqa: BLE001 - a custom scorer can raise anything
        return no_scores, ScorerError(
            f"The scorer '{name}' failed ({type(error).__name__}: {error}). Fix it, or set another `scorer`."
        )
    for critique, score in zip(critiques, scores, strict=True):
        emit_score(step, critique, among, by=name, score=score)
    return scores, None


def _read_scores(results: Sequence[Any], count: int) -> list[float | None]:
    """Return a number for each critique, None for one that is rejected."""
    if len(results) != count:
        raise ValueError(f"it returned {len(results)} scores for {count} critiques")
    scores: list[float | None] = []
    for result in results:
        if result is None:
            scores.append(None)
        elif isinstance(result, SupportsFloat):
            score = float(result)
            scores.append(score if math.isfinite(score) else None)
        else:
            raise TypeError(
                f"it returned {result!r:.80}; return a number, or None to reject the critique"
            )
    return scores


def _weighted_sum(scores: Scores, weights: Sequence[float]) -> float | None:
    """Return the weighted sum, or None.

    It is None if a score is missing or the sum is not finite.
    """
    products: list[float] = []
    for score, weight in zip(scores, weights, strict=True):
        if score is None:
            return None
        products.append(weight * score)
    total = sum(products)
    if not math.isfinite(total):
        return None
    return total
