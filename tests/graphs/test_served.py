"""On LangGraph's server, a run that fails before its first draft ends with a readable result."""

from typing import Any

import langgraph_api.serde as serde  # type: ignore[import-untyped]
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from pydantic import ValidationError

from selfcritic.agent.errors import InputError, ModelError, UnknownTaskError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.state import State
from selfcritic.graphs import (
    create_best_of_n,
    create_fsbs,
    create_human_review,
    create_review,
    create_self_critique,
)

SERVED: Any = {"configurable": {"assistant_id": "a", "graph_id": "self_critique", "thread_id": "1"}}
"""What the server adds to a run's config."""
FACTORIES = [
    create_self_critique,
    create_best_of_n,
    create_review,
    create_fsbs,
    create_human_review,
]


def test_an_unsuitable_question_ends_as_a_result():
    graph: Any = create_self_critique(model="simulated").compile(checkpointer=InMemorySaver())
    output = graph.invoke({"question": "hi"}, SERVED)
    assert output["stop_reason"] == "invalid_input"
    assert "knows only these kinds of task" in output["error"]
    assert output["messages"][-1].text == output["error"]
    assert (output["answer"], output["rounds"]) == ("", [])


@pytest.mark.parametrize("create", FACTORIES)
def test_every_graph_reports_a_missing_question_or_answer(create: Any):
    graph = create(model="simulated").compile(checkpointer=InMemorySaver())
    output = graph.invoke({"question": ""}, SERVED)
    assert output["stop_reason"] == "invalid_input"
    assert output["error"].startswith(("The question is empty", "There is nothing to review"))


@pytest.mark.parametrize("create", FACTORIES)
def test_every_graph_reports_a_missing_model(create: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SELFCRITIC_MODEL", raising=False)
    graph = create().compile(checkpointer=InMemorySaver())
    output = graph.invoke({"question": "hi", "answer": "hello"}, SERVED)
    assert output["stop_reason"] == "invalid_input"
    assert output["error"].startswith("No model is set")


def test_a_provider_error_has_its_own_reason():
    model = ScriptedModel(script=[OSError("down")])
    graph: Any = create_self_critique(model=model, retries={"tries": 1}).compile(
        checkpointer=InMemorySaver()
    )
    output = graph.invoke({"question": "hi"}, SERVED)
    assert (output["stop_reason"], output["error"]) == ("model_error", output["messages"][-1].text)
    assert "down" in output["error"]


def test_the_next_question_of_a_thread_runs():
    graph: Any = create_self_critique(model="simulated?seed=1").compile(
        checkpointer=InMemorySaver()
    )
    graph.invoke({"question": "hi"}, SERVED)
    output = graph.invoke({"question": "What is 128 + 256?"}, SERVED)
    assert output["rounds"]
    assert output["error"] is None


def test_an_invalid_option_is_an_error_that_the_server_shows():
    graph: Any = create_self_critique(model="simulated").compile(checkpointer=InMemorySaver())
    with pytest.raises(ValidationError, match="did you mean 'num_critiques'"):
        graph.invoke({"question": "hi"}, SERVED, context={"critiqes": 1})


def test_without_a_server_the_error_is_raised():
    graph: Any = create_self_critique(model="simulated").compile()
    with pytest.raises(UnknownTaskError):
        graph.invoke({"question": "hi"})


def test_within_another_graph_of_the_server_the_error_is_raised():
    builder: Any = StateGraph(State)
    builder.add_node("answer", create_self_critique(model="simulated").compile())
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    with pytest.raises(UnknownTaskError):
        builder.compile(checkpointer=InMemorySaver()).invoke({"question": "hi"}, SERVED)


@pytest.mark.parametrize("error", [InputError, ModelError, UnknownTaskError])
def test_the_server_shows_the_message_of_each_error(error: type[Exception]):
    assert serde.default(error("the reason")) == {"error": error.__name__, "message": "the reason"}
