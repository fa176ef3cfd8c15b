"""Open a review: its one round holds the answer that was handed in."""

import asyncio
from collections.abc import Sequence
from typing import cast

from langgraph.runtime import Runtime

from selfcritic.agent.checkers.registry import get_checkers, run_checkers
from selfcritic.agent.context import Context, Role
from selfcritic.agent.critic.format import render
from selfcritic.agent.critic.selection import selected_critique
from selfcritic.agent.errors import InputError, SelfcriticError
from selfcritic.agent.nodes.validation import check_models, check_prices, check_size
from selfcritic.agent.schemas import Comment, Critique, Round
from selfcritic.agent.state import State
from selfcritic.agent.step import Step

_PARTS: tuple[Role, ...] = ("critic", "judge")


async def load_answer(state: State, runtime: Runtime[Context]) -> State:
    """Take the answer as it is, to the last blank: offsets of quotes are offsets into it."""
    context = runtime.context
    question, material, answer = state.get("question", ""), state.get("context", ""), state.get("answer", "")
    if not answer.strip():
        raise InputError("There is nothing to review: give the text as `answer`.")
    check_size(context, question=question, context=material, answer=answer)
    if context.has_critic:
        check_models(context, _PARTS)
    if context.budget.cost_usd is not None and context.has_critic:
        await asyncio.to_thread(check_prices, context, _PARTS)
    run = Step(cast(State, {"question": question, "context": material}), runtime)
    run.tell("draft", 0, answer=answer)
    return run.update(
        question=question,
        context=material,
        rounds=[Round(answer=answer)],
        beam_prefixes=[],
        critique=None,
        ungrounded_rate=None,
        stop_reason=None,
        search_stop_reason=None,
        error=None,
    )


async def check_answer(state: State, runtime: Runtime[Context]) -> State:
    """Keep what the checkers find with the draft; a review ends where one of them fails."""
    run = Step(state, runtime)
    findings = await check_draft(run, run.draft.answer)
    return run.update(stop=run.failure, rounds=run.with_draft(run.draft.model_copy(update={"findings": findings})))


async def check_draft(run: Step, answer: str) -> list[Comment]:
    """The findings; none where a checker failed, and `run.failure` says so."""
    try:
        findings = await run_checkers(get_checkers(run.context.checkers), run.state["question"], answer)
    except SelfcriticError as failure:
        run.failure = failure
        return []
    for finding in findings:
        run.tell("found", len(run.rounds) - 1, finding=finding.model_dump(mode="json"))
    return findings


async def finalize_review(state: State, runtime: Runtime[Context]) -> State:
    """Say what the review comes to."""
    run = Step(state, runtime)
    pool = run.draft.critiques if runtime.context.has_critic else _evidence(run.draft.findings)
    reason = (
        state.get("stop_reason") or state.get("search_stop_reason") or ("reviewed" if pool else "no_helpful_critique")
    )
    if state.get("stop_reason") is None:
        run.tell("stopped", 0, reason=reason)
    return run.update(
        rounds=run.with_draft(run.draft.model_copy(update={"critiques": pool})),
        critique=selected_critique(pool),
        ungrounded_rate=ungrounded_rate(pool),
        stop_reason=reason,
    )


def _evidence(findings: list[Comment]) -> list[Critique]:
    """Where no model criticises, what the checkers found is the one critique."""
    return [Critique(text=render(findings), comments=findings, selected=True)] if findings else []


def ungrounded_rate(pool: Sequence[Critique]) -> float | None:
    """Of all quotes, the share that does not stand in the answer; None where there are none."""
    ungrounded = sum(len(critique.ungrounded) for critique in pool)
    located = sum(len(critique.comments) for critique in pool)
    return ungrounded / (ungrounded + located) if ungrounded + located else None
