"""What happens to a streamed run when its consumer stops, is cancelled or acts on `stopped`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from pathlib import Path
from typing import Any

import anyio
import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import PrivateAttr

from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.schemas import Retries
from selfcritic.graphs import create_self_critique, stream_answer
from selfcritic.graphs.checkpoints import open_checkpointer

CONFIG = RunnableConfig(configurable={"thread_id": "1"})
INPUT: Any = {"messages": [HumanMessage("The capital?")]}


class SlowModel(ScriptedModel):
    """Replies late; records whether a request was cancelled."""

    _started: asyncio.Event = PrivateAttr(default_factory=asyncio.Event)
    _num_cancelled: int = PrivateAttr(default=0)

    async def _agenerate(self, *args: Any, **options: Any) -> Any:
        await self._wait()

    async def _astream(self, *args: Any, **options: Any) -> Any:
        await self._wait()
        yield

    async def _wait(self) -> None:
        self._started.set()
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            self._num_cancelled += 1
            raise


def open_saver(kind: str, folder: Path) -> AbstractAsyncContextManager[Any]:
    if kind == "file":
        return open_checkpointer(str(folder / "runs.sqlite"))
    return nullcontext(InMemorySaver() if kind == "memory" else None)


async def read_all(events: AsyncIterator[Any], closes: bool) -> None:
    if not closes:
        async for _ in events:
            pass
        return
    async with aclosing(events) as own_events:  # type: ignore[type-var]
        async for _ in own_events:
            pass


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("kind", ["no saver", "memory", "file"])
async def test_a_cancelled_scope_stops_the_request(kind: str, closes: bool, tmp_path: Path):
    model = SlowModel(script=[])
    async with open_saver(kind, tmp_path) as saver:
        graph = create_self_critique(model=model).compile(checkpointer=saver)
        async with anyio.create_task_group() as group:
            group.start_soon(read_all, stream_answer(graph, INPUT, CONFIG), closes)
            await model._started.wait()
            group.cancel_scope.cancel()
        assert model._num_cancelled == 1


async def test_a_cancelled_task_stops_the_request():
    model = SlowModel(script=[])
    graph = create_self_critique(model=model).compile()
    reading = asyncio.create_task(read_all(stream_answer(graph, INPUT), closes=False))
    await model._started.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert model._num_cancelled == 1


async def test_a_consumer_that_breaks_stops_the_request():
    model = SlowModel(script=[])
    draft = ScriptedModel(script=["It is Lyon"])
    graph = create_self_critique(model=model, generator=draft).compile()
    async with aclosing(stream_answer(graph, INPUT)) as events:
        async for event in events:
            if event["event"] == "draft":
                await model._started.wait()
                break
    assert model._num_cancelled == 1


async def test_the_run_is_saved_before_stopped_arrives():
    model = ScriptedModel(script={"generate": ["Paris"], "classify": [0.1]})
    graph = create_self_critique(model=model).compile(checkpointer=InMemorySaver())
    events = stream_answer(graph, INPUT, CONFIG)
    async with aclosing(events):
        async for event in events:
            if event["event"] == "stopped":
                break
    snapshot = await graph.aget_state(CONFIG)
    assert event["event"] == "stopped"
    assert snapshot.next == ()
    assert snapshot.values["messages"][-1].text == event["answer"] == "Paris"
    saved = snapshot.values["usage"].model_dump(mode="json")
    assert {**saved, "seconds": 0} == {**event["usage"], "seconds": 0}
    assert (event["error"], event["best_round"]) == (None, 0)


async def test_streaming_resumes_a_failed_run():
    script: Any = {"generate": [ConnectionError("down"), "Paris"], "classify": [0.1]}
    graph = create_self_critique(
        model=ScriptedModel(script=script), retries=Retries(tries=1, startup_seconds=0)
    ).compile(checkpointer=InMemorySaver())
    with pytest.raises(SelfcriticError):
        await read_all(stream_answer(graph, INPUT, CONFIG), closes=True)
    events = [event async for event in stream_answer(graph, None, CONFIG)]
    stopped = events[-1]
    assert stopped["event"] == "stopped"
    assert stopped["answer"] == "Paris"
