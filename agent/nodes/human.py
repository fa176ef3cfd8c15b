"""Show a review to a person and carry out their decision.

graphs/human_review.py documents the JSON that is shown and accepted.
"""

from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt
from pydantic import ValidationError

from selfcritic.agent.context import Context
from selfcritic.agent.critic.selection import selected_critique
from selfcritic.agent.errors import InputError, format_validation_error
from selfcritic.agent.nodes.human_actions import (
    Decision,
    apply_actions,
    build_critique,
    merge_labels,
    read_decision,
)
from selfcritic.agent.nodes.review import ungrounded_rate
from selfcritic.agent.schemas import Critique, Round, StopReason
from selfcritic.agent.state import State
from selfcritic.agent.step import Step

_DECISION_SCHEMA = Decision.model_json_schema()
_SEARCH_ERRORS: dict[StopReason, str] = {
    "budget": "The budget is spent. The critiques sampled so far are shown.",
    "step_limit": "LangGraph's `recursion_limit` ended the search. The critiques sampled so far are shown.",
    "no_helpful_critique": "No critique is helpful enough and quotes the answer. "
    "Search again to see the best one regardless of P(helpful), or add your own comments.",
}


async def prepare_review(state: State, runtime: Runtime[Context]) -> State:
    """Label the comments; a failed search is shown but does not end the review."""
    step = Step(state, runtime)
    pool = step.round.critiques
    critique = selected_critique(pool)
    comments = list(step.round.findings)
    if critique is not None:
        comments += critique.comments
    return step.update(
        labels=merge_labels(comments, state["labels"]),
        review_error=state.get("error") or _search_error(state),
        ungrounded_rate=ungrounded_rate(pool),
        stop_reason=None,
        search_stop_reason=None,
        error=None,
    )


def _search_error(state: State) -> str | None:
    reason = state.get("stop_reason") or state.get("search_stop_reason")
    return _SEARCH_ERRORS.get(reason) if reason is not None else None


async def await_decision(state: State, runtime: Runtime[Context]) -> State:
    """Interrupt with the review, then carry out the decision.

    An invalid decision changes nothing. LangGraph runs this node twice, to interrupt and to resume, so it must not call
    a model.
    """
    step = Step(state, runtime)
    reply = interrupt(_review_shown(step), response_schema=_DECISION_SCHEMA)
    try:
        decision = read_decision(reply)
        labels = apply_actions(decision.actions, state["labels"], step.round.answer)
        critique = build_critique(labels, selected_critique(step.round.critiques))
        _check_decision(decision, critique, step.context)
    except ValidationError as error:
        return step.update(decision="continue", review_error=_explain(error))
    except InputError as error:
        return step.update(decision="continue", review_error=f"Nothing was changed: {error}")

    changes: dict[str, Any] = {"labels": labels, "decision": decision.next, "review_error": None}
    if decision.next == "search_again":
        changes["length_modifier"] = decision.length_modifier
        changes["rounds"] = [with_human_critique(step.round, None)]
    elif decision.next == "refine":
        changes["critique"] = critique
    elif decision.next == "accept":
        changes["critique"] = critique
        changes["rounds"] = [with_human_critique(step.round, critique)]
    stop: StopReason | None = "reviewed" if decision.next == "accept" else None
    return step.update(stop=stop, **changes)


def _check_decision(decision: Decision, critique: Critique | None, context: Context) -> None:
    if decision.next == "refine" and critique is None:
        raise InputError("There is no comment to refine by: add one, or accept.")
    if decision.next == "search_again" and not context.has_critic:
        raise InputError('There is no critic to search with: the run has critic="none".')


def with_human_critique(draft: Round, critique: Critique | None) -> Round:
    """Select the person's critique in a draft, and add it if it is new.

    None deselects all critiques.
    """
    pool = [entry.model_copy(update={"selected": entry == critique}) for entry in draft.critiques]
    if critique is not None and critique not in draft.critiques:
        pool.append(critique)
    return draft.model_copy(update={"critiques": pool})


def _review_shown(step: Step) -> dict[str, Any]:
    state = step.state
    critique = selected_critique(step.round.critiques)
    scores = {"helpfulness", "reward", "unparsed"}
    length_modifier = state["length_modifier"]
    if length_modifier is None:
        length_modifier = step.context.length_modifier
    return {
        "question": state["question"],
        "context": state.get("context", ""),
        "answer": step.round.answer,
        "comments": [label.model_dump(mode="json") for label in state["labels"]],
        "critique": critique.model_dump(mode="json", include=scores) if critique else None,
        "length_modifier": length_modifier,
        "critiques_drawn": len(step.round.critiques),
        "ungrounded_rate": state["ungrounded_rate"],
        "error": state["review_error"],
    }


def _explain(error: ValidationError) -> str:
    """Describe the errors in a reply without quoting it."""
    reasons = format_validation_error(error, root="the reply", limit=5)
    return f"Nothing was changed: the reply is not a decision ({reasons})."
