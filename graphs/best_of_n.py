"""Best of n: sample several drafts and return the least critiqueable.

    generate → classify

This is the paper's baseline without refinement (Saunders et al. 2022).
"""

from collections.abc import Mapping
from typing import Unpack

from langgraph.graph import END, START, StateGraph

from selfcritic.agent.context import Context
from selfcritic.agent.nodes.classify import classify
from selfcritic.agent.nodes.generate import generate
from selfcritic.agent.options import Options, to_context
from selfcritic.agent.state import Input, Output, State
from selfcritic.graphs.runtime import Node, add_nodes


def create_best_of_n(
    *, nodes: Mapping[str, Node] | None = None, **options: Unpack[Options]
) -> StateGraph[State, Context, Input, Output]:
    """Create the best-of-n graph; a checkpointer is optional.

    The run stops with `accepted`, or with `max_rounds` if even the best draft is critiqueable.

    Args:
        nodes: Functions that replace the graph's nodes, by name.
        options: Fields of `Context`; `num_drafts` defaults to 8, and `max_rounds` is always 0.
    """
    defaults = to_context({"num_drafts": 8, **options, "max_rounds": 0})
    builder = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    add_nodes(builder, defaults, nodes, generate=generate, classify=classify)
    builder.add_edge(START, "generate")
    builder.add_edge("generate", "classify")
    builder.add_edge("classify", END)
    return builder


graph = create_best_of_n().compile(name="best_of_n")
