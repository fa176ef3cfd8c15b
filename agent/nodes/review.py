"""Open a review: its one round holds the answer that was handed in."""

import asyncio
from collections.abc import Sequence
from typing import cast

from langgraph.runtime import Runtime

from selfcritic.agent.checkers.registry import checkers_named, findings_of
from selfcritic.agent.context import Context, Part
from selfcritic.agent.critic.format import render
from selfcritic.agent.critic.selection import chosen
from selfcritic.agent.errors import InputError, SelfcriticError
from selfcritic.agent.nodes.validation import check_models, check_prices, check_size
from selfcritic.agent.schemas import Comment, Critique, Draft
from selfcritic.agent.state import State
from selfcritic.agent.step import Run

_PARTS: tuple[Part, ...] = ("critic", "judge")


async def receive(state: State, runtime: Runtime[Context]) -> State:
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
    run = Run(cast(State, {"question": question, "context": material}), runtime)
    run.tell("draft", 0, answer=answer)
    return run.update(
        question=question,
        context=material,
        rounds=[Draft(answer=answer)],
        beams=[],
        critique=None,
        invented_share=None,
        stop_reason=None,
        cut_short=None,
        error=None,
    )


async def examine(state: State, runtime: Runtime[Context]) -> State:
    """Keep what the checkers find with the draft; a review ends where one of them fails."""
    run = Run(state, runtime)
    findings = await found_in(run, run.draft.answer)
    return run.update(stop=run.failure, rounds=run.with_draft(run.draft.model_copy(update={"findings": findings})))


async def found_in(run: Run, answer: str) -> list[Comment]:
    """The findings; none where a checker failed, and `run.failure` says so."""
    try:
        findings = await findings_of(checkers_named(run.context.checkers), run.state["question"], answer)
    except SelfcriticError as failure:
        run.failure = failure
        return []
    for finding in findings:
        run.tell("found", len(run.rounds) - 1, finding=finding.model_dump(mode="json"))
    return findings


async def report(state: State, runtime: Runtime[Context]) -> State:
    """Say what the review comes to."""
    run = Run(state, runtime)
    pool = run.draft.critiques if runtime.context.has_critic else _evidence(run.draft.findings)
    reason = state.get("stop_reason") or state.get("cut_short") or ("reviewed" if pool else "no_helpful_critique")
    if state.get("stop_reason") is None:
        run.tell("stopped", 0, reason=reason)
    return run.update(
        rounds=run.with_draft(run.draft.model_copy(update={"critiques": pool})),
        critique=chosen(pool),
        invented_share=invented_share(pool),
        stop_reason=reason,
    )


def _evidence(findings: list[Comment]) -> list[Critique]:
    """Where no model criticises, what the checkers found is the one critique."""
    return [Critique(text=render(findings), comments=findings, selected=True)] if findings else []


def invented_share(pool: Sequence[Critique]) -> float | None:
    """Of all quotes, the share that does not stand in the answer; None where there are none."""
    invented = sum(len(critique.invented) for critique in pool)
    located = sum(len(critique.comments) for critique in pool)
    return invented / (invented + located) if invented + located else None
