"""Repair a saved thread after a run that failed or was cancelled."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage, RemoveMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START
from langgraph.graph.state import CompiledStateGraph

from selfcritic.agent.messages import is_final_answer


async def discard_question(
    graph: CompiledStateGraph[Any, Any, Any, Any], config: RunnableConfig
) -> bool:
    """Remove the unanswered question of a failed or cancelled run from its thread.

    Removes all messages from the first human one after the last answer, and ends the unfinished run. To retry the
    question instead, resume the run: `ainvoke(None, config)` or `stream_answer(graph, None, config)`.

    Args:
        graph: A graph with a checkpointer and `messages` in its state.
        config: The config of the run, with its `thread_id`.

    Returns:
        Whether there was an unanswered question.
    """
    snapshot = await graph.aget_state(config)
    unanswered = _unanswered_messages(snapshot.values.get("messages", []))
    if not unanswered:
        return False
    removals = [RemoveMessage(id=str(message.id)) for message in unanswered]
    await graph.aupdate_state(config, {"messages": removals}, as_node=START)
    await graph.aupdate_state(config, None, as_node=END)
    return True


def _unanswered_messages(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the messages from the first human one after the last answer."""
    unanswered: list[AnyMessage] = []
    for message in messages:
        if is_final_answer(message):
            unanswered = []
        elif unanswered or isinstance(message, HumanMessage):
            unanswered.append(message)
    return unanswered
