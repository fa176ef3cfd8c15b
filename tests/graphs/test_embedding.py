"""The loop within other people's graphs and agents: as a node of a chat, as a tool."""

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
class Theirs:
    """A context of the graph around ours, which has an option of the same name by chance."""

    user: str
    critiques: int = 0


def model(**more: Any) -> ScriptedModel:
    script = {
        "generate": ["Lyon"],
        "classify": [0.9, 0.1],
        "critique": [LYON] * 8,
        "helpfulness": [0.8],
        "refine": ["Paris"],
    }
    return ScriptedModel(script=script | more)


def chat(graph: Any, context_schema: Any = None, **compiled: Any) -> Any:
    builder = StateGraph(Chat, context_schema=context_schema)
    builder.add_node("answer", graph)
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    return builder.compile(**compiled)


def says(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


@pytest.mark.parametrize("synchronous", [True, False])
def test_turn_after_turn_each_message_stands_once(synchronous: bool):
    scripted = model(generate=["Lyon", "Rome"], classify=[0.9, 0.1, 0.2])
    graph = chat(
        create_self_critique(model=scripted).compile(), checkpointer=InMemorySaver(serde=serializer())
    )  # fmt: skip

    def turn(text: str) -> Any:
        return graph.invoke(says(text), THREAD) if synchronous else asyncio.run(graph.ainvoke(says(text), THREAD))

    first, second = turn("The capital of France?"), turn("And of Italy?")
    assert [message.text for message in first["messages"]] == ["The capital of France?", "Paris"]
    assert [message.text for message in second["messages"]][2:] == ["And of Italy?", "Rome"]
    assert (first["stop_reason"], first["usage"].calls) == ("accepted", 6)
    assert (second["stop_reason"], second["usage"].calls) == ("accepted", 2)
    assert "Context:" not in scripted.requests[0][-1].text
    for asked in scripted.requests[6:]:
        assert "Context:\n```\nHuman: The capital of France?\nAI: Paris\n```" in asked[-1].text
        assert "Question:\n```\nAnd of Italy?\n```" in asked[-1].text


def test_a_context_of_another_kind_is_not_ours():
    graph = chat(create_self_critique(model=model(), num_critiques=8).compile(), context_schema=Theirs)
    output = graph.invoke(says("The capital of France?"), context=Theirs(user="ann", critiques=1))
    assert (output["messages"][-1].text, output["stop_reason"]) == ("Paris", "accepted")


def test_a_graph_whose_context_is_ours_steers_the_loop():
    graph = chat(create_self_critique(model=model(), num_critiques=8).compile(), context_schema=Context)
    output = graph.invoke(says("The capital of France?"), context=Context(max_rounds=0))
    assert (output["messages"][-1].text, output["stop_reason"]) == ("Lyon", "max_rounds")


def test_an_answer_of_another_node_is_taken_up():
    scripted = model(generate=[])
    builder = StateGraph(Chat)
    builder.add_node("draft", lambda state: {"messages": [AIMessage("Lyon")]})
    builder.add_node("mend", create_self_critique(model=scripted, nodes={"generate": start_from_messages}).compile())
    builder.add_edge(START, "draft")
    builder.add_edge("draft", "mend")
    output = builder.compile().invoke(says("The capital of France?"))
    assert [message.text for message in output["messages"]] == ["The capital of France?", "Lyon", "Paris"]


def test_events_of_the_loop_come_through_the_graph_around_it():
    graph = chat(create_self_critique(model=model()).compile())
    told = [part[1]["event"] for part in graph.stream(says("Which?"), stream_mode="custom", subgraphs=True)]
    assert (told[0], told[-1]) == ("draft", "stopped")


def test_a_chat_goes_on_within_the_loop_after_a_failure():
    failures = [OSError("down")]

    async def refine(state: Any, runtime: Any) -> Any:
        from selfcritic.agent.nodes.refine import refine as ours

        if failures:
            raise failures.pop()
        return await ours(state, runtime)

    scripted = model()
    loop = create_self_critique(model=scripted, nodes={"refine": refine}).compile()
    graph = chat(loop, checkpointer=InMemorySaver(serde=serializer()))
    with pytest.raises(OSError, match="down"):
        asyncio.run(graph.ainvoke(says("The capital?"), THREAD))
    output = asyncio.run(graph.ainvoke(None, THREAD))
    assert (output["messages"][-1].text, output["usage"].calls, len(scripted.requests)) == ("Paris", 6, 6)


class AgentModel(GenericFakeChatModel):
    """Says what it is told to say, and takes tools."""

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self


@pytest.mark.parametrize("synchronous", [True, False])
def test_the_loop_is_a_tool_of_an_agent(synchronous: bool):
    careful = create_self_critique(model=model()).compile()

    @tool
    def answer_with_care(question: str) -> str:
        """Answer a question that must be right."""
        return str(careful.invoke({"question": question})["answer"])

    call = {"name": "answer_with_care", "args": {"question": "The capital?"}, "id": "1"}
    agent = create_agent(
        AgentModel(messages=iter([AIMessage("", tool_calls=[call]), AIMessage("It is Paris.")])), [answer_with_care]
    )
    output = agent.invoke(says("The capital?")) if synchronous else asyncio.run(agent.ainvoke(says("The capital?")))
    assert [message.text for message in output["messages"]] == ["The capital?", "", "Paris", "It is Paris."]
