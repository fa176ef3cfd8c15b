"""Let a person review an answer, starting from the critic's comments.

    load_answer → check_answer → critique → select → prepare_review → await_decision ─accept→ END
                                    ↑          ↑                        │  │  └──refine→ refine → END
                                    └──────────┴─────search_again───────┘  └continue→ await_decision

With `search="fsbs"`, the search replaces *critique*. With `critic="none"`, the review has only the checkers' findings.

The paper's contractors got a review pre-filled with the critic's comments, which they kept, removed, edited or added to
(McAleese et al. 2024). Here the graph stops at *await_decision* with LangGraph's `interrupt` and shows this JSON:

    {"question": "…", "context": "", "answer": "…",
     "comments": [{"id": 1, "action": "kept", "explicit": false,
                   "before": {"quote": "…", "text": "…", "severity": "high", "start": 10, "end": 14, …},
                   "after": {…}}, …],
     "critique": {"helpfulness": 0.9, "reward": 0.9, "unparsed": ""},   the selected one, or null
     "length_modifier": 0.0, "critiques_drawn": 8, "ungrounded_rate": 0.0,
     "error": null}                                    what went wrong in the search, the refinement or the last reply

It resumes with a decision: in Studio this JSON in the resume box, in Python `Command(resume={…})`:

    {"actions": [{"type": "keep", "id": 1},
                 {"type": "remove", "id": 2},
                 {"type": "edit", "id": 3, "text": "…", "severity": "low", "quote": "…"},       only what changes
                 {"type": "add", "quote": "words of the answer", "text": "…", "severity": "high", "start": 120}],
     "next": "accept"}     or "refine", "continue" (see the review again), "search_again" (with "length_modifier": 0.2)

`actions`, `severity` and `start` (which of several occurrences) are optional. Comments you do not mention are kept. An
invalid reply changes nothing: the graph stops again, and `error` explains why. A failed search or refinement is
reported the same way. If there are scored critiques, `search_again` selects another one by score + length_modifier ×
comments, without new model calls. Comments that a person has acted on stay; the others are replaced.

With a persistent checkpointer, a review survives a restart. If `aget_state(thread).interrupts` is not empty, the
review waits for a reply; otherwise `ainvoke(None, thread)` continues it until `stop_reason` is set.

The output's `labels` record the person's changes. `append_review` writes them to a JSONL file.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack, cast

from langchain_core.runnables.config import ensure_config
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from pydantic import TypeAdapter

from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError
from selfcritic.agent.nodes.critique import critique
from selfcritic.agent.nodes.human import await_decision, prepare_review, with_human_critique
from selfcritic.agent.nodes.refine import refine
from selfcritic.agent.nodes.review import check_answer, load_answer
from selfcritic.agent.nodes.select import select
from selfcritic.agent.nodes.validation import check_prices
from selfcritic.agent.options import Options, to_context
from selfcritic.agent.state import HumanReviewOutput, ReviewInput, State
from selfcritic.graphs.fsbs import create_search_node
from selfcritic.graphs.inline import InlineRoute
from selfcritic.graphs.runtime import Node, add_nodes, resolve_context, unless_stopped

_OUTPUT = TypeAdapter(HumanReviewOutput)
_WRITTEN_KEYS = ("question", "context", "answer", "critique", "labels", "decision")
_FINAL_REASONS = ("repeated_answer", "reviewed")


def create_human_review(
    *, nodes: Mapping[str, Node] | None = None, **options: Unpack[Options]
) -> StateGraph[State, Context, ReviewInput, HumanReviewOutput]:
    """Create the human review graph; it needs a checkpointer.

    Args:
        nodes: Functions that replace the graph's nodes, by name.
        options: Fields of `Context`, as defaults; `helpful_threshold` is 0 here. Pass a run's `context` again each
            time you resume, since LangGraph does not save it.
    """
    review_options: Options = {"helpful_threshold": 0.0, **options}
    defaults = to_context(review_options)
    builder = StateGraph(
        State, context_schema=Context, input_schema=ReviewInput, output_schema=HumanReviewOutput
    )
    add_nodes(
        builder,
        defaults,
        nodes,
        load_answer=_load_answer,
        check_answer=check_answer,
        critique=critique,
        select=_select,
        prepare_review=prepare_review,
        await_decision=await_decision,
        refine=_refine,
    )
    builder.add_node("fsbs", create_search_node(**review_options))

    _add_edges(builder, defaults)
    return builder


def _add_edges(
    builder: StateGraph[State, Context, ReviewInput, HumanReviewOutput], defaults: Context
) -> None:
    def search_node() -> str:
        context = resolve_context(defaults)
        if not context.has_critic:
            return "prepare_review"
        return "fsbs" if context.search == "fsbs" else "critique"

    def after_check_answer(state: State) -> str:
        return search_node() if state["stop_reason"] is None else "prepare_review"

    def after_decision(state: State) -> str:
        decision = state.get("decision")
        if decision == "accept" or state.get("stop_reason") is not None:
            return END
        if decision == "refine":
            return "refine"
        if decision == "search_again":
            has_critiques = bool(state["rounds"][0].critiques)
            return "select" if has_critiques else search_node()
        return "await_decision"

    after_critique = unless_stopped("select", otherwise="prepare_review")
    decisions = ["await_decision", "select", "critique", "fsbs", "refine", END]

    builder.add_edge(START, "load_answer")
    builder.add_edge("load_answer", "check_answer")
    builder.add_conditional_edges(
        "check_answer", InlineRoute(after_check_answer), ["critique", "fsbs", "prepare_review"]
    )
    builder.add_conditional_edges("critique", after_critique, ["select", "prepare_review"])
    builder.add_edge("fsbs", "select")
    builder.add_edge("select", "prepare_review")
    builder.add_edge("prepare_review", "await_decision")
    builder.add_conditional_edges("await_decision", InlineRoute(after_decision), decisions)
    builder.add_conditional_edges(
        "refine", unless_stopped("await_decision"), ["await_decision", END]
    )


async def _load_answer(state: State, runtime: Runtime[Context]) -> State:
    """Load the answer; raise InputError if the review could not be resumed."""
    if "thread_id" not in ensure_config().get("configurable", {}):
        raise InputError(
            "`thread_id` is required, since a human review waits for a person: compile with a checkpointer and pass "
            "config={'configurable': {'thread_id': …}}."
        )
    if runtime.context.budget.cost_usd is not None:
        await asyncio.to_thread(check_prices, runtime.context, ["refiner"])
    update = await load_answer(state, runtime)
    return cast(
        State,
        {**update, "labels": [], "decision": None, "length_modifier": None, "review_error": None},
    )


async def _select(state: State, runtime: Runtime[Context]) -> State:
    """Select with the person's length modifier, ignoring `helpful_threshold`."""
    modifier = state["length_modifier"]
    if modifier is not None:
        runtime = _with_options(runtime, length_modifier=modifier, helpful_threshold=0.0)
    return await select(state, runtime)


