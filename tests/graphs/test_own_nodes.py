"""Every node can be replaced by a function of the user's own."""

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
from selfcritic.agent.nodes.generate import generate, initial_update, start_from_messages, start_step
from selfcritic.agent.nodes.refine import refine
from selfcritic.agent.nodes.select import select
from selfcritic.graphs import create_best_of_n, create_self_critique
from selfcritic.graphs.self_critique import graph as as_it_ships

QUESTION = {"question": "Which city is the capital of France?"}
LYON = "```\nLyon\n```\nIt is Paris."
NODES = {node.__name__: node for node in (generate, classify, critique, select, refine)}


def model(**more: Any) -> ScriptedModel:
    script = {
        "generate": ["Lyon"],
        "classify": [0.9, 0.1],
        "critique": [LYON] * 8,
        "helpfulness": [0.8],
        "refine": ["Paris"],
    }
    return ScriptedModel(script=script | more)


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize("is_plain", [True, False])
def test_any_node_is_replaced(name: str, synchronous: bool, is_plain: bool):
    came: list[Any] = []

    async def mine(state: Any, runtime: Any) -> Any:
        came.append(runtime.context.num_critiques)
        return await NODES[name](state, runtime)

    def plain(state: Any, runtime: Any) -> Any:
        return asyncio.run(mine(state, runtime))

    graph = create_self_critique(nodes={name: plain if is_plain else mine}, model=model(), num_critiques=8).compile()
    output = graph.invoke(QUESTION) if synchronous else asyncio.run(graph.ainvoke(QUESTION))
    assert came == [8] * (2 if name == "classify" else 1)
    assert (output["answer"], output["stop_reason"], output["usage"].calls) == ("Paris", "accepted", 6)


@pytest.mark.parametrize("create", [create_self_critique, create_best_of_n])
def test_an_unknown_name_is_a_clear_error(create: Any):
    with pytest.raises(InputError, match=r"unknown nodes: 'criticise'.*generate, classify"):
        create(nodes={"criticise": critique})


def test_the_picture_stays_the_same():
    own = create_self_critique(nodes={"critique": lambda state, runtime: {}}).compile(name="self_critique")
    assert own.get_graph().draw_mermaid() == as_it_ships.get_graph().draw_mermaid()


def test_best_of_n_takes_nodes_as_well():
    async def draft(state: Any, runtime: Any) -> Any:
        return initial_update(await start_step(state, runtime, state["question"]), ["Lyon", "Paris"])

    graph = create_best_of_n(nodes={"generate": draft}, model=model()).compile()
    output = graph.invoke(QUESTION)
    assert (output["answer"], output["stop_reason"], output["usage"].calls) == ("Paris", "accepted", 2)


def test_what_a_node_asks_a_model_is_counted_and_the_budget_is_kept():
    async def mine(state: Any, runtime: Any) -> Any:
        step = Step(state, runtime)
        try:
            texts = await step.sampler("critic").sample(step.render_prompt("critique", answer=step.round.answer), 1)
        except SelfcriticError as failure:
            return step.update(stop=failure)
        return step.update(stop="no_helpful_critique", error=texts[0])

    graph = create_self_critique(nodes={"critique": mine}, model=model()).compile()
    output = graph.invoke(QUESTION)
    assert (output["error"], output["usage"].by_role["critic"].calls) == (LYON, 1)
    output = graph.invoke(QUESTION, context={"model": model(), "budget": Budget(calls=2)})
    assert (output["answer"], output["stop_reason"], output["usage"].calls) == ("Lyon", "budget", 2)


def test_what_a_node_raises_the_graph_raises():
    def mine(state: Any, runtime: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        create_self_critique(nodes={"select": mine}, model=model()).compile().invoke(QUESTION)


def test_a_run_goes_on_where_a_node_had_raised():
    failures = [OSError("down")]

    async def mine(state: Any, runtime: Any) -> Any:
        if failures:
            raise failures.pop()
        return await select(state, runtime)

    scripted = model()
    graph = create_self_critique(nodes={"select": mine}, model=scripted).compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    with pytest.raises(OSError, match="down"):
        graph.invoke(QUESTION, thread)
    output = graph.invoke(None, thread)
    assert (output["answer"], output["usage"].calls, len(scripted.requests)) == ("Paris", 6, 6)


def test_an_answer_that_is_there_is_taken_up_as_the_first_draft():
    scripted = model(generate=[])
    graph = create_self_critique(nodes={"generate": start_from_messages}, model=scripted).compile()
    output = graph.invoke({"messages": [HumanMessage("The capital?"), {"role": "ai", "content": "Lyon"}]})
    assert [draft.answer for draft in output["rounds"]] == ["Lyon", "Paris"]
    assert (output["stop_reason"], output["usage"].calls) == ("accepted", 5)
    assert "self_graded" not in output
    assert "Context:" not in scripted.requests[0][-1].text
