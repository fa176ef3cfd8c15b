"""Review an answer without refinement, like CriticGPT (McAleese et al. 2024).

    load_answer → check_answer → critique → select → finalize_review      search="rejection"
    load_answer → check_answer → fsbs → finalize_review                   search="fsbs"
    load_answer → check_answer → finalize_review                          critic="none": checkers only

The output has the selected critique, and all sampled ones in `rounds[0]`, so that `rerank` can select again without new
model calls.
"""

from collections.abc import Mapping
from typing import Unpack

from langgraph.graph import END, START, StateGraph

from selfcritic.agent.context import Context
from selfcritic.agent.nodes.critique import critique, critique_and_score
from selfcritic.agent.nodes.review import check_answer, finalize_review, load_answer
from selfcritic.agent.nodes.select import select
from selfcritic.agent.options import Options, to_context
from selfcritic.agent.state import ReviewInput, ReviewOutput, State
from selfcritic.graphs.fsbs import create_search_node
from selfcritic.graphs.inline import InlineRoute
from selfcritic.graphs.runtime import Node, add_nodes, resolve_context, unless_stopped


def create_review(
    *, nodes: Mapping[str, Node] | None = None, **options: Unpack[Options]
) -> StateGraph[State, Context, ReviewInput, ReviewOutput]:
    """Create the review graph; a checkpointer is optional.

    Like CriticGPT, a review selects its best critique, even an unhelpful one. Set `helpful_threshold` (here 0 by
    default) to require a minimum P(helpful).

    Args:
        nodes: Functions that replace the graph's nodes, by name.
        options: Fields of `Context`, as defaults; each run's `context` overrides them.
    """
    review_options: Options = {"helpful_threshold": 0.0, **options}
    defaults = to_context(review_options)
    builder = StateGraph(
        State, context_schema=Context, input_schema=ReviewInput, output_schema=ReviewOutput
    )
    has_own_select = nodes is not None and "select" in nodes
    add_nodes(
        builder,
        defaults,
        nodes,
        load_answer=load_answer,
        check_answer=check_answer,
        # A custom `select` may need no scores.
        critique=critique if has_own_select else critique_and_score,
        select=select,
        finalize_review=finalize_review,
    )
    builder.add_node("fsbs", create_search_node(**review_options))

    _add_edges(builder, defaults)
    return builder


def _add_edges(
    builder: StateGraph[State, Context, ReviewInput, ReviewOutput], defaults: Context
) -> None:
    def after_check_answer(state: State) -> str:
        context = resolve_context(defaults)
        if state["stop_reason"] is not None or not context.has_critic:
            return "finalize_review"
        return "fsbs" if context.search == "fsbs" else "critique"

    after_critique = unless_stopped("select", otherwise="finalize_review")

    builder.add_edge(START, "load_answer")
    builder.add_edge("load_answer", "check_answer")
    builder.add_conditional_edges(
        "check_answer", InlineRoute(after_check_answer), ["critique", "fsbs", "finalize_review"]
    )
    builder.add_conditional_edges("critique", after_critique, ["select", "finalize_review"])
    builder.add_edge("select", "finalize_review")
    builder.add_edge("fsbs", "finalize_review")
    builder.add_edge("finalize_review", END)


graph = create_review().compile(name="review")