async def _refine(state: State, runtime: Runtime[Context]) -> State:
    """Refine with the person's critique; on failure, reopen the review."""
    with_critique = {
        **state,
        "rounds": [with_human_critique(state["rounds"][0], state["critique"])],
    }
    update = await refine(
        cast(State, with_critique), _with_options(runtime, refinement="conditional")
    )
    stop_reason = update.get("stop_reason") or "reviewed"
    if stop_reason in _FINAL_REASONS:
        return cast(
            State, {**update, "stop_reason": stop_reason, "answer": update["rounds"][-1].answer}
        )
    review_error = update.get("error") or "The budget is spent: the answer was not refined."
    reopened = {
        **update,
        "rounds": state["rounds"],
        "stop_reason": None,
        "error": None,
        "review_error": review_error,
    }
    return cast(State, reopened)


def _with_options(runtime: Runtime[Context], **options: Any) -> Runtime[Context]:
    return runtime.override(context=runtime.context.model_copy(update=options))


def append_review(path: str | Path, output: Mapping[str, Any]) -> None:
    """Append a finished review to a JSONL file.

    The line has the reviewed answer and all labels.

    Raises:
        InputError: The review is not finished.
    """
    if output.get("stop_reason") not in _FINAL_REASONS:
        raise InputError(
            'The review is not finished: resume it with "next": "accept" or "next": "refine".'
        )
    record = _OUTPUT.dump_python(cast(HumanReviewOutput, output), mode="json")
    record["answer"] = record["rounds"][0]["answer"]
    line = json.dumps({key: record[key] for key in _WRITTEN_KEYS})
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


graph = create_human_review().compile(name="human_review")
