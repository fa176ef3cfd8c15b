"""Custom stop conditions: sync or async, called after each verdict; an error in one loses no draft."""

import asyncio
from typing import Any

import pytest
from langgraph.errors import NodeCancelledError

from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.state import State
from selfcritic.graphs import create_self_critique

QUESTION = {"question": "Which city is the capital of France?"}
LYON = "```\nLyon\n```\nIt is Paris."
ENDLESS: dict[str, Any] = {"max_rounds": 50, "patience": 50}


def model(verdicts=(0.9, 0.6, 0.8)) -> ScriptedModel:
    return ScriptedModel(
        script={
            "generate": ["Lyon"],
            "classify": list(verdicts),
            "critique": [LYON] * 24,
            "helpfulness": [0.8] * 3,
            "refine": ["Lyon 1", "Lyon 2", "Lyon 3"],
        }
    )


def after_two_refinements(state: State) -> bool:
    return len(state["rounds"]) > 2


async def after_two_refinements_async(state: State) -> bool:
    await asyncio.sleep(0)
    return after_two_refinements(state)


@pytest.mark.parametrize("condition", [after_two_refinements, after_two_refinements_async])
@pytest.mark.parametrize("synchronous", [True, False])
def test_condition_ends_the_run_with_the_best_draft(condition: Any, synchronous: bool):
    graph = create_self_critique(model=model(), stop_when=condition, **ENDLESS).compile()
    output = graph.invoke(QUESTION) if synchronous else asyncio.run(graph.ainvoke(QUESTION))
    assert (output["answer"], output["stop_reason"], output["best_round"]) == (
        "Lyon 1",
        "stop_when",
        1,
    )
    assert output["p_critiqueable"] == pytest.approx(0.6)
    assert (len(output["rounds"]), output["error"]) == (3, None)
    assert [message.text for message in output["messages"]] == ["Lyon 1"]


def test_condition_gets_the_state_after_each_verdict():
    states: list[State] = []
    graph = create_self_critique(
        model=model([0.9, 0.6, 0.1]), stop_when=states.append, **ENDLESS
    ).compile()
    output = graph.invoke(QUESTION)
    assert output["stop_reason"] == "accepted"
    # The loop accepted the third draft, so it did not call the condition.
    assert [state["answer"] for state in states] == ["Lyon", "Lyon 1"]
    assert [state["p_critiqueable"] for state in states] == pytest.approx([0.9, 0.6])
    assert [state["usage"].calls for state in states] == [2, 6]
    assert states[1]["question"] == QUESTION["question"]


def test_stop_emits_an_event_and_ends_requests():
    scripted = model()
    graph = create_self_critique(model=scripted, stop_when=lambda state: True).compile()
    events = list(graph.stream(QUESTION, stream_mode="custom"))
    stopped = events[-1]
    del stopped["usage"]
    assert stopped == {
        "event": "stopped",
        "round": 0,
        "reason": "stop_when",
        "answer": events[0]["answer"],
        "best_round": 0,
        "error": None,
    }
    assert len(scripted.requests) == 2


def test_condition_that_raises_ends_the_run_with_an_error():
    def condition(state: State) -> bool:
        return 1 / (2 - len(state["rounds"])) < 0

    graph = create_self_critique(model=model(), stop_when=condition, **ENDLESS).compile()
    output = graph.invoke(QUESTION)
    assert (output["answer"], output["stop_reason"], len(output["rounds"])) == (
        "Lyon 1",
        "stop_when",
        2,
    )
    assert output["error"] == "stop_when raised ZeroDivisionError: division by zero"
    assert output["usage"].calls == 6


def test_cancelled_condition_cancels_the_run():
    async def condition(state: State) -> bool:
        raise asyncio.CancelledError

    graph = create_self_critique(model=model(), stop_when=condition).compile()
    with pytest.raises(NodeCancelledError):
        asyncio.run(graph.ainvoke(QUESTION))


def test_condition_works_with_a_custom_node():
    def classify(state: State, runtime: Any) -> Any:
        return {"answer": "Lyon", "best_round": 0, "p_critiqueable": 0.7}

    def condition(state: State) -> bool:
        return state["p_critiqueable"] == 0.7

    graph = create_self_critique(
        model=model(), nodes={"classify": classify}, stop_when=condition
    ).compile()
    output = graph.invoke(QUESTION)
    assert (output["answer"], output["stop_reason"], output["usage"].calls) == (
        "Lyon",
        "stop_when",
        1,
    )
