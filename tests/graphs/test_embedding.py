"""The loop inside another graph, as a chat node, and inside an agent, as a tool."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph

from selfcritic.agent import Context, Usage
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.nodes.generate import start_from_messages
from selfcritic.agent.schemas import StopReason
from selfcritic.graphs import create_self_critique
from selfcritic.graphs.checkpoints import serializer

LYON = "```\nLyon\n```\nIt is Paris."
THREAD: Any = {"configurable": {"thread_id": "ann"}}


class Chat(MessagesState):
    stop_reason: StopReason
    usage: Usage


@dataclass
class ParentContext:
    """Context of the parent graph, with an option that has the same name as one of the loop."""

    user: str
    num_critiques: int = 0


def model(**replies: Any) -> ScriptedModel:
    script = {
        "generate": ["Lyon"],
        "classify": [0.9, 0.1],
        "critique": [LYON] * 8,
        "helpfulness": [0.8],
        "refine": ["Paris"],
    }
    return ScriptedModel(script=script | replies)


def chat(graph: Any, context_schema: Any = None, **compile_options: Any) -> Any:
    """Build a parent graph whose only node is the given graph."""
    builder = StateGraph(Chat, context_schema=context_schema)
    builder.add_node("answer", graph)
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    return builder.compile(**compile_options)


def human_input(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


@pytest.mark.parametrize("synchronous", [True, False])
def test_each_message_appears_once_over_several_turns(synchronous: bool):
    scripted = model(generate=["Lyon", "Rome"], classify=[0.9, 0.1, 0.2])
    saver = InMemorySaver(serde=serializer())
    graph = chat(create_self_critique(model=scripted).compile(), checkpointer=saver)

    def send(text: str) -> Any:
        if synchronous:
            return graph.invoke(human_input(text), THREAD)
        return asyncio.run(graph.ainvoke(human_input(text), THREAD))

    first = send("The capital of France?")
    second = send("And of Italy?")
    assert [message.text for message in first["messages"]] == ["The capital of France?", "Paris"]
    assert [message.text for message in second["messages"]][2:] == ["And of Italy?", "Rome"]
    assert (first["stop_reason"], first["usage"].calls) == ("accepted", 6)
    assert (second["stop_reason"], second["usage"].calls) == ("accepted", 2)
    assert "Context:" not in scripted.requests[0][-1].text
    for messages in scripted.requests[6:]:
        assert "Context:\n```\nHuman: The capital of France?\nAI: Paris\n```" in messages[-1].text
        assert "Question:\n```\nAnd of Italy?\n```" in messages[-1].text


def test_ignores_the_context_of_a_parent_graph():
    graph = chat(
        create_self_critique(model=model(), num_critiques=8).compile(), context_schema=ParentContext
    )
    output = graph.invoke(
        human_input("The capital of France?"), context=ParentContext(user="ann", num_critiques=1)
    )
    assert (output["messages"][-1].text, output["stop_reason"]) == ("Paris", "accepted")


def test_parent_graph_can_pass_a_context_to_the_loop():
    graph = chat(
        create_self_critique(model=model(), num_critiques=8).compile(), context_schema=Context
    )
    output = graph.invoke(human_input("The capital of France?"), context=Context(max_rounds=0))
    assert (output["messages"][-1].text, output["stop_reason"]) == ("Lyon", "max_rounds")


def test_starts_from_the_answer_of_another_node():
    scripted = model(generate=[])
    builder = StateGraph(Chat)
    builder.add_node("draft", lambda state: {"messages": [AIMessage("Lyon")]})
    loop = create_self_critique(model=scripted, nodes={"generate": start_from_messages})
    builder.add_node("improve", loop.compile())
    builder.add_edge(START, "draft")
    builder.add_edge("draft", "improve")
    output = builder.compile().invoke(human_input("The capital of France?"))
    assert [message.text for message in output["messages"]] == [
        "The capital of France?",
        "Lyon",
        "Paris",
    ]


def test_parent_graph_streams_the_events_of_the_loop():
    graph = chat(create_self_critique(model=model()).compile())
    parts = list(graph.stream(human_input("Which?"), stream_mode="custom", subgraphs=True))
    events = [event["event"] for _, event in parts]
    assert (events[0], events[-1]) == ("draft", "stopped")


def test_chat_resumes_inside_the_loop_after_an_error():
    failures = [OSError("down")]

    async def refine(state: Any, runtime: Any) -> Any:
        from selfcritic.agent.nodes.refine import refine as original_refine

        if failures:
            raise failures.pop()
        return await original_refine(state, runtime)

    scripted = model()
    loop = create_self_critique(model=scripted, nodes={"refine": refine}).compile()
    graph = chat(loop, checkpointer=InMemorySaver(serde=serializer()))
    with pytest.raises(OSError, match="down"):
        asyncio.run(graph.ainvoke(human_input("The capital?"), THREAD))
    output = asyncio.run(graph.ainvoke(None, THREAD))
    assert (output["messages"][-1].text, output["usage"].calls, len(scripted.requests)) == (
        "Paris",
        6,
        6,
    )


class AgentModel(GenericFakeChatModel):
    """Returns fixed messages and accepts tools."""

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self


@pytest.mark.parametrize("synchronous", [True, False])
def test_agent_can_call_the_loop_as_a_tool(synchronous: bool):
    loop = create_self_critique(model=model()).compile()

    @tool
    def answer_with_care(question: str) -> str:
        """Answer a question and verify the answer."""
        return str(loop.invoke({"question": question})["answer"])

    call = {"name": "answer_with_care", "args": {"question": "The capital?"}, "id": "1"}
    replies = iter([AIMessage("", tool_calls=[call]), AIMessage("It is Paris.")])
    agent = create_agent(AgentModel(messages=replies), [answer_with_care])
    if synchronous:
        output = agent.invoke(human_input("The capital?"))
    else:
        output = asyncio.run(agent.ainvoke(human_input("The capital?")))
    assert [message.text for message in output["messages"]] == [
        "The capital?",
        "",
        "Paris",
        "It is Paris.",
    ]
