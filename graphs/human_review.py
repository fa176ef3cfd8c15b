"""A review by a person beside the critic: what the critic says is filled in, and the person has the last word.

    receive → examine → critique → select → prefill → decide ─accept─→ END
                           ↑          ↑              │  │  └──refine─→ refine → END
                           └──────────┴─search again─┘  └ask→ decide

With search="fsbs" the search stands in the place of *critique*; with critic="none" there is what the checkers know.

The paper's contractors were given a box pre-filled with the critic's comments, which they kept, removed, edited or
added to (McAleese et al. 2024, 2.3). Here the graph stops at *decide* with LangGraph's `interrupt` and shows, as JSON:

    {"question": "…", "context": "", "answer": "…",
     "comments": [{"id": 1, "action": "kept", "explicit": false,
                   "before": {"quote": "…", "text": "…", "severity": "high", "start": 10, "end": 14, …},
                   "after": {…}}, …],
     "critique": {"helpfulness": 0.9, "reward": 0.9, "unparsed": ""},   the one chosen, null where none was
     "length_modifier": 0.0, "critiques_drawn": 8, "ungrounded_rate": 0.0,
     "error": null}                                    what went wrong with the search, the mend or the last reply

It goes on with a decision: in Studio the JSON below in the resume box, in Python `Command(resume={…})` with the same:

    {"actions": [{"type": "keep", "id": 1},
                 {"type": "remove", "id": 2},
                 {"type": "edit", "id": 3, "text": "…", "severity": "low", "quote": "…"},    what is to be another
                 {"type": "add", "quote": "words of the answer", "text": "…", "severity": "high", "start": 120}],
     "next": "accept"}      or "refine", or "ask" to see the review again, or "search_again" with "length_modifier": 0.2

`severity` and `start` (which of several occurrences) may be left out, so may `actions`; comments that nothing is said
of are kept. A reply that cannot be used changes nothing: the graph stops again and `error` says what was wrong. So it
does when a search or a mend fails. To search again costs nothing where scored critiques are there: another is chosen
by score + length_modifier × comments. What the person has said of comments stays; the rest is replaced.

A review on a lasting checkpointer outlives its process: what `aget_state(thread).interrupts` shows still waits for a
reply, and else `ainvoke(None, thread)` goes on until `stop_reason` is set.

What they did is in the output as `labels`, and `append_review` writes it to a JSONL file.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

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
from selfcritic.agent.state import HumanReviewOutput, ReviewInput, State
from selfcritic.graphs.fsbs import create_fsbs
from selfcritic.graphs.runtime import Node, add_nodes, on_the_spot, resolve_context

_OUTPUT = TypeAdapter(HumanReviewOutput)
_WRITTEN = ("question", "context", "answer", "critique", "labels", "decision")
_ENDINGS = ("repeated_answer", "reviewed")


def create_human_review(
    *, nodes: Mapping[str, Node] | None = None, **options: Any
) -> StateGraph[State, Context, ReviewInput, HumanReviewOutput]:
    """The graph, to be compiled with a checkpointer and run on a thread.

    `nodes` are functions that take the place of its own, by name. Keywords are the fields of `Context`, with
    `helpful_threshold` 0 by default, as in a review without a person. A run's own `context` is given anew with each
    resumption, for LangGraph does not save it.
    """
    options = {"helpful_threshold": 0.0, **options}
    defaults = Context(**options)
    builder = StateGraph(State, context_schema=Context, input_schema=ReviewInput, output_schema=HumanReviewOutput)
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
    builder.add_node("fsbs", create_fsbs(**options).compile())

    def search() -> str:
        context = resolve_context(defaults)
        if not context.has_critic:
            return "prepare_review"
        return "fsbs" if context.search == "fsbs" else "critique"

    def after_examine(state: State) -> str:
        return search() if state["stop_reason"] is None else "prepare_review"

    def after_decide(state: State) -> str:
        if state["decision"] == "search_again":
            return "select" if state["rounds"][0].critiques else search()
        return {"refine": "refine", "accept": END}.get(state["decision"] or "", "await_decision")

    builder.add_edge(START, "load_answer")
    builder.add_edge("load_answer", "check_answer")
    builder.add_conditional_edges("check_answer", on_the_spot(after_examine), ["critique", "fsbs", "prepare_review"])
    builder.add_conditional_edges("critique", on_the_spot(_after_critique), ["select", "prepare_review"])
    builder.add_edge("fsbs", "select")
    builder.add_edge("select", "prepare_review")
    builder.add_edge("prepare_review", "await_decision")
    after_decision = ["await_decision", "select", "critique", "fsbs", "refine", END]
    builder.add_conditional_edges("await_decision", on_the_spot(after_decide), after_decision)
    builder.add_conditional_edges("refine", on_the_spot(_after_refine), ["await_decision", END])
    return builder


async def _load_answer(state: State, runtime: Runtime[Context]) -> State:
    """Open the review, on a thread only: without one nobody could answer what was paid for."""
    if "thread_id" not in ensure_config().get("configurable", {}):
        raise InputError(
            "A human review waits for a person: compile its graph with a checkpointer and give the run a thread_id."
        )
    if runtime.context.budget.cost_usd is not None:
        await asyncio.to_thread(check_prices, runtime.context, ["refiner"])
    update = await load_answer(state, runtime)
    return cast(State, {**update, "labels": [], "decision": None, "length_modifier": None, "review_error": None})


async def _select(state: State, runtime: Runtime[Context]) -> State:
    """Choose by the length modifier that the person asked for, however helpful; only what has no score is scored."""
    modifier = state["length_modifier"]
    asked = {} if modifier is None else {"length_modifier": modifier, "helpful_threshold": 0.0}
    return await select(state, _with_options(runtime, **asked))


async def _refine(state: State, runtime: Runtime[Context]) -> State:
    """Mend the answer by the person's critique; where that fails the review is as it was, and they are asked again."""
    with_critique = {**state, "rounds": [with_human_critique(state["rounds"][0], state["critique"])]}
    update = await refine(cast(State, with_critique), _with_options(runtime, refinement="conditional"))
    stop = update.get("stop_reason") or "reviewed"
    if stop in _ENDINGS:
        return cast(State, {**update, "stop_reason": stop, "answer": update["rounds"][-1].answer})
    review_error = update.get("error") or "The budget is spent: the answer was not mended."
    return cast(State, {**update, "stop_reason": None, "error": None, "review_error": review_error})


def _with_options(runtime: Runtime[Context], **options: Any) -> Runtime[Context]:
    return runtime.override(context=runtime.context.model_copy(update=options))


def _after_critique(state: State) -> str:
    return "select" if state["stop_reason"] is None else "prepare_review"


def _after_refine(state: State) -> str:
    return "await_decision" if state["stop_reason"] is None else END


def append_review(path: str | Path, output: Mapping[str, Any]) -> None:
    """Add a finished review to a JSONL file as one line: what was reviewed, what was decided, and all labels."""
    if output.get("stop_reason") not in _ENDINGS:
        raise InputError("The review is not finished: resume it with a decision to accept or to refine.")
    whole = _OUTPUT.dump_python(cast(HumanReviewOutput, output), mode="json")
    whole["answer"] = whole["rounds"][0]["answer"]
    line = json.dumps({name: whole[name] for name in _WRITTEN})
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


graph = create_human_review().compile(name="human_review")
