"""Review an answer: load it, run the checkers, and report the outcome."""

import asyncio
from collections.abc import Sequence

from langgraph.runtime import Runtime

from selfcritic.agent.checkers.registry import get_checkers, run_checkers
from selfcritic.agent.context import Context, Role
from selfcritic.agent.critic.selection import (
    count_ungrounded,
    findings_as_critique,
    selected_critique,
)
from selfcritic.agent.errors import InputError, SelfcriticError
from selfcritic.agent.nodes.validation import (
    check_models,
    check_prices,
    check_size,
    check_steps,
)
from selfcritic.agent.schemas import Comment, Critique, Round, StopReason
from selfcritic.agent.state import State
from selfcritic.agent.step import Step

_ROLES: tuple[Role, ...] = ("critic", "judge")
_MIN_STEPS = 5
"""Steps after the answer is loaded: checkers, search, selection and, in a human review, two more."""


async def load_answer(state: State, runtime: Runtime[Context]) -> State:
    """Start a review; the answer stays unchanged because quote offsets refer to it."""
    check_steps(state, _MIN_STEPS)
    question = state.get("question", "")
    context = state.get("context", "")
    answer = state.get("answer", "")
    if not answer.strip():
        raise InputError("There is nothing to review: set `answer` to the text.")
    options = runtime.context
    check_size(options, question=question, context=context, answer=answer)
    if options.has_critic:
        check_models(options, _ROLES)
        if options.budget.cost_usd is not None:
            await asyncio.to_thread(check_prices, options, _ROLES)
    step = Step({"question": question, "context": context}, runtime)
    step.emit("draft", 0, answer=answer, is_truncated=False)
    return step.update(
        question=question,
        context=context,
        rounds=[Round(answer=answer)],
        beam_prefixes=[],
        critique=None,
        ungrounded_rate=None,
        ungrounded_critiques=0,
        stop_reason=None,
        search_stop_reason=None,
        error=None,
    )


async def check_answer(state: State, runtime: Runtime[Context]) -> State:
    """Save the checkers' findings; the review ends if a checker fails."""
    step = Step(state, runtime)
    findings, error = await check_draft(step, step.round.answer)
    return step.update(stop=error, rounds=step.rounds_with(findings=findings))


async def check_draft(step: Step, answer: str) -> tuple[list[Comment], SelfcriticError | None]:
    """Return the checkers' findings, and the error of checkers that failed."""
    checkers = get_checkers(step.context.checkers)
    findings, error = await run_checkers(checkers, step.state["question"], answer)
    for finding in findings:
        step.emit("found", finding=finding.model_dump(mode="json"))
    return findings, error


async def finalize_review(state: State, runtime: Runtime[Context]) -> State:
    """Report the selected critique and why the review ended."""
    step = Step(state, runtime)
    pool = step.round.critiques
    if not step.context.has_critic:
        findings = step.round.findings
        pool = [findings_as_critique(findings)] if findings else []
    reason = _stop_reason(state, pool)
    if state.get("stop_reason") is None:
        step.emit_stopped(reason, state.get("error"))
    return step.update(
        rounds=step.rounds_with(critiques=pool),
        critique=selected_critique(pool),
        ungrounded_rate=ungrounded_rate(pool),
        ungrounded_critiques=count_ungrounded(pool),
        stop_reason=reason,
    )


def _stop_reason(state: State, pool: Sequence[Critique]) -> StopReason:
    reason = state.get("stop_reason") or state.get("search_stop_reason")
    if reason is not None:
        return reason
    return "reviewed" if pool else "no_helpful_critique"


def ungrounded_rate(pool: Sequence[Critique]) -> float | None:
    """Return the share of quotes that are not in the answer; None without quotes."""
    num_ungrounded = sum(len(critique.ungrounded) for critique in pool)
    num_quotes = num_ungrounded + sum(len(critique.comments) for critique in pool)
    return num_ungrounded / num_quotes if num_quotes else None
