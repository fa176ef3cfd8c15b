"""Wait for a person's decision on a review. What is shown and what is taken is told in graphs/human_review.py."""

from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt
from pydantic import ValidationError

from selfcritic.agent.context import Context
from selfcritic.agent.critic.selection import selected_critique
from selfcritic.agent.errors import InputError, format_validation_error
from selfcritic.agent.nodes.human_actions import Decision, apply_actions, build_critique, merge_labels, read_decision
from selfcritic.agent.nodes.review import ungrounded_rate
from selfcritic.agent.schemas import Critique, Round, StopReason
from selfcritic.agent.state import State
from selfcritic.agent.step import Step

_SCHEMA = Decision.model_json_schema()


async def await_decision(state: State, runtime: Runtime[Context]) -> State:
    """Carry a decision out; one that cannot be used changes nothing and is asked for again.

    LangGraph runs this node once to ask and once more with the reply, so nothing here is paid for.
    """
    run = Step(state, runtime)
    reply = interrupt(_shown(run), response_schema=_SCHEMA)
    try:
        decision = read_decision(reply)
        labels = apply_actions(decision.actions, state["labels"], run.draft.answer)
        critique = build_critique(labels, chosen_of(state))
        if decision.next == "refine" and critique is None:
            raise InputError("There is no comment left to mend the answer by: add one, or accept.")
        if decision.next == "search_again" and not run.context.has_critic:
            raise InputError('There is no critic to search with: the run was given critic="none".')
    except ValidationError as error:
        return run.update(decision="continue", review_error=_explain(error))
    except InputError as error:
        return run.update(decision="continue", review_error=f"Nothing was changed: {error}")
    then = decision.next
    changes: dict[str, Any] = {"labels": labels, "decision": then, "review_error": None}
    if then == "search_again":
        changes |= {"length_modifier": decision.length_modifier, "rounds": [with_human_critique(run.draft, None)]}
    if then in ("accept", "refine"):
        changes["critique"] = critique
    if then == "accept":
        changes["rounds"] = [with_human_critique(run.draft, critique)]
    return run.update(stop="reviewed" if then == "accept" else None, **changes)


def with_human_critique(draft: Round, critique: Critique | None) -> Round:
    """The draft with the person's critique as the selected one, behind those that it was made of; None selects none."""
    pool = [one.model_copy(update={"selected": one == critique}) for one in draft.critiques]
    own = [critique] if critique is not None and critique not in draft.critiques else []
    return draft.model_copy(update={"critiques": pool + own})


def _shown(run: Step) -> dict[str, Any]:
    state, selected_critique, asked = run.state, chosen_of(run.state), run.state["length_modifier"]
    return {
        "question": state["question"],
        "context": state.get("context", ""),
        "answer": run.draft.answer,
        "comments": [label.model_dump(mode="json") for label in state["labels"]],
        "critique": selected_critique.model_dump(mode="json", include={"helpfulness", "reward", "unparsed"})
        if selected_critique
        else None,
        "length_modifier": run.context.length_modifier if asked is None else asked,
        "critiques_drawn": len(run.draft.critiques),
        "ungrounded_rate": state["ungrounded_rate"],
        "error": state["review_error"],
    }


def _explain(error: ValidationError) -> str:
    """Where the reply is wrong and how, without what it held."""
    reasons = format_validation_error(error, root="the reply", limit=5)
    return f"Nothing was changed, for the reply is no decision: {reasons}."


_PROBLEMS: dict[StopReason, str] = {
    "budget": "The budget is spent: what was found until then is shown.",
    "no_helpful_critique": "No critique is both helpful enough and about words that stand in the answer. "
    "Search again to see the best whatever P(helpful) it has, or add comments of your own.",
}


async def prepare_review(state: State, runtime: Runtime[Context]) -> State:
    """Set the labels; a search that failed is told as the problem and ends nothing."""
    run = Step(state, runtime)
    pool = run.draft.critiques
    critique = chosen_of(state)
    comments = [*run.draft.findings, *(critique.comments if critique else [])]
    stop = state.get("stop_reason") or state.get("search_stop_reason")
    return run.update(
        labels=merge_labels(comments, state["labels"]),
        review_error=state.get("error") or (_PROBLEMS.get(stop) if stop else None),
        ungrounded_rate=ungrounded_rate(pool),
        stop_reason=None,
        search_stop_reason=None,
        error=None,
    )


def chosen_of(state: State) -> Critique | None:
    """What was selected for the draft under review."""
    return selected_critique(state["rounds"][0].critiques)
