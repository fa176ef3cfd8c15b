"""LangGraph's `recursion_limit` ends a run with its best draft; it never raises after a draft."""

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command

from selfcritic.agent import Round
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.schemas import StopReason
from selfcritic.graphs import (
    create_best_of_n,
    create_fsbs,
    create_human_review,
    create_review,
    create_self_critique,
)
from selfcritic.prompts import parse_prompt

QUESTION: Any = {"question": "The capital of France?"}
ANSWERED: Any = {**QUESTION, "answer": "Lyon"}


class Chat(MessagesState, total=False):
    """Chat state that keeps the loop's results."""

    stop_reason: StopReason
    rounds: list[Round]


def never_satisfied() -> ScriptedModel:
    """Return a model whose every draft is flawed, and different from the others."""
    drafts = iter(f"Lyon {number}" for number in range(100))

    def reply(messages: list[Any]) -> str | float:
        name = parse_prompt(messages).name
        if name == "classify":
            return 0.9
        if name == "helpfulness":
            return 0.8
        if name in ("critique", "continue"):
            return "```\nLyon\n```\nIt is Paris."
        return next(drafts)

    return ScriptedModel(script=reply)


def loop(**options: Any) -> Any:
    options = {"num_critiques": 2, "max_rounds": 8, "patience": 9, **options}
    return create_self_critique(model=never_satisfied(), **options).compile()


@pytest.mark.parametrize("search", ["rejection", "fsbs"])
@pytest.mark.parametrize("limit", [3, 4, 5, 6, 7, 8, 9, 10, 25])
def test_loop_returns_its_best_draft_before_the_limit(limit: int, search: str):
    output = loop(search=search).invoke(QUESTION, {"recursion_limit": limit})
    assert output["stop_reason"] == "step_limit"
    assert output["answer"] == output["messages"][-1].text == "Lyon 0"
    assert output["p_critiqueable"] == 0.9
    assert output["error"] is None


def test_loop_uses_the_steps_that_it_has():
    output = loop().invoke(QUESTION, {"recursion_limit": 25})
    assert len(output["rounds"]) == 6
    assert loop().invoke(QUESTION, {"recursion_limit": 100})["stop_reason"] == "max_rounds"


def test_direct_refinement_stops_before_the_limit():
    output = loop(refinement="direct").invoke(QUESTION, {"recursion_limit": 9})
    assert output["stop_reason"] == "step_limit"


def test_loop_with_its_own_judge_and_stop_condition_stops_before_the_limit():
    def classify(state: Any, runtime: Any) -> Any:
        rounds = [*state["rounds"][:-1], state["rounds"][-1].model_copy()]
        return {"rounds": rounds, "answer": rounds[0].answer, "best_round": 0}

    graph = loop(nodes={"classify": classify}, stop_when=lambda state: False)
    output = graph.invoke(QUESTION, {"recursion_limit": 12})
    assert (output["stop_reason"], output["answer"]) == ("step_limit", "Lyon 0")


def test_node_of_a_parent_graph_stops_before_the_parents_limit():
    builder = StateGraph(Chat)
    builder.add_node("answer", loop())
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    chat: Any = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"recursion_limit": 25, "configurable": {"thread_id": "1"}}
    for number in range(3):  # a thread's steps do not add up
        output = chat.invoke({"messages": [HumanMessage(f"Question {number}")]}, config)
        assert output["stop_reason"] == "step_limit"
        assert len(output["rounds"]) == 6


@pytest.mark.parametrize("limit", [1, 2])
def test_a_limit_without_room_for_a_draft_is_an_error_before_the_first_request(limit: int):
    model = never_satisfied()
    graph = create_self_critique(model=model).compile()
    with pytest.raises(InputError, match=rf"`recursion_limit` is {limit}, .* set it to at least 3"):
        graph.invoke(QUESTION, {"recursion_limit": limit})
    assert model.requests == []
    best_of_n = create_best_of_n(model=model, num_drafts=2).compile()
    assert best_of_n.invoke(QUESTION, {"recursion_limit": 3})["stop_reason"] == "max_rounds"


@pytest.mark.parametrize("search", ["rejection", "fsbs"])
@pytest.mark.parametrize("limit", [7, 8, 12, 25])
def test_review_returns_the_critiques_that_it_has(limit: int, search: str):
    fsbs: Any = {"n": 2, "k": 1, "d": 16}
    graph: Any = create_review(
        model=never_satisfied(), search=search, fsbs=fsbs, num_critiques=2
    ).compile()
    output = graph.invoke(ANSWERED, {"recursion_limit": limit})
    assert output["stop_reason"] in ("reviewed", "step_limit")
    assert output["critique"].comments[0].quote == "Lyon"
    if search == "fsbs":
        assert output["stop_reason"] == "step_limit"
        assert len(output["rounds"][0].critiques) == 2 * ((limit - 1) // 3)


@pytest.mark.parametrize("limit", range(7, 26))
def test_search_selects_among_the_critiques_that_it_has(limit: int):
    fsbs: Any = {"n": 2, "k": 1, "d": 16}
    graph: Any = create_fsbs(model=never_satisfied(), fsbs=fsbs).compile()
    output = graph.invoke(ANSWERED, {"recursion_limit": limit})
    assert any(critique.selected for critique in output["rounds"][0].critiques)
    assert output["search_stop_reason"] == "step_limit"


@pytest.mark.parametrize("create", [create_review, create_fsbs, create_human_review])
def test_review_without_room_is_an_error_before_the_first_request(create: Any):
    model = never_satisfied()
    graph = create(model=model).compile(checkpointer=InMemorySaver())
    config = {"recursion_limit": 5, "configurable": {"thread_id": "1"}}
    with pytest.raises(InputError, match=r"`recursion_limit` is 5, .* at least 7"):
        graph.invoke(ANSWERED, config)
    assert model.requests == []


@pytest.mark.parametrize("search", ["rejection", "fsbs"])
def test_human_review_waits_for_its_decision(search: str):
    fsbs: Any = {"n": 2, "k": 1, "d": 16}
    graph: Any = create_human_review(
        model=never_satisfied(), search=search, fsbs=fsbs, num_critiques=2
    ).compile(checkpointer=InMemorySaver())
    config: Any = {"recursion_limit": 7, "configurable": {"thread_id": "1"}}
    output = graph.invoke(ANSWERED, config)
    [shown] = output["__interrupt__"]
    assert shown.value["comments"][0]["before"]["quote"] == "Lyon"
    for decision in ("search_again", "continue", "search_again"):
        output = graph.invoke(Command(resume={"next": decision}), config)
        assert output["__interrupt__"]
    output = graph.invoke(Command(resume={"next": "refine"}), config)
    assert (output["stop_reason"], output["answer"]) == ("reviewed", "Lyon 0")
