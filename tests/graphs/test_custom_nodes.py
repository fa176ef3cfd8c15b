"""Custom nodes: every node of a graph can be replaced."""

import asyncio
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from selfcritic.agent import Budget, Step
from selfcritic.agent.errors import InputError, SelfcriticError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.nodes.classify import classify
from selfcritic.agent.nodes.critique import critique
from selfcritic.agent.nodes.generate import (
    generate,
    initial_update,
    start_from_messages,
    start_step,
)
from selfcritic.agent.nodes.refine import refine
from selfcritic.agent.nodes.select import select
from selfcritic.agent.schemas import Candidate
from selfcritic.graphs import create_best_of_n, create_self_critique
from selfcritic.graphs.self_critique import graph as default_graph

QUESTION = {"question": "Which city is the capital of France?"}
LYON = "```\nLyon\n```\nIt is Paris."
NODES = {node.__name__: node for node in (generate, classify, critique, select, refine)}


def model(**replies: Any) -> ScriptedModel:
    script = {
        "generate": ["Lyon"],
        "classify": [0.9, 0.1],
        "critique": [LYON] * 8,
        "helpfulness": [0.8],
        "refine": ["Paris"],
    }
    return ScriptedModel(script=script | replies)


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize("is_plain", [True, False])
def test_replaces_any_node(name: str, synchronous: bool, is_plain: bool):
    received: list[int] = []

    async def async_node(state: Any, runtime: Any) -> Any:
        received.append(runtime.context.num_critiques)
        return await NODES[name](state, runtime)

    def plain_node(state: Any, runtime: Any) -> Any:
        return asyncio.run(async_node(state, runtime))

    node = plain_node if is_plain else async_node
    graph = create_self_critique(nodes={name: node}, model=model(), num_critiques=8).compile()
    output = graph.invoke(QUESTION) if synchronous else asyncio.run(graph.ainvoke(QUESTION))
    num_calls = 2 if name == "classify" else 1
    assert received == [8] * num_calls
    assert (output["answer"], output["stop_reason"], output["usage"].calls) == (
        "Paris",
        "accepted",
        6,
    )


@pytest.mark.parametrize("create", [create_self_critique, create_best_of_n])
def test_rejects_an_unknown_node_name(create: Any):
    with pytest.raises(InputError, match=r"unknown nodes: 'criticise'.*generate, classify"):
        create(nodes={"criticise": critique})


def test_custom_node_keeps_the_graph_drawing():
    graph = create_self_critique(nodes={"critique": lambda state, runtime: {}}).compile(
        name="self_critique"
    )
    assert graph.get_graph().draw_mermaid() == default_graph.get_graph().draw_mermaid()


def test_best_of_n_accepts_custom_nodes():
    async def draft(state: Any, runtime: Any) -> Any:
        return initial_update(
            await start_step(state, runtime, state["question"]),
            [Candidate(answer="Lyon"), Candidate(answer="Paris")],
        )

    graph = create_best_of_n(nodes={"generate": draft}, model=model()).compile()
    output = graph.invoke(QUESTION)
    assert (output["answer"], output["stop_reason"], output["usage"].calls) == (
        "Paris",
        "accepted",
        2,
    )


def test_requests_of_a_custom_node_count_toward_the_budget():
    async def sample_once(state: Any, runtime: Any) -> Any:
        step = Step(state, runtime)
        try:
            samples = await step.sampler("critic").sample(
                step.render_prompt("critique", answer=step.round.answer), 1
            )
        except SelfcriticError as failure:
            return step.update(stop=failure)
        return step.update(stop="no_helpful_critique", error=samples[0].text)

    graph = create_self_critique(nodes={"critique": sample_once}, model=model()).compile()
    output = graph.invoke(QUESTION)
    assert (output["error"], output["usage"].by_role["critic"].calls) == (LYON, 1)
    output = graph.invoke(QUESTION, context={"model": model(), "budget": Budget(calls=2)})
    assert (output["answer"], output["stop_reason"], output["usage"].calls) == ("Lyon", "budget", 2)


def test_graph_raises_the_error_of_a_custom_node():
    def failing_select(state: Any, runtime: Any) -> Any:
        raise KeyError("custom")

    with pytest.raises(KeyError, match="custom"):
        create_self_critique(nodes={"select": failing_select}, model=model()).compile().invoke(
            QUESTION
        )


def test_run_resumes_at_the_node_that_raised():
    failures = [OSError("down")]

    async def unreliable_select(state: Any, runtime: Any) -> Any:
        if failures:
            raise failures.pop()
        return await select(state, runtime)

    scripted = model()
    graph = create_self_critique(nodes={"select": unreliable_select}, model=scripted).compile(
        checkpointer=InMemorySaver()
    )
    thread: Any = {"configurable": {"thread_id": "1"}}
    with pytest.raises(OSError, match="down"):
        graph.invoke(QUESTION, thread)
    output = graph.invoke(None, thread)
    assert (output["answer"], output["usage"].calls, len(scripted.requests)) == ("Paris", 6, 6)


def test_starts_from_an_existing_answer():
    scripted = model(generate=[])
    graph = create_self_critique(nodes={"generate": start_from_messages}, model=scripted).compile()
    output = graph.invoke(
        {"messages": [HumanMessage("The capital?"), {"role": "ai", "content": "Lyon"}]}
    )
    assert [draft.answer for draft in output["rounds"]] == ["Lyon", "Paris"]
    assert (output["stop_reason"], output["usage"].calls) == ("accepted", 5)
    assert "self_graded" not in output
    assert "Context:" not in scripted.requests[0][-1].text
