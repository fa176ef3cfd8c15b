"""The loop: generate → classify → critique → select → refine, and back to classify.

A draft is judged; if it can be criticised, critiques are sampled, the most helpful one is selected, the draft is mended
by it, and the loop judges the result (Saunders et al. 2022). What comes back is the best draft by the loop's own
measure, with the reason why it stopped. With `refinement="direct"` drafts are mended without a critique, the paper's
baseline.
"""

from collections.abc import Callable
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
from selfcritic.graphs.both_ways import both_ways


def create_self_critique(**options: Any) -> StateGraph[State, Context, Input, Output]:
    """The loop's graph, to be compiled by the caller with a checkpointer or without.

    Keywords are the fields of `Context`, as its defaults; a run's own `context` goes before them.
    """
    defaults = Context(**options)
    builder = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    for node in (generate, classify, critique, select, refine):
        builder.add_node(node.__name__, both_ways(node, defaults))

    def after_classify(state: State) -> str:
        if state["stop_reason"] is not None:
            return END
        direct = defaults.overridden_by(get_runtime(Context).context).refinement == "direct"
        return "refine" if direct else "critique"

    builder.add_edge(START, "generate")
    builder.add_edge("generate", "classify")
    builder.add_conditional_edges("classify", _on_the_spot(after_classify), ["critique", "refine", END])
    builder.add_conditional_edges("critique", _unless_ended("select"), ["select", END])
    builder.add_conditional_edges("select", _unless_ended("refine"), ["refine", END])
    builder.add_conditional_edges("refine", _unless_ended("classify"), ["classify", END])
    return builder


def _unless_ended(following: str) -> RunnableLambda[State, str]:
    def unless_ended(state: State) -> str:
        return following if state["stop_reason"] is None else END

    return _on_the_spot(unless_ended)


def _on_the_spot(choose: Callable[[State], str]) -> RunnableLambda[State, str]:
    """The choice made in the event loop: LangGraph hands a plain function to a thread, which costs more."""

    async def chosen(state: State) -> str:
        return choose(state)

    return RunnableLambda(choose, chosen)


graph = create_self_critique().compile(name="self_critique")
