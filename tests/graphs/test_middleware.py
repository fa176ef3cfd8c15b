"""An agent's final answer is criticised and mended, and the caller sees why the loop stopped."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelCallLimitMiddleware, hook_config
from langchain.agents.structured_output import ToolStrategy
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel, ValidationError

from selfcritic.agent import Budget, Round, Usage
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs.checkpoints import serializer
from selfcritic.graphs.middleware import SelfCritiqueMiddleware

LYON = "```\nLyon\n```\nIt is Paris."
ASKED: Any = {"messages": [HumanMessage("The capital?", id="question")]}
LOOK_UP = AIMessage("", tool_calls=[{"name": "atlas", "args": {"country": "France"}, "id": "1"}])


class AgentModel(GenericFakeChatModel):
    """Says what it is told to say, and takes tools."""

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self


@tool
def atlas(country: str) -> str:
    """Look a country up."""
    return f"{country}: Paris"


def critic(**more: Any) -> ScriptedModel:
    script = {"classify": [0.9, 0.1], "critique": [LYON] * 8, "helpfulness": [0.8], "refine": ["Paris"]}
    return ScriptedModel(script=script | more)


def agent(*said: Any, middleware: Any = (), tools: Any = (), **options: Any) -> Any:
    answers = [AIMessage(one, id="answer") if isinstance(one, str) else one for one in said]
    return create_agent(AgentModel(messages=iter(answers)), list(tools), middleware=list(middleware), **options)


def run(agent: Any, synchronous: bool = True, given: Any = ASKED, *arguments: Any, **more: Any) -> Any:
    if synchronous:
        return agent.invoke(given, *arguments, **more)
    return asyncio.run(agent.ainvoke(given, *arguments, **more))


@pytest.mark.parametrize("synchronous", [True, False])
def test_the_final_answer_is_mended_in_its_place(synchronous: bool):
    said = AIMessage("Lyon", id="answer", response_metadata={"model_name": "theirs"})
    output = run(agent(said, middleware=[SelfCritiqueMiddleware(model=critic())]), synchronous)
    assert [(message.id, message.text) for message in output["messages"]] == [
        ("question", "The capital?"),
        ("answer", "Paris"),
    ]
    assert output["messages"][-1].response_metadata["model_name"] == "theirs"
    loop = output["self_critique"]
    assert (loop["answer"], loop["stop_reason"], loop["best_round"], loop["error"]) == ("Paris", "accepted", 1, None)
    assert [draft.answer for draft in loop["rounds"]] == ["Lyon", "Paris"]
    assert set(loop["usage"].by_role) == {"judge", "critic", "refiner"}
    assert loop["usage"].calls == 5
    assert not {"messages", "self_graded"} & set(loop)


def test_an_answer_that_is_accepted_stays_as_it_was():
    said = AIMessage([{"type": "text", "text": "Lyon"}], id="answer")
    output = run(agent(said, middleware=[SelfCritiqueMiddleware(model=critic(classify=[0.1]))]))
    assert output["messages"][-1].content == [{"type": "text", "text": "Lyon"}]
    assert (output["self_critique"]["stop_reason"], output["self_critique"]["usage"].calls) == ("accepted", 1)


@pytest.mark.parametrize("synchronous", [True, False])
def test_messages_to_tools_are_left_alone_and_the_critic_sees_what_tools_said(synchronous: bool):
    scripted = critic()
    mended = agent(LOOK_UP, "Lyon", tools=[atlas], middleware=[SelfCritiqueMiddleware(model=scripted)])
    output = run(mended, synchronous)
    assert [message.text for message in output["messages"]] == ["The capital?", "", "France: Paris", "Paris"]
    assert output["messages"][1].tool_calls == LOOK_UP.tool_calls
    assert len(scripted.requests) == 5
    for request in scripted.requests:
        assert "Tool: France: Paris\n```" in request[-1].text
        assert "Question:\n```\nThe capital?\n```" in request[-1].text


@pytest.mark.parametrize("calls", [1, 2, 3, 4])
def test_the_budget_is_kept_and_the_answer_with_it(calls: int):
    scripted = critic(classify=[0.9, 0.8])
    output = run(agent("Lyon", middleware=[SelfCritiqueMiddleware(model=scripted, budget=Budget(calls=calls))]))
    assert output["self_critique"]["stop_reason"] == "budget"
    assert output["self_critique"]["usage"].calls == len(scripted.requests) == calls
    assert output["messages"][-1].text == "Lyon"


def test_a_critic_that_fails_takes_no_answer_away():
    scripted = critic(classify=[OSError("the line is cut")])
    output = run(agent("Lyon", middleware=[SelfCritiqueMiddleware(model=scripted)]))
    assert output["messages"][-1].text == "Lyon"
    assert output["self_critique"]["stop_reason"] == "model_error"
    assert "the line is cut" in output["self_critique"]["error"]


def test_the_best_answer_comes_back_and_not_the_last():
    scripted = critic(classify=[0.6, 0.9])
    output = run(agent("Lyon", middleware=[SelfCritiqueMiddleware(model=scripted, max_rounds=1)]))
    assert (output["messages"][-1].text, output["self_critique"]["stop_reason"]) == ("Lyon", "max_rounds")
    assert [draft.answer for draft in output["self_critique"]["rounds"]] == ["Lyon", "Paris"]


class City(BaseModel):
    name: str


def test_a_structured_response_is_not_criticised():
    call = AIMessage("", tool_calls=[{"name": "City", "args": {"name": "Lyon"}, "id": "1"}])
    scripted = critic()
    output = run(
        agent(call, middleware=[SelfCritiqueMiddleware(model=scripted)], response_format=ToolStrategy(City))
    )  # fmt: skip
    assert (output["structured_response"], output["self_critique"]) == (City(name="Lyon"), None)
    assert scripted.requests == []


class EndsBeforeTheModel(AgentMiddleware):
    @hook_config(can_jump_to=["end"])
    def before_agent(self, state: Any, runtime: Any) -> Any:
        return {"jump_to": "end"}


def test_where_there_is_no_answer_nothing_is_criticised():
    scripted = critic()
    output = run(agent("Lyon", middleware=[SelfCritiqueMiddleware(model=scripted), EndsBeforeTheModel()]))
    assert [message.text for message in output["messages"]] == ["The capital?"]
    assert output.get("self_critique") is None
    assert scripted.requests == []


def test_an_answer_that_nobody_asked_for_is_left_alone():
    scripted = critic()
    output = run(agent("Lyon", middleware=[SelfCritiqueMiddleware(model=scripted)]), given={"messages": [LOOK_UP]})
    assert (output["messages"][-1].text, output["self_critique"]) == ("Lyon", None)
    assert scripted.requests == []


@pytest.mark.parametrize("synchronous", [True, False])
def test_a_question_too_long_for_the_loop_takes_no_answer_away(synchronous: bool):
    middleware = SelfCritiqueMiddleware(model=critic(), max_input_chars=5)
    output = run(agent("Lyon", middleware=[middleware]), synchronous)
    assert output["messages"][-1].text == "Lyon"
    loop = output["self_critique"]
    assert (loop["answer"], loop["stop_reason"], loop["usage"].calls) == ("Lyon", "model_error", 0)
    assert "the limit is 5" in loop["error"]


@pytest.mark.parametrize("synchronous", [True, False])
def test_on_a_thread_each_turn_has_its_own_run_and_the_records_are_read_back(synchronous: bool):
    scripted = critic(classify=[0.9, 0.1, 0.2])
    kept = agent(
        AIMessage("Lyon"),
        AIMessage("Rome"),
        middleware=[SelfCritiqueMiddleware(model=scripted)],
        checkpointer=InMemorySaver(serde=serializer()),
    )
    thread = {"configurable": {"thread_id": "1"}}
    first = run(kept, synchronous, {"messages": [("human", "France?")]}, thread)
    assert first["self_critique"]["stop_reason"] == "accepted"
    assert len(first["self_critique"]["rounds"]) == 2
    second = run(kept, synchronous, {"messages": [("human", "Italy?")]}, thread)
    assert [message.text for message in second["messages"]] == ["France?", "Paris", "Italy?", "Rome"]
    assert "Human: France?\nAI: Paris" in scripted.requests[-1][-1].text
    saved = kept.get_state(thread).values["self_critique"]
    assert isinstance(saved["usage"], Usage)
    assert [type(draft) for draft in saved["rounds"]] == [Round]
    assert saved["usage"].calls == 1


@dataclass
class Theirs:
    user: str


def test_the_agents_own_context_is_not_the_loops():
    mended = agent("Lyon", middleware=[SelfCritiqueMiddleware(model=critic())], context_schema=Theirs)
    assert run(mended, context=Theirs("ann"))["messages"][-1].text == "Paris"


def test_other_middleware_works_beside_it():
    both = [ModelCallLimitMiddleware(run_limit=5), SelfCritiqueMiddleware(model=critic())]
    assert run(agent("Lyon", middleware=both))["messages"][-1].text == "Paris"


def test_a_caller_cannot_hand_a_run_in():
    scripted = critic(classify=[0.1])
    given = {**ASKED, "self_critique": {"stop_reason": "accepted", "answer": "mine"}}
    output = run(agent("Lyon", middleware=[SelfCritiqueMiddleware(model=scripted)]), given=given)
    assert output["self_critique"]["answer"] == "Lyon"


def test_its_keywords_are_those_of_the_loop():
    middleware = SelfCritiqueMiddleware(
        model=critic(critique=[]),
        nodes={"critique": lambda state, runtime: {"stop_reason": "no_helpful_critique"}},
    )
    assert run(agent("Lyon", middleware=[middleware]))["self_critique"]["stop_reason"] == "no_helpful_critique"
    stopped = SelfCritiqueMiddleware(model=critic(), stop_when=lambda state: True)
    assert run(agent("Lyon", middleware=[stopped]))["self_critique"]["stop_reason"] == "stop_when"
    with pytest.raises(ValidationError):
        SelfCritiqueMiddleware(critics=3)
    with pytest.raises(InputError, match="unknown nodes: 'criticise'"):
        SelfCritiqueMiddleware(nodes={"criticise": lambda state, runtime: {}})


def test_streamed_tokens_are_the_agents_own_and_the_mend_comes_as_an_update():
    mended = agent("Lyon", middleware=[SelfCritiqueMiddleware(model=critic())])
    parts = list(mended.stream(ASKED, stream_mode=["messages", "updates"]))
    assert "".join(part[0].text for mode, part in parts if mode == "messages") == "Lyon"
    mode, update = parts[-1]
    assert (mode, list(update)) == ("updates", ["SelfCritiqueMiddleware.after_agent"])
    assert update["SelfCritiqueMiddleware.after_agent"]["messages"][0].text == "Paris"


def test_the_loops_events_come_through_the_agent():
    mended = agent("Lyon", middleware=[SelfCritiqueMiddleware(model=critic())])
    told = [part[1]["event"] for part in mended.stream(ASKED, stream_mode="custom", subgraphs=True)]
    assert (told[0], told[-1]) == ("draft", "stopped")
