"""What a run streams: tags of messages, and the events for a chat user."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph

from selfcritic.agent.errors import UnknownTaskError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_self_critique, stream_answer
from selfcritic.graphs.middleware import SelfCritiqueMiddleware

LYON = "```\nLyon\n```\nIt is Paris."
QUESTION: Any = {"question": "The capital?"}
TAGS = {
    "selfcritic:generator": 1,
    "selfcritic:judge": 3,
    "selfcritic:critic": 8,
    "selfcritic:refiner": 1,
    "selfcritic:answer": 1,
}


class AgentModel(ScriptedModel):
    """A scripted model that accepts tools."""

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self


def model(**changes: Any) -> ScriptedModel:
    script: Any = {
        "generate": ["In France, it is Lyon"],
        "classify": [0.9, 0.1],
        "critique": [f"{LYON} {number}" for number in range(8)],
        "helpfulness": [0.8] * 8,
        "refine": ["Paris"],
    }
    return ScriptedModel(script=script | changes)


def messages_by_tag(graph: Any, synchronous: bool, **options: Any) -> dict[str, set[str]]:
    """Return the ids of the streamed messages by tag; each must have one tag."""
    ids: dict[str, set[str]] = {}
    for message, metadata in collect(graph, synchronous, stream_mode="messages", **options):
        [tag] = metadata["tags"]
        ids.setdefault(tag, set()).add(message.id)
    return ids


def collect(graph: Any, synchronous: bool, *arguments: Any, **options: Any) -> list[Any]:
    if synchronous:
        return list(graph.stream(QUESTION, *arguments, **options))

    async def collect_async() -> list[Any]:
        return [part async for part in graph.astream(QUESTION, *arguments, **options)]

    return asyncio.run(collect_async())


@pytest.mark.parametrize("saved", [True, False])
@pytest.mark.parametrize("synchronous", [True, False])
def test_every_streamed_message_has_the_tag_of_its_role(synchronous: bool, saved: bool):
    graph = create_self_critique(model=model()).compile(
        checkpointer=InMemorySaver() if saved else None
    )
    config: Any = {"configurable": {"thread_id": "1"}}
    ids = messages_by_tag(graph, synchronous, config=config)
    critiques = len(ids["selfcritic:critic"])
    assert critiques == 8
    assert {tag: len(found) for tag, found in ids.items() if tag != "selfcritic:judge"} == {
        tag: count for tag, count in TAGS.items() if tag != "selfcritic:judge"
    }
    counts = Counter(id_ for found in ids.values() for id_ in found)
    assert set(counts.values()) == {1}


@pytest.mark.parametrize("spec", ["simulated?seed=3&draft_error_rate=1", "tiny"])
def test_messages_of_offline_models_have_one_tag_each(spec: str):
    graph = create_self_critique(model=spec, max_rounds=1).compile()
    question = {"question": "Sort these words alphabetically: olive, apple, plum"}
    parts = list(graph.stream(question, stream_mode="messages"))
    assert parts
    for _, metadata in parts:
        assert len(metadata["tags"]) == 1
        assert metadata["tags"][0].startswith("selfcritic:")


def test_tags_of_the_caller_are_kept():
    graph = create_self_critique(model=model()).compile()
    parts = collect(graph, True, {"tags": ["mine"]}, stream_mode="messages")
    for _, metadata in parts:
        assert metadata["tags"][0] == "mine"
        assert metadata["tags"][1].startswith("selfcritic:")


def stream(graph: Any, graph_input: Any = QUESTION, **options: Any) -> list[dict[str, Any]]:
    async def collect_events() -> list[dict[str, Any]]:
        return [dict(event) async for event in stream_answer(graph, graph_input, **options)]

    return asyncio.run(collect_events())


def tokens(events: list[dict[str, Any]]) -> str:
    return "".join(event["text"] for event in events if event["event"] == "token")


def test_a_chat_user_sees_the_first_draft_and_then_the_answer():
    events = stream(create_self_critique(model=model()).compile())
    assert tokens(events) == "In France, it is Lyon"
    assert len([event for event in events if event["event"] == "token"]) > 1
    kinds = Counter(event["event"] for event in events)
    assert kinds["draft"] == kinds["judged"] == 2
    assert kinds["critique"] == 8
    stopped = events[-1]
    usage = stopped.pop("usage")
    assert stopped == {
        "event": "stopped",
        "round": 1,
        "reason": "accepted",
        "answer": "Paris",
        "best_round": 1,
        "error": None,
    }
    assert usage["calls"] == sum(role["calls"] for role in usage["by_role"].values()) > 0


def test_only_the_first_of_several_drafts_is_streamed():
    several = model(generate=["Lyon", "Nice", "Paris"], classify=[0.9, 0.8, 0.1])
    events = stream(create_self_critique(model=several, num_drafts=3).compile())
    assert tokens(events) in ("", "Lyon")
    assert events[-1]["answer"] == "Paris"


def test_a_run_without_a_draft_raises():
    with pytest.raises(UnknownTaskError):
        stream(create_self_critique(model="simulated").compile(), {"question": "hi"})


def test_streams_through_a_parent_graph():
    builder = StateGraph(MessagesState)
    builder.add_node("answer", create_self_critique(model=model()).compile())
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    events = stream(builder.compile(), {"messages": [HumanMessage("The capital?")]})
    assert tokens(events) == "In France, it is Lyon"
    assert events[-1]["answer"] == "Paris"


def test_streams_an_agents_answer_and_its_refinement():
    agent_model = AgentModel(script=["It is Lyon"])
    agent = create_agent(agent_model, middleware=[SelfCritiqueMiddleware(model=model())])
    events = stream(agent, {"messages": [HumanMessage("The capital?")]})
    assert tokens(events) == "It is Lyon"
    assert [event["event"] for event in events].count("draft") == 2
    assert events[-1]["answer"] == "Paris"
