"""Test the saved threads of runs that failed or were cancelled."""

import asyncio
import re
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, RemoveMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from selfcritic.agent.errors import InputError, SelfcriticError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.schemas import Retries
from selfcritic.graphs import create_self_critique, discard_question
from selfcritic.graphs.middleware import SelfCritiqueMiddleware

CONFIG = RunnableConfig(configurable={"thread_id": "1"})
NO_RETRIES = Retries(tries=1, startup_seconds=0)


def ask(text: str) -> Any:
    return {"messages": [HumanMessage(text, id=text)]}


def loop(*drafts: str | Exception) -> Any:
    script: Any = {"generate": list(drafts), "classify": [0.1] * len(drafts)}
    return create_self_critique(model=ScriptedModel(script=script), retries=NO_RETRIES)


def in_chat(graph: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("answer", graph.compile())
    builder.add_edge(START, "answer")
    return builder


async def texts(graph: Any) -> list[str]:
    return [message.text for message in (await graph.aget_state(CONFIG)).values["messages"]]


@pytest.mark.parametrize("is_subgraph", [True, False])
async def test_the_next_question_follows_the_last_answer(is_subgraph: bool):
    builder = loop("Paris", ValueError("down"), ValueError("down"), "Rome")
    graph = (in_chat(builder) if is_subgraph else builder).compile(checkpointer=InMemorySaver())
    await graph.ainvoke(ask("France?"), CONFIG)
    for question in ("Spain?", "Spain!"):
        with pytest.raises(SelfcriticError):
            await graph.ainvoke(ask(question), CONFIG)
    assert await texts(graph) == ["France?", "Paris", "Spain?", "Spain!"]
    assert await discard_question(graph, CONFIG)
    assert await texts(graph) == ["France?", "Paris"]
    assert (await graph.aget_state(CONFIG)).next == ()
    await graph.ainvoke(ask("Italy?"), CONFIG)
    assert await texts(graph) == ["France?", "Paris", "Italy?", "Rome"]
    assert not await discard_question(graph, CONFIG)


async def test_discards_the_tool_calls_of_an_unanswered_agent():
    model = ScriptedModel(script=["Paris", ValueError("down")])
    middleware = SelfCritiqueMiddleware(model=ScriptedModel(script={"classify": [0.1]}))
    agent = create_agent(model, middleware=[middleware], checkpointer=InMemorySaver())
    await agent.ainvoke(ask("France?"), CONFIG)
    with pytest.raises(ValueError, match="down"):
        await agent.ainvoke(ask("Spain?"), CONFIG)
    assert await discard_question(agent, CONFIG)
    assert await texts(agent) == ["France?", "Paris"]


async def test_nothing_is_discarded_from_a_new_thread():
    graph = loop("Paris").compile(checkpointer=InMemorySaver())
    assert not await discard_question(graph, CONFIG)


@pytest.mark.parametrize("is_sync", [True, False])
async def test_state_can_be_updated_before_the_critique(is_sync: bool):
    script: Any = {"generate": ["Lyon"], "classify": [0.9]}
    graph = create_self_critique(model=ScriptedModel(script=script)).compile(
        checkpointer=InMemorySaver(), interrupt_before=["critique"]
    )
    await graph.ainvoke(ask("France?"), CONFIG)
    update = {"messages": [RemoveMessage(id="France?")]}
    if is_sync:
        await asyncio.to_thread(graph.update_state, CONFIG, update)
    else:
        await graph.aupdate_state(CONFIG, update)
    snapshot = await graph.aget_state(CONFIG)
    assert (snapshot.values["messages"], snapshot.next) == ([], ("critique",))


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"rounds": None}, "`rounds` must be a list of rounds"),
        ({"rounds": "Lyon"}, "`rounds` must be a list of rounds"),
        ({"rounds": [{"answer": 1}]}, "The saved state is not valid: "),
        ({"usage": {"calls": "many"}}, "The saved state is not valid: calls: "),
        ({"question": None}, "`question` must be a text, not NoneType"),
    ],
)
async def test_rejects_an_invalid_update_of_the_state(update: dict[str, Any], message: str):
    script: Any = {"generate": ["Lyon"], "classify": [0.9]}
    graph = create_self_critique(model=ScriptedModel(script=script)).compile(
        checkpointer=InMemorySaver(), interrupt_before=["critique"]
    )
    await graph.ainvoke({"question": "France?"}, CONFIG)

    async def update_and_resume() -> None:
        await graph.aupdate_state(CONFIG, update)
        await graph.ainvoke(None, CONFIG)

    with pytest.raises(InputError, match=re.escape(message)):
        await update_and_resume()


async def test_rejects_a_question_that_is_not_a_text():
    graph = loop("Paris").compile()
    for question in (None, 5):
        with pytest.raises(InputError, match="`question` must be a text"):
            await graph.ainvoke({"question": question})
