"""Judge the draft: P(critiqueable), the best draft so far, and whether the run ends here."""

import asyncio
from collections.abc import Sequence

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.nodes.critique import sample_critiques
from selfcritic.agent.nodes.review import check_draft
from selfcritic.agent.sampling.sampler import YesProbability
from selfcritic.agent.schemas import Candidate, Comment, Critique, Round
from selfcritic.agent.state import State
from selfcritic.agent.step import Step
from selfcritic.agent.stopping import best_round, find_stop_reason


async def classify(state: State, runtime: Runtime[Context]) -> State:
    """Read P(critiqueable) of the round's drafts, keep the lowest, and compare with the rounds before."""
    run = Step(state, runtime)
    candidates = run.draft.candidates or [Candidate(answer=run.draft.answer)]
    answers = [candidate.answer for candidate in candidates]
    findings = await asyncio.gather(*(check_draft(run, answer) for answer in answers))
    unchecked = run.failure
    verdicts, speculated = await asyncio.gather(
        asyncio.gather(*(_judge(run, answer) for answer in answers)), _speculate(run, findings[0])
    )
    judged = _best_candidate(run.draft, answers, findings, verdicts)
    rounds = run.with_draft(judged.model_copy(update={"critiques": speculated}))
    best, reason = best_round(rounds), find_stop_reason(rounds, runtime.context)
    return run.update(
        stop=unchecked or (reason if reason == "accepted" else run.failure or reason),
        rounds=rounds,
        best_round=best,
        answer=rounds[best].answer,
        p_critiqueable=rounds[best].p_critiqueable,
        search_stop_reason=None,
        error=None,
    )


async def _judge(run: Step, answer: str) -> YesProbability | None:
    """None where no verdict could be had; the run ends for it."""
    try:
        verdict = await run.sampler("judge").probability(run.ask("classify", answer=answer), run.context.num_votes)
    except SelfcriticError as failure:
        run.failure = failure
        return None
    run.tell("judged", len(run.rounds) - 1, answer=answer, p_critiqueable=verdict.probability, by=verdict.judged_by)
    return verdict


async def _speculate(run: Step, findings: list[Comment]) -> list[Critique]:
    """Critiques of a draft that is still being judged; none where they could not be used, or failed to come."""
    context = run.context
    is_last = len(run.rounds) > context.max_rounds
    is_wanted = context.speculative and context.refinement == "conditional" and context.search == "rejection"
    if not is_wanted or run.draft.candidates or is_last:
        return []
    try:
        return await sample_critiques(run, run.draft.model_copy(update={"findings": findings}))
    except SelfcriticError:
        return []  # if the run goes on, the next node asks again


def _best_candidate(
    draft: Round, answers: Sequence[str], findings: Sequence[list[Comment]], verdicts: Sequence[YesProbability | None]
) -> Round:
    judged = [
        Round(
            answer=answer,
            p_critiqueable=verdict.probability if verdict else None,
            judged_by=verdict.judged_by if verdict else None,
            findings=found,
        )
        for answer, found, verdict in zip(answers, findings, verdicts, strict=True)
    ]
    all_of_them = [Candidate(answer=one.answer, p_critiqueable=one.p_critiqueable) for one in judged]
    return judged[best_round(judged)].model_copy(update={"candidates": all_of_them if draft.candidates else []})
