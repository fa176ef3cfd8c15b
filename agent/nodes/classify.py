"""Judge the draft, keep the best one so far, and decide whether to stop."""

import asyncio
from collections.abc import Sequence

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.nodes.critique import sample_critiques
from selfcritic.agent.nodes.review import check_draft
from selfcritic.agent.schemas import Candidate, Critique, Round
from selfcritic.agent.state import State
from selfcritic.agent.step import Step
from selfcritic.agent.stopping import best_round, find_stop_reason

DraftResult = tuple[Round, SelfcriticError | None]
"""A draft, and the error if it could not be checked or judged."""


async def classify(state: State, runtime: Runtime[Context]) -> State:
    """Judge the latest drafts, keep the best, and decide whether to stop."""
    step = Step(state, runtime)
    candidates = step.round.candidates or [step.round]
    checked = await asyncio.gather(*(_check(step, candidate) for candidate in candidates))
    drafts = [draft for draft, _ in checked]
    judging = asyncio.gather(*(_judge(step, draft) for draft in drafts))
    judged, critiques = await asyncio.gather(judging, _speculate(step, drafts[0]))

    best_draft = _best_draft(
        [draft for draft, _ in judged], has_candidates=bool(step.round.candidates)
    )
    rounds = [*step.rounds[:-1], best_draft.model_copy(update={"critiques": critiques})]
    reason = find_stop_reason(rounds, step.context)
    check_error = _first_error(checked)
    is_accepted = reason == "accepted" and check_error is None
    best = len(rounds) - 1 if is_accepted else best_round(rounds)
    judge_error = _first_error(judged)
    return step.update(
        stop=check_error or (reason if reason == "accepted" else judge_error or reason),
        rounds=rounds,
        best_round=best,
        answer=rounds[best].answer,
        p_critiqueable=rounds[best].p_critiqueable,
        search_stop_reason=None,
        error=None,
    )


async def _check(step: Step, candidate: Candidate) -> DraftResult:
    answer = candidate.answer
    findings, error = await check_draft(step, answer)
    draft = Round(
        answer=answer,
        is_truncated=candidate.is_truncated,
        findings=findings,
        is_unchecked=error is not None,
    )
    return draft, error


async def _judge(step: Step, draft: Round) -> DraftResult:
    """Add the verdict to a draft, or return it unchanged with the error."""
    prompt = step.render_prompt("classify", answer=draft.answer)
    try:
        verdict = await step.sampler("judge").probability(prompt, step.context.num_votes)
    except SelfcriticError as error:
        return draft, error
    step.emit(
        "judged",
        answer=draft.answer,
        p_critiqueable=verdict.probability,
        by=verdict.judged_by,
        votes=verdict.votes,
        votes_read=verdict.votes_read,
    )
    update = {
        "p_critiqueable": verdict.probability,
        "judged_by": verdict.judged_by,
        "votes": verdict.votes,
        "votes_read": verdict.votes_read,
    }
    return draft.model_copy(update=update), None


async def _speculate(step: Step, draft: Round) -> list[Critique]:
    """Sample critiques during judging, if the options allow it."""
    context = step.context
    is_last_round = len(step.rounds) > context.max_rounds
    uses_critiques = context.refinement == "conditional" and context.search == "rejection"
    if not context.speculative or not uses_critiques or is_last_round or step.round.candidates:
        return []
    try:
        return await sample_critiques(step, draft)
    except SelfcriticError:
        return []  # if the run continues, the critique node samples again


def _best_draft(drafts: Sequence[Round], *, has_candidates: bool) -> Round:
    """Return the best draft, with all drafts as candidates if there are several."""
    best = drafts[best_round(drafts)]
    if not has_candidates:
        return best
    fields = set(Candidate.model_fields)
    candidates = [Candidate(**draft.model_dump(include=fields)) for draft in drafts]
    return best.model_copy(update={"candidates": candidates})


def _first_error(results: Sequence[DraftResult]) -> SelfcriticError | None:
    return next((error for _, error in results if error is not None), None)
