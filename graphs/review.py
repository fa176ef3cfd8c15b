"""The critic alone on an answer that is given, as CriticGPT works (McAleese et al. 2024).

    receive → examine → critique → select → report          search="rejection"
    receive → examine → fsbs → report                       search="fsbs"
    receive → examine → report                              critic="none": what the checkers know, and nothing else

What comes back is the critique chosen, and in `rounds[0]` all that were drawn, so that `rerank` can choose again for
nothing.
"""

from collections.abc import Mapping
from typing import Any

from langgraph.graph import END, START, StateGraph

from selfcritic.agent.context import Context
from selfcritic.agent.nodes.critique import critique
from selfcritic.agent.nodes.review import check_answer, finalize_review, load_answer
from selfcritic.agent.nodes.select import select
from selfcritic.agent.state import ReviewInput, ReviewOutput, State
from selfcritic.graphs.fsbs import create_fsbs
from selfcritic.graphs.runtime import Node, add_nodes, on_the_spot, resolve_context


def create_review(
    *, nodes: Mapping[str, Node] | None = None, **options: Any
) -> StateGraph[State, Context, ReviewInput, ReviewOutput]:
    """The graph, to be compiled by the caller; keywords are the fields of `Context`.

    `nodes` are functions that take the place of its own, by name.

    A review always chooses the best critique there is, as CriticGPT does; `helpful_threshold` (0 here by default) makes
    it come back with none rather than with one whose P(helpful) is lower.
    """
    options = {"helpful_threshold": 0.0, **options}
    defaults = Context(**options)
    builder = StateGraph(State, context_schema=Context, input_schema=ReviewInput, output_schema=ReviewOutput)
    add_nodes(
        builder,
        defaults,
        nodes,
        load_answer=load_answer,
        check_answer=check_answer,
        critique=critique,
        select=select,
        finalize_review=finalize_review,
    )
    builder.add_node("fsbs", create_fsbs(**options).compile())

    def after_examine(state: State) -> str:
        context = resolve_context(defaults)
        if state["stop_reason"] is not None or not context.has_critic:
            return "finalize_review"
        return "fsbs" if context.search == "fsbs" else "critique"

    def after_critique(state: State) -> str:
        return "select" if state["stop_reason"] is None else "finalize_review"

    builder.add_edge(START, "load_answer")
    builder.add_edge("load_answer", "check_answer")
    builder.add_conditional_edges("check_answer", on_the_spot(after_examine), ["critique", "fsbs", "finalize_review"])
    builder.add_conditional_edges("critique", on_the_spot(after_critique), ["select", "finalize_review"])
    builder.add_edge("select", "finalize_review")
    builder.add_edge("fsbs", "finalize_review")
    builder.add_edge("finalize_review", END)
    return builder


graph = create_review().compile(name="review")
