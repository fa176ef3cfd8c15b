"""The loop: generate → classify → critique → select → refine, and back to classify.

A draft is judged; if it can be criticised, critiques are sampled, the most helpful one is selected, the draft is mended
by it, and the loop judges the result (Saunders et al. 2022). What comes back is the best draft by the loop's own
measure, with the reason why it stopped. With `search="fsbs"` the critique is searched for as CriticGPT does (fsbs.py).
With `refinement="direct"` drafts are mended without a critique, the paper's baseline.
"""

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, StateGraph

from selfcritic.agent.context import Context
from selfcritic.agent.nodes.classify import classify
from selfcritic.agent.nodes.critique import critique
from selfcritic.agent.nodes.generate import generate
from selfcritic.agent.nodes.refine import refine
from selfcritic.agent.nodes.select import select
from selfcritic.agent.state import Input, Output, State
from selfcritic.graphs.fsbs import create_fsbs
from selfcritic.graphs.runtime import Node, StopCondition, add_nodes, on_the_spot, resolve_context, with_stop_condition


def create_self_critique(
    *, nodes: Mapping[str, Node] | None = None, stop_when: StopCondition | None = None, **options: Any
) -> StateGraph[State, Context, Input, Output]:
    """The loop's graph, to be compiled by the caller with a checkpointer or without.

    Keywords are the fields of `Context`, as its defaults; a run's own `context` goes before them. `nodes` are functions
    that take the place of the loop's own, by name; `stop_when` is a stop rule beside the loop's own. Raises InputError
    where there is no node of a name, and pydantic's ValidationError where an option is not as it should be.
    """
    defaults = Context(**options)
    own = dict(nodes or {})
    if stop_when is not None:
        own["classify"] = with_stop_condition(stop_when, own.get("classify", classify))
    builder = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    add_nodes(
        builder, defaults, own,
        generate=generate, classify=classify, critique=critique, select=select, refine=refine,
    )  # fmt: skip
    builder.add_node("fsbs", create_fsbs(**{"helpful_threshold": defaults.helpful_threshold, **options}).compile())

    def after_classify(state: State) -> str:
        if state.get("stop_reason") is not None:
            return END
        context = resolve_context(defaults)
        if context.refinement == "direct":
            return "refine"
        return "fsbs" if context.search == "fsbs" else "critique"

    builder.add_edge(START, "generate")
    builder.add_edge("generate", "classify")
    builder.add_conditional_edges("classify", on_the_spot(after_classify), ["critique", "fsbs", "refine", END])
    builder.add_conditional_edges("critique", _unless_ended("select"), ["select", END])
    builder.add_conditional_edges("fsbs", _unless_ended("refine"), ["refine", END])
    builder.add_conditional_edges("select", _unless_ended("refine"), ["refine", END])
    builder.add_conditional_edges("refine", _unless_ended("classify"), ["classify", END])
    return builder


def _unless_ended(following: str) -> RunnableLambda[State, str]:
    def unless_ended(state: State) -> str:
        return following if state.get("stop_reason") is None else END

    return on_the_spot(unless_ended)


graph = create_self_critique().compile(name="self_critique")
