"""Insert flaws into a correct answer, as the contractors of CriticGPT did (McAleese et al. 2024).

    insert → check → describe → critique → accept → insert → … → finish

*insert* makes a candidate flaw: by an operator, by the answer's task type, or by a model (`insert="model"`). *check*
runs the tests in the sandbox and keeps silent flaws: a result is wrong, and nothing crashes first. *describe* writes
the description, as in a code review. *critique* samples the critic, if there is one; *accept* requires that at least
one sample misses the flaw. The paper did not enforce this strictly: without such a flaw, the answer gets one that all
samples find, with `misses` 0.

The input is an answer record as JSON, with tests in its metadata or a task type. The output has the tampered record,
and the flaws that crash or hang, apart. An answer that cannot be used ends the run with an InputError.
"""

from typing import Any, Unpack, cast

from langgraph.graph import END, START, StateGraph

from selfcritic.agent.context import Context
from selfcritic.agent.options import Options, to_context
from selfcritic.graphs.inline import InlineRoute
from selfcritic.graphs.runtime import Node, resolve_context, sync_and_async
from selfcritic.graphs.tamper_nodes import TamperNodes, TamperOptions, has_critic
from selfcritic.graphs.tamper_state import TamperInput, TamperOutput, TamperState


def create_tamper(
    tampering: TamperOptions | None = None, **options: Unpack[Options]
) -> StateGraph[TamperState, Context, TamperInput, TamperOutput]:
    """Create the tampering graph; a checkpointer is optional.

    Args:
        tampering: What inserts and describes flaws, and how they are checked.
        options: Fields of `Context`; the generator inserts and describes flaws, the critic must miss them.
    """
    defaults = to_context(options)
    nodes = TamperNodes(tampering or TamperOptions())
    builder = StateGraph(
        TamperState,
        context_schema=Context,
        input_schema=TamperInput,
        output_schema=TamperOutput,
    )
    for name in ("verify", "insert", "check", "describe", "critique", "accept", "finish"):
        node = cast(Node, getattr(nodes, name))
        builder.add_node(name, cast(Any, sync_and_async(node, defaults, name)))

    def after_describe(_: TamperState) -> str:
        return "critique" if has_critic(resolve_context(defaults)) else "accept"

    builder.add_edge(START, "verify")
    builder.add_conditional_edges("verify", InlineRoute(nodes.route), ["insert", "finish"])
    builder.add_conditional_edges(
        "insert", InlineRoute(nodes.after_insert), ["insert", "check", "finish"]
    )
    builder.add_conditional_edges(
        "check", InlineRoute(nodes.after_check), ["describe", "insert", "finish"]
    )
    builder.add_conditional_edges("describe", InlineRoute(after_describe), ["critique", "accept"])
    builder.add_edge("critique", "accept")
    builder.add_conditional_edges("accept", InlineRoute(nodes.route), ["insert", "finish"])
    builder.add_edge("finish", END)
    return builder


graph = create_tamper().compile(name="tamper")
