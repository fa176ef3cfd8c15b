"""Stream what a chat user may see of a run."""

from collections.abc import AsyncIterator
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StreamMode

from selfcritic.agent.sampling.tags import role_tag

_AGENT_NODE = "model"
"""Node of `create_agent` that calls the model."""
_TAG_PREFIX = role_tag("")


async def stream_answer(
    graph: CompiledStateGraph[Any, Any, Any, Any],
    graph_input: Any,
    config: RunnableConfig | None = None,
    **options: Any,
) -> AsyncIterator[dict[str, Any]]:
    """Stream the tokens of the first draft and the loop's events.

    Yields JSON-ready dicts: `{"event": "token", "text": …, "id": …}`, where `id` identifies the message, and the loop's
    custom events. Replies of the judge, critic and refiner are left out. The last event, `stopped`, has the `answer`,
    which replaces the streamed text.

    Args:
        graph: A graph of this package, a graph that contains one, or an agent with `SelfCritiqueMiddleware`.
        graph_input: The graph's input.
        config: LangGraph's config, such as the `thread_id`.
        options: Other arguments of the graph's `astream`, such as `context`.

    Raises:
        SelfcriticError: The run failed before its first draft.
    """
    draft_id: str | None = None
    modes: list[StreamMode] = ["messages", "custom"]
    stream: AsyncIterator[Any] = graph.astream(
        graph_input, config, stream_mode=modes, subgraphs=True, **options
    )
    async for _, mode, chunk in stream:
        if mode == "custom":
            yield chunk
            continue
        message, metadata = chunk
        if not isinstance(message, AIMessage) or not message.text:
            continue
        tags = metadata.get("tags") or []
        is_draft = role_tag("generator") in tags
        if is_draft:
            draft_id = draft_id or message.id  # with several drafts, only the first is streamed
        if (is_draft and message.id == draft_id) or _is_agent_reply(metadata, tags):
            yield {"event": "token", "text": message.text, "id": message.id}


def _is_agent_reply(metadata: dict[str, Any], tags: list[str]) -> bool:
    has_role = any(tag.startswith(_TAG_PREFIX) for tag in tags)
    return metadata.get("langgraph_node") == _AGENT_NODE and not has_role
