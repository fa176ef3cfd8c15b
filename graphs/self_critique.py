"""The loop: generate → classify → critique → select → refine, and back to classify.

A draft is judged; if it can be criticised, critiques are sampled, the most helpful one is selected, the draft is mended
by it, and the loop judges the result (Saunders et al. 2022). What comes back is the best draft by the loop's own
measure, with the reason why it stopped. With `search="fsbs"` the critique is searched for as CriticGPT does (fsbs.py).
With `refinement="direct"` drafts are mended without a critique, the paper's baseline.
"""

from typing import Any

from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import get_runtime

from selfcritic.agent.context import Context
from selfcritic.agent.nodes.classify import classify
from selfcritic.agent.nodes.critique import critique
from selfcritic.agent.nodes.generate import generate
from selfcritic.agent.nodes.refine import refine
from selfcritic.agent.nodes.select import select
from selfcritic.agent.state import Input, Output, State
from selfcritic.graphs.both_ways import both_ways, on_the_spot
from selfcritic.graphs.fsbs import create_fsbs


def create_self_critique(**options: Any) -> StateGraph[State, Context, Input, Output]:
    """The loop's graph, to be compiled by the caller with a checkpointer or without.

    Keywords are the fields of `Context`, as its defaults; a run's own `context` goes before them.
    """
    defaults = Context(**options)
    builder = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    for node in (generate, classify, critique, select, refine):
        builder.add_node(node.__name__, both_ways(node, defaults))
    builder.add_node("fsbs", create_fsbs(**{"helpful_above": defaults.helpful_above, **options}).compile())

    def after_classify(state: State) -> str:
        if state["stop_reason"] is not None:
            return END
        context = defaults.overridden_by(get_runtime(Context).context)
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
        return following if state["stop_reason"] is None else END

    return on_the_spot(unless_ended)


graph = create_self_critique().compile(name="self_critique")
