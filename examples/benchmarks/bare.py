"""Replay the loop's requests through an HTTP client, litellm, a chat model or a bare LangGraph graph.

The requests are recorded from one run of the loop.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypedDict

import aiohttp
import litellm
from langchain_core.messages import BaseMessage
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from pydantic import Field

from examples.benchmarks.server import model_at
from selfcritic.agent.models.litellm import LiteLLMModel
from selfcritic.graphs import create_self_critique

_BODY_FIELDS = ("model", "messages", "n", "logprobs", "top_logprobs", "max_tokens")


class Request(NamedTuple):
    """A request, as the chat model gets it and as it calls litellm."""

    messages: list[BaseMessage]
    options: dict[str, Any]
    arguments: dict[str, Any]


Stage = list[Request]
"""Requests that are sent at the same time."""
SendFn = Callable[[Stage], Awaitable[None]]


class RecordingModel(LiteLLMModel):
    """Records its requests."""

    requests: list[Request] = Field(default_factory=list)

    def _arguments(
        self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> dict[str, Any]:
        arguments = super()._arguments(messages, stop, options)
        self.requests.append(Request(messages, options, arguments))
        return arguments


async def record_stages(url: str, **options: Any) -> list[Stage]:
    """Record one run; group requests that are sent at the same time."""
    model = RecordingModel(**vars(model_at(url)))
    graph = create_self_critique(model=model, **options).compile()
    await graph.ainvoke({"question": "What is the capital of France?"})
    litellm.suppress_debug_info = True
    return [list(requests) for _, requests in itertools.groupby(model.requests, key=_cue)]


async def send(stage: Stage) -> None:
    """Send the requests of a stage with litellm."""
    await asyncio.gather(*(litellm.acompletion(**request.arguments) for request in stage))


def chat_model_sender(url: str) -> SendFn:
    """Return a function that sends a stage with a LangChain chat model."""
    model = model_at(url)

    async def send_with_model(stage: Stage) -> None:
        await asyncio.gather(
            *(model.ainvoke(request.messages, **request.options) for request in stage)
        )

    return send_with_model


def http_sender(session: aiohttp.ClientSession, url: str) -> SendFn:
    """Return a function that sends a stage with litellm's HTTP client, without litellm."""

    async def send_one(arguments: dict[str, Any]) -> None:
        body = {name: arguments[name] for name in _BODY_FIELDS if name in arguments}
        async with session.post(f"{url}/chat/completions", json=body) as response:
            await response.json()

    async def send_with_http(stage: Stage) -> None:
        await asyncio.gather(*(send_one(request.arguments) for request in stage))

    return send_with_http


class Progress(TypedDict, total=False):
    """State of the bare graph: the number of finished stages."""

    stages: int


def bare_graph(
    stages: list[Stage], send_stage: SendFn = send
) -> CompiledStateGraph[Progress, None, Progress, Progress]:
    """Build a graph with one node per stage, which sends its requests."""
    builder = StateGraph(Progress)
    previous = START
    for index, stage in enumerate(stages):
        name = f"stage_{index}"

        async def node(state: Progress, stage: Stage = stage) -> Progress:
            await send_stage(stage)
            return {"stages": state.get("stages", 0) + 1}

        builder.add_node(name, node)
        builder.add_edge(previous, name)
        previous = name
    return builder.compile()


def _cue(request: Request) -> str:
    """Return the last line of a prompt, which identifies its role."""
    prompt = str(request.messages[-1].content)
    return prompt.rsplit("\n", 1)[-1]
