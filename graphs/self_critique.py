"""The self-critique loop (Saunders et al. 2022).

    generate → classify → critique → select → refine → classify → …

Each draft is judged. If it is critiqueable, critiques are sampled, and the draft is refined with the most helpful one.
The run returns the draft that the judge rates best, and the stop reason.

`search="fsbs"` replaces *critique* and *select* with CriticGPT's search (fsbs.py). `refinement="direct"` refines
without a critique (the paper's baseline).
"""

from collections.abc import Mapping
from typing import Unpack

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from selfcritic.agent.context import Context
from selfcritic.agent.nodes.classify import classify
from selfcritic.agent.nodes.critique import critique, critique_and_score
from selfcritic.agent.nodes.generate import generate
from selfcritic.agent.nodes.refine import refine
from selfcritic.agent.nodes.select import select
from selfcritic.agent.options import Options, to_context
from selfcritic.agent.state import Input, Output, State
from selfcritic.graphs.fsbs import create_search_node
from selfcritic.graphs.inline import InlineRoute
from selfcritic.graphs.runtime import (
    Node,
    StopCondition,
    add_nodes,
    resolve_context,
    unless_stopped,
    with_step_limit,
    with_stop_condition,
)

SelfCritiqueGraph = CompiledStateGraph[State, Context, Input, Output]
"""Type of `create_self_critique(…).compile()`."""


def create_self_critique(
    *,
    nodes: Mapping[str, Node] | None = None,
    stop_when: StopCondition | None = None,
    **options: Unpack[Options],
) -> StateGraph[State, Context, Input, Output]:
    """Create the self-critique graph; a checkpointer is optional.

    Args:
        nodes: Functions that replace the graph's nodes, by name.
        stop_when: An additional stop condition, checked after each verdict.
        options: Fields of `Context`, as defaults; each run's `context` overrides them.

    Raises:
        InputError: `nodes` has an unknown name.
        ValidationError: An option is invalid.
    """
    defaults = to_context(options)
    replacements = dict(nodes or {})
    judge = replacements.get("classify", classify)
    if stop_when is not None:
        judge = with_stop_condition(stop_when, judge)
    replacements["classify"] = with_step_limit(judge)
    builder = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    add_nodes(
        builder,
        defaults,
        replacements,
        generate=generate,
        classify=classify,
        # A custom `select` may need no scores.
        critique=critique if "select" in replacements else critique_and_score,
        select=select,
        refine=refine,
    )
    fsbs_options: Options = {"helpful_threshold": defaults.helpful_threshold, **options}
    builder.add_node("fsbs", create_search_node(**fsbs_options))

    _add_edges(builder, defaults)
    return builder


def _add_edges(builder: StateGraph[State, Context, Input, Output], defaults: Context) -> None:
    def after_classify(state: State) -> str:
        if state.get("stop_reason") is not None:
            return END
        context = resolve_context(defaults)
        if context.refinement == "direct":
            return "refine"
        has_search = context.search == "fsbs" and context.has_critic
        return "fsbs" if has_search else "critique"

    builder.add_edge(START, "generate")
    builder.add_edge("generate", "classify")
    builder.add_conditional_edges(
        "classify", InlineRoute(after_classify), ["critique", "fsbs", "refine", END]
    )
    builder.add_conditional_edges("critique", unless_stopped("select"), ["select", END])
    builder.add_conditional_edges("fsbs", unless_stopped("refine"), ["refine", END])
    builder.add_conditional_edges("select", unless_stopped("refine"), ["refine", END])
    builder.add_conditional_edges("refine", unless_stopped("classify"), ["classify", END])


graph = create_self_critique().compile(name="self_critique")
