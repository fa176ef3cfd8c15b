"""End a review: the critique chosen, and the share of quotes that were invented."""

from collections.abc import Sequence

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.critic.format import render
from selfcritic.agent.critic.selection import chosen
from selfcritic.agent.run import Run
from selfcritic.agent.schemas import Comment, Critique
from selfcritic.agent.state import State


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
