"""Stream what a chat user may see of a run."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, TypeVar, cast

from anyio import CancelScope
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, StreamMode
from langgraph.typing import ContextT, NodeInputT

from selfcritic.agent.sampling.tags import role_tag
from selfcritic.graphs.events import Event, StoppedEvent, TokenEvent

_AGENT_NODE = "model"
"""Node of `create_agent` that calls the model."""
_TAG_PREFIX = role_tag("")
_END = object()
"""Marks the end of a queue."""
T = TypeVar("T")


async def stream_answer(
    graph: CompiledStateGraph[Any, ContextT, NodeInputT, Any],
    graph_input: NodeInputT | Command[Any] | None,
    config: RunnableConfig | None = None,
    *,
    context: ContextT | None = None,
    **options: Any,
) -> AsyncGenerator[Event, None]:
    """Stream the tokens of the first draft and the loop's events.

    Yields JSON-ready dicts: `{"event": "token", "text": …, "id": …}`, where `id` identifies the message, and the loop's
    custom events. Replies of the judge, critic and refiner are left out. The last event, `stopped`, has the `answer`,
    which replaces the streamed text. It is yielded after the run was saved.

    If the consumer stops or is cancelled, the run is cancelled too, including its requests in flight.

    Args:
        graph: A graph of this package, a graph that contains one, or an agent with `SelfCritiqueMiddleware`.
        graph_input: The graph's input; None resumes the thread's unfinished run.
        config: LangGraph's config, such as the `thread_id`.
        context: The run's options, such as `Context(budget=…)`.
        options: Other arguments of the graph's `astream`, such as `durability`.

    Raises:
        SelfcriticError: The run failed before its first draft.
        Exception: Errors of other nodes, such as an agent's model, are raised unchanged.
    """
    modes: list[StreamMode] = ["messages", "custom"]
    parts: AsyncIterator[Any] = graph.astream(
        graph_input, config, context=context, stream_mode=modes, subgraphs=True, **options
    )
    draft_id: str | None = None
    stopped: list[StoppedEvent] = []
    async with aclosing(_iterate_in_task(parts)) as own_parts:
        async for _, mode, chunk in own_parts:
            if mode == "custom":
                if _is_stopped(chunk):
                    stopped.append(chunk)
                else:
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
                yield TokenEvent(event="token", text=message.text, id=message.id)
    for event in stopped:
        yield event


def _is_stopped(chunk: Any) -> bool:
    return isinstance(chunk, dict) and chunk.get("event") == "stopped"


def _is_agent_reply(metadata: dict[str, Any], tags: list[str]) -> bool:
    has_role = any(tag.startswith(_TAG_PREFIX) for tag in tags)
    return metadata.get("langgraph_node") == _AGENT_NODE and not has_role


async def _iterate_in_task(items: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """Iterate in a separate task, which is cancelled when the consumer stops.

    LangGraph's stream does not stop when an anyio scope is cancelled, which is how web frameworks cancel a request.
    """
    queue: asyncio.Queue[T | object] = asyncio.Queue(maxsize=1)

    async def fill_queue() -> None:
        try:
            async for item in items:
                await queue.put(item)
        finally:
            if not task.cancelling():
                await queue.put(_END)

    task = asyncio.create_task(fill_queue())
    try:
        while (item := await queue.get()) is not _END:
            yield cast(T, item)
        await task
    finally:
        task.cancel()
        with CancelScope(shield=True):
            await asyncio.gather(task, return_exceptions=True)
