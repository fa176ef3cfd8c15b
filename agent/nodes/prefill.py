"""Fill a review in for a person: with what the checkers found and the comments of the selected critique."""

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.critic.selection import chosen
from selfcritic.agent.decision import labels_for
from selfcritic.agent.nodes.report import invented_share
from selfcritic.agent.run import Run
from selfcritic.agent.schemas import Critique, StopReason
from selfcritic.agent.state import State

_PROBLEMS: dict[StopReason, str] = {
    "budget": "The budget is spent: what was found until then is shown.",
    "no_helpful_critique": "No critique is both helpful enough and about words that stand in the answer. "
    "Search again to see the best whatever P(helpful) it has, or add comments of your own.",
}


async def prefill(state: State, runtime: Runtime[Context]) -> State:
    """Set the labels; a search that failed is told as the problem and ends nothing."""
    run = Run(state, runtime)
    pool = run.draft.critiques
    critique = chosen_of(state)
    comments = [*run.draft.findings, *(critique.comments if critique else [])]
    stop = state.get("stop_reason") or state.get("cut_short")
    return run.update(
        labels=labels_for(comments, state["labels"]),
        problem=state.get("error") or (_PROBLEMS.get(stop) if stop else None),
        invented_share=invented_share(pool),
        stop_reason=None,
        cut_short=None,
        error=None,
    )


def chosen_of(state: State) -> Critique | None:
    """What was selected for the draft under review."""
    return chosen(state["rounds"][0].critiques)
