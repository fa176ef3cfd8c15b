"""A stop rule of the user's own: plain or async, asked once a verdict, and no draft is lost where it raises."""

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


def after_two_mends(state: State) -> bool:
    return len(state["rounds"]) > 2


async def after_two_mends_async(state: State) -> bool:
    await asyncio.sleep(0)
    return after_two_mends(state)


@pytest.mark.parametrize("rule", [after_two_mends, after_two_mends_async])
@pytest.mark.parametrize("synchronous", [True, False])
def test_the_rule_ends_the_run_with_the_best_draft(rule: Any, synchronous: bool):
    graph = create_self_critique(model=model(), stop_when=rule, **ENDLESS).compile()
    output = graph.invoke(QUESTION) if synchronous else asyncio.run(graph.ainvoke(QUESTION))
    assert (output["answer"], output["stop_reason"], output["best_round"]) == ("Lyon 1", "stop_when", 1)
    assert output["p_critiqueable"] == pytest.approx(0.6)
    assert (len(output["rounds"]), output["error"]) == (3, None)
    assert [message.text for message in output["messages"]] == ["Lyon 1"]


def test_the_rule_sees_what_the_nodes_share_after_each_verdict():
    seen: list[State] = []
    graph = create_self_critique(model=model([0.9, 0.6, 0.1]), stop_when=seen.append, **ENDLESS).compile()
    output = graph.invoke(QUESTION)
    assert output["stop_reason"] == "accepted"
    # The third draft was accepted by the loop itself: the rule is not asked there.
    assert [state["answer"] for state in seen] == ["Lyon", "Lyon 1"]
    assert [state["p_critiqueable"] for state in seen] == pytest.approx([0.9, 0.6])
    assert [state["usage"].calls for state in seen] == [2, 6]
    assert seen[1]["question"] == QUESTION["question"]


def test_the_ending_is_told_and_nothing_more_is_paid_for():
    scripted = model()
    graph = create_self_critique(model=scripted, stop_when=lambda state: True).compile()
    told = list(graph.stream(QUESTION, stream_mode="custom"))
    assert told[-1] == {"event": "stopped", "round": 0, "reason": "stop_when"}
    assert len(scripted.requests) == 2


def test_a_rule_that_raises_ends_the_run_and_says_so():
    def rule(state: State) -> bool:
        return 1 / (2 - len(state["rounds"])) < 0

    graph = create_self_critique(model=model(), stop_when=rule, **ENDLESS).compile()
    output = graph.invoke(QUESTION)
    assert (output["answer"], output["stop_reason"], len(output["rounds"])) == ("Lyon 1", "stop_when", 2)
    assert output["error"] == "stop_when raised ZeroDivisionError: division by zero"
    assert output["usage"].calls == 6


def test_a_rule_that_is_cancelled_is_not_one_that_failed():
    async def rule(state: State) -> bool:
        raise asyncio.CancelledError

    graph = create_self_critique(model=model(), stop_when=rule).compile()
    with pytest.raises(NodeCancelledError):
        asyncio.run(graph.ainvoke(QUESTION))


def test_the_rule_stands_beside_a_node_of_ones_own():
    def classify(state: State, runtime: Any) -> Any:
        return {"answer": "Lyon", "best": 0, "p_critiqueable": 0.7}

    graph = create_self_critique(
        model=model(), nodes={"classify": classify}, stop_when=lambda state: state["p_critiqueable"] == 0.7
    ).compile()
    output = graph.invoke(QUESTION)
    assert (output["answer"], output["stop_reason"], output["usage"].calls) == ("Lyon", "stop_when", 1)
