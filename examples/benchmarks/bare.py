"""Replay the loop's requests through litellm or a bare LangGraph graph.

The requests are recorded from one run of the loop.
"""

import asyncio
import itertools
from typing import Any, TypedDict

import litellm
from langchain_core.messages import BaseMessage
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from pydantic import Field

from examples.benchmarks.server import model_at
from selfcritic.agent.models.litellm import LiteLLMModel
from selfcritic.graphs import create_self_critique

Request = dict[str, Any]


class RecordingModel(LiteLLMModel):
    """Records the arguments of each litellm call."""

    requests: list[Request] = Field(default_factory=list)

    def _arguments(
        self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> Request:
        request = super()._arguments(messages, stop, options)
        self.requests.append(request)
        return request


async def record_stages(url: str, **options: Any) -> list[list[Request]]:
    """Record one run; group requests that are sent at the same time."""
    model = RecordingModel(**vars(model_at(url)))
    graph = create_self_critique(model=model, **options).compile()
    await graph.ainvoke({"question": "What is the capital of France?"})
    litellm.suppress_debug_info = True
    return [list(requests) for _, requests in itertools.groupby(model.requests, key=_cue)]


async def send(stage: list[Request]) -> None:
    """Send the requests of a stage at the same time."""
    await asyncio.gather(*(litellm.acompletion(**request) for request in stage))


class Progress(TypedDict, total=False):
    """State of the bare graph: the number of finished stages."""

    stages: int


def bare_graph(
    stages: list[list[Request]],
) -> CompiledStateGraph[Progress, None, Progress, Progress]:
    """Build a graph with one node per stage, which sends its requests."""
    builder = StateGraph(Progress)
    previous = START
    for index, stage in enumerate(stages):
        name = f"stage_{index}"

        async def node(state: Progress, stage: list[Request] = stage) -> Progress:
            await send(stage)
            return {"stages": state.get("stages", 0) + 1}

        builder.add_node(name, node)
        builder.add_edge(previous, name)
        previous = name
    return builder.compile()


def _cue(request: Request) -> str:
    """Return the last line of a prompt, which identifies its role."""
    prompt = str(request["messages"][-1]["content"])
    return prompt.rsplit("\n", 1)[-1]
