"""The requests of the loop without it: recorded once, sent by litellm alone or by a bare LangGraph graph over it."""

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


class Recording(LiteLLMModel):
    """Keeps what it asks litellm for."""

    requests: list[Request] = Field(default_factory=list)

    def _request(self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]) -> Request:
        request = super()._request(messages, stop, options)
        self.requests.append(request)
        return request


async def stages(url: str, **options: Any) -> list[list[Request]]:
    """The requests of one run, those that are under way together in one list."""
    model = Recording(**vars(model_at(url)))
    await create_self_critique(model=model, **options).compile().ainvoke({"question": "What is the capital of France?"})
    litellm.suppress_debug_info = True
    return [list(stage) for _, stage in itertools.groupby(model.requests, key=_cue)]


async def send(stage: list[Request]) -> None:
    """Send the requests of a stage at once."""
    await asyncio.gather(*(litellm.acompletion(**request) for request in stage))


class Sent(TypedDict, total=False):
    """The state of the bare graph: how many stages are through."""

    stages: int


def bare_graph(to_send: list[list[Request]]) -> CompiledStateGraph[Sent, None, Sent, Sent]:
    """A graph of one node a stage, which does nothing but send its requests."""
    builder = StateGraph(Sent)
    names = [f"stage_{index}" for index in range(len(to_send))]
    for name, stage in zip(names, to_send, strict=True):

        async def node(state: Sent, stage: list[Request] = stage) -> Sent:
            await send(stage)
            return {"stages": state.get("stages", 0) + 1}

        builder.add_node(name, node)
    for before, after in itertools.pairwise([START, *names]):
        builder.add_edge(before, after)
    return builder.compile()


def _cue(request: Request) -> str:
    return str(request["messages"][-1]["content"]).rsplit("\n", 1)[-1]
