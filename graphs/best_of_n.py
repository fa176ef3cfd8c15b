"""Best of n: several drafts, of which the least critiqueable comes back. The paper's baseline without refinement."""

from collections.abc import Mapping
from typing import Any

from langgraph.graph import END, START, StateGraph

from selfcritic.agent.context import Context
from selfcritic.agent.nodes.classify import classify
from selfcritic.agent.nodes.generate import generate
from selfcritic.agent.state import Input, Output, State
from selfcritic.graphs.runtime import Node, add_nodes


def create_best_of_n(
    *, nodes: Mapping[str, Node] | None = None, **options: Any
) -> StateGraph[State, Context, Input, Output]:
    """The graph, to be compiled by the caller; keywords are the fields of `Context`, with eight `drafts` by default.

    `nodes` are functions that take the place of its own, by name. It stops for `accepted`, or for `max_rounds` where
    even the best draft is still critiqueable.
    """
    defaults = Context(**{"num_drafts": 8, **options, "max_rounds": 0})
    builder = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    add_nodes(builder, defaults, nodes, generate=generate, classify=classify)
    builder.add_edge(START, "generate")
    builder.add_edge("generate", "classify")
    builder.add_edge("classify", END)
    return builder


graph = create_best_of_n().compile(name="best_of_n")
