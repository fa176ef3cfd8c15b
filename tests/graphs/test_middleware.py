"""Middleware: an agent's final answer is criticized and refined."""

import asyncio
import logging
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
from selfcritic.agent.errors import InputError, UnknownModelError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.schemas import Retries
from selfcritic.graphs.checkpoints import serializer
from selfcritic.graphs.middleware import SelfCritiqueMiddleware

LYON = "```\nLyon\n```\nIt is Paris."
QUESTION: Any = {"messages": [HumanMessage("The capital?", id="question")]}
LOOK_UP = AIMessage("", tool_calls=[{"name": "atlas", "args": {"country": "France"}, "id": "1"}])


class AgentModel(GenericFakeChatModel):
    """Returns scripted replies and accepts tools."""

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self


@tool
def atlas(country: str) -> str:
    """Look up a country."""
    return f"{country}: Paris"


def critic(**changes: Any) -> ScriptedModel:
    """Return a model that rejects Lyon and refines it to Paris."""
    script = {
        "classify": [0.9, 0.1],
        "critique": [LYON] * 8,
        "helpfulness": [0.8],
        "refine": ["Paris"],
    }
    return ScriptedModel(script=script | changes)


def make_agent(*replies: Any, middleware: Any = (), tools: Any = (), **options: Any) -> Any:
    messages = [
        AIMessage(reply, id="answer") if isinstance(reply, str) else reply for reply in replies
    ]
    return create_agent(
        AgentModel(messages=iter(messages)), list(tools), middleware=list(middleware), **options
    )


def run(
    agent: Any, synchronous: bool = True, state: Any = QUESTION, *arguments: Any, **options: Any
) -> Any:
    if synchronous:
        return agent.invoke(state, *arguments, **options)
    return asyncio.run(agent.ainvoke(state, *arguments, **options))


@pytest.mark.parametrize("synchronous", [True, False])
def test_replaces_the_final_answer(synchronous: bool):
    answer = AIMessage("Lyon", id="answer", response_metadata={"model_name": "agent-model"})
    output = run(
        make_agent(answer, middleware=[SelfCritiqueMiddleware(model=critic())]), synchronous
    )
    assert [(message.id, message.text) for message in output["messages"]] == [
        ("question", "The capital?"),
        ("answer", "Paris"),
    ]
    assert output["messages"][-1].response_metadata["model_name"] == "agent-model"
    loop = output["self_critique"]
    assert (loop["answer"], loop["stop_reason"], loop["best_round"], loop["error"]) == (
        "Paris",
        "accepted",
        1,
        None,
    )
    assert [round_.answer for round_ in loop["rounds"]] == ["Lyon", "Paris"]
    assert set(loop["usage"].by_role) == {"judge", "critic", "refiner"}
    assert loop["usage"].calls == 5
    assert "messages" not in loop
    assert not loop["self_graded"]


def test_does_not_change_an_accepted_answer():
    answer = AIMessage([{"type": "text", "text": "Lyon"}], id="answer")
    output = run(
        make_agent(answer, middleware=[SelfCritiqueMiddleware(model=critic(classify=[0.1]))])
    )
    assert output["messages"][-1].content == [{"type": "text", "text": "Lyon"}]
    assert (output["self_critique"]["stop_reason"], output["self_critique"]["usage"].calls) == (
        "accepted",
        1,
    )


@pytest.mark.parametrize("synchronous", [True, False])
def test_keeps_tool_calls_and_shows_tool_results_to_the_critic(synchronous: bool):
    scripted = critic()
    with_tools = make_agent(
        LOOK_UP, "Lyon", tools=[atlas], middleware=[SelfCritiqueMiddleware(model=scripted)]
    )
    output = run(with_tools, synchronous)
    assert [message.text for message in output["messages"]] == [
        "The capital?",
        "",
        "France: Paris",
        "Paris",
    ]
    assert output["messages"][1].tool_calls == LOOK_UP.tool_calls
    assert len(scripted.requests) == 5
    for request in scripted.requests:
        assert "Tool: France: Paris\n```" in request[-1].text
        assert "Question:\n```\nThe capital?\n```" in request[-1].text


@pytest.mark.parametrize("calls", [1, 2, 3, 4])
def test_keeps_the_answer_and_the_budget_if_the_budget_is_spent(calls: int):
    scripted = critic(classify=[0.9, 0.8])
    output = run(
        make_agent(
            "Lyon", middleware=[SelfCritiqueMiddleware(model=scripted, budget=Budget(calls=calls))]
        )
    )
    assert output["self_critique"]["stop_reason"] == "budget"
    assert output["self_critique"]["usage"].calls == len(scripted.requests) == calls
    assert output["messages"][-1].text == "Lyon"


def test_keeps_the_answer_if_the_critic_fails():
    scripted = critic(classify=[OSError("the line is cut")])
    output = run(make_agent("Lyon", middleware=[SelfCritiqueMiddleware(model=scripted)]))
    assert output["messages"][-1].text == "Lyon"
    assert output["self_critique"]["stop_reason"] == "model_error"
    assert "the line is cut" in output["self_critique"]["error"]


@pytest.mark.parametrize("budget", [Budget(calls=2), Budget(seconds=0.3)])
def test_names_the_error_of_a_server_that_is_down_when_the_budget_is_spent(budget: Budget):
    scripted = critic(classify=[ConnectionRefusedError(111, "Connection refused")] * 99)
    retries = Retries(first_wait=0.01, max_wait=0.01, tries=99)
    middleware = SelfCritiqueMiddleware(model=scripted, budget=budget, retries=retries)
    output = run(make_agent("Lyon", middleware=[middleware]))
    assert output["messages"][-1].text == "Lyon"
    assert output["self_critique"]["stop_reason"] == "budget"
    assert "Connection refused" in output["self_critique"]["error"]


def test_returns_the_best_answer_not_the_last():
    scripted = critic(classify=[0.6, 0.9])
    output = run(
        make_agent("Lyon", middleware=[SelfCritiqueMiddleware(model=scripted, max_rounds=1)])
    )
    assert (output["messages"][-1].text, output["self_critique"]["stop_reason"]) == (
        "Lyon",
        "max_rounds",
    )
    assert [round_.answer for round_ in output["self_critique"]["rounds"]] == ["Lyon", "Paris"]


class City(BaseModel):
    name: str


def test_does_not_criticize_a_structured_response():
    call = AIMessage("", tool_calls=[{"name": "City", "args": {"name": "Lyon"}, "id": "1"}])
    scripted = critic()
    middleware = [SelfCritiqueMiddleware(model=scripted)]
    output = run(make_agent(call, middleware=middleware, response_format=ToolStrategy(City)))
    assert (output["structured_response"], output["self_critique"]) == (City(name="Lyon"), None)
    assert scripted.requests == []


class EndsBeforeTheModel(AgentMiddleware):
    @hook_config(can_jump_to=["end"])
    def before_agent(self, state: Any, runtime: Any) -> Any:
        return {"jump_to": "end"}


def test_does_nothing_without_an_answer():
    scripted = critic()
    output = run(
        make_agent(
            "Lyon", middleware=[SelfCritiqueMiddleware(model=scripted), EndsBeforeTheModel()]
        )
    )
    assert [message.text for message in output["messages"]] == ["The capital?"]
    assert output.get("self_critique") is None
    assert scripted.requests == []


def test_does_nothing_without_a_question():
    scripted = critic()
    output = run(
        make_agent("Lyon", middleware=[SelfCritiqueMiddleware(model=scripted)]),
        state={"messages": [LOOK_UP]},
    )
    assert (output["messages"][-1].text, output["self_critique"]) == ("Lyon", None)
    assert scripted.requests == []


@pytest.mark.parametrize("synchronous", [True, False])
def test_keeps_the_answer_if_the_question_is_too_long(synchronous: bool):
    middleware = SelfCritiqueMiddleware(model=critic(), max_input_chars=5)
    output = run(make_agent("Lyon", middleware=[middleware]), synchronous)
    assert output["messages"][-1].text == "Lyon"
    loop = output["self_critique"]
    assert (loop["answer"], loop["stop_reason"], loop["usage"].calls) == (
        "Lyon",
        "invalid_input",
        0,
    )
    assert "the limit is 5" in loop["error"]


@pytest.mark.parametrize("synchronous", [True, False])
def test_runs_once_per_turn_of_a_thread_and_restores_records(synchronous: bool):
    scripted = critic(classify=[0.9, 0.1, 0.2])
    with_memory = make_agent(
        AIMessage("Lyon"),
        AIMessage("Rome"),
        middleware=[SelfCritiqueMiddleware(model=scripted)],
        checkpointer=InMemorySaver(serde=serializer()),
    )
    thread = {"configurable": {"thread_id": "1"}}
    first = run(with_memory, synchronous, {"messages": [("human", "France?")]}, thread)
    assert first["self_critique"]["stop_reason"] == "accepted"
    assert len(first["self_critique"]["rounds"]) == 2
    second = run(with_memory, synchronous, {"messages": [("human", "Italy?")]}, thread)
    assert [message.text for message in second["messages"]] == [
        "France?",
        "Paris",
        "Italy?",
        "Rome",
    ]
    assert "Human: France?\nAI: Paris" in scripted.requests[-1][-1].text
    saved = with_memory.get_state(thread).values["self_critique"]
    assert isinstance(saved["usage"], Usage)
    assert [type(round_) for round_ in saved["rounds"]] == [Round]
    assert saved["usage"].calls == 1


@dataclass
class AgentContext:
    user: str


def test_ignores_the_agents_context():
    with_context = make_agent(
        "Lyon", middleware=[SelfCritiqueMiddleware(model=critic())], context_schema=AgentContext
    )
    assert run(with_context, context=AgentContext("ann"))["messages"][-1].text == "Paris"


def test_works_with_other_middleware():
    middleware = [ModelCallLimitMiddleware(run_limit=5), SelfCritiqueMiddleware(model=critic())]
    assert run(make_agent("Lyon", middleware=middleware))["messages"][-1].text == "Paris"


def test_ignores_a_loop_output_in_the_input():
    scripted = critic(classify=[0.1])
    state = {**QUESTION, "self_critique": {"stop_reason": "accepted", "answer": "mine"}}
    output = run(
        make_agent("Lyon", middleware=[SelfCritiqueMiddleware(model=scripted)]), state=state
    )
    assert output["self_critique"]["answer"] == "Lyon"


def test_accepts_the_keywords_of_the_loop():
    middleware = SelfCritiqueMiddleware(
        model=critic(critique=[]),
        nodes={"critique": lambda state, runtime: {"stop_reason": "no_helpful_critique"}},
    )
    assert (
        run(make_agent("Lyon", middleware=[middleware]))["self_critique"]["stop_reason"]
        == "no_helpful_critique"
    )
    stopped = SelfCritiqueMiddleware(model=critic(), stop_when=lambda state: True)
    assert (
        run(make_agent("Lyon", middleware=[stopped]))["self_critique"]["stop_reason"] == "stop_when"
    )
    with pytest.raises(ValidationError):
        SelfCritiqueMiddleware(critics=3)  # type: ignore[call-arg]
    with pytest.raises(InputError, match="unknown nodes: 'criticize'"):
        SelfCritiqueMiddleware(nodes={"criticize": lambda state, runtime: {}})


def test_streams_the_agents_tokens_and_sends_the_refined_answer_as_an_update():
    with_critique = make_agent("Lyon", middleware=[SelfCritiqueMiddleware(model=critic())])
    parts = list(with_critique.stream(QUESTION, stream_mode=["messages", "updates"]))
    assert "".join(part[0].text for mode, part in parts if mode == "messages") == "Lyon"
    mode, update = parts[-1]
    assert (mode, list(update)) == ("updates", ["SelfCritiqueMiddleware.after_agent"])
    assert update["SelfCritiqueMiddleware.after_agent"]["messages"][0].text == "Paris"


@pytest.mark.parametrize("subgraphs", [True, False])
@pytest.mark.parametrize("synchronous", [True, False])
def test_streams_the_loops_events_once_through_the_agent(synchronous: bool, subgraphs: bool):
    agent = make_agent("Lyon", middleware=[SelfCritiqueMiddleware(model=critic())])
    parts = collect(agent, synchronous, stream_mode="custom", subgraphs=subgraphs)
    events = [part[1] if subgraphs else part for part in parts]
    names = [event["event"] for event in events]
    assert (names[0], names[-1]) == ("draft", "stopped")
    assert names.count("critique") == 8
    assert (events[-1]["reason"], events[-1]["answer"]) == ("accepted", "Paris")


def collect(agent: Any, synchronous: bool, **options: Any) -> list[Any]:
    """Return all parts of a stream."""
    if synchronous:
        return list(agent.stream(QUESTION, **options))

    async def collect_async() -> list[Any]:
        return [part async for part in agent.astream(QUESTION, **options)]

    return asyncio.run(collect_async())


@pytest.mark.parametrize("synchronous", [True, False])
def test_the_agents_recursion_limit_does_not_end_the_loop(synchronous: bool):
    model = critic(
        classify=[0.9] * 9,
        critique=[LYON] * 64,
        helpfulness=[0.8] * 8,
        refine=[f"Lyon {number}" for number in range(8)],
    )
    middleware = SelfCritiqueMiddleware(model=model, max_rounds=8, patience=9)
    agent = make_agent("Lyon", middleware=[middleware])
    loop = run(agent, synchronous, QUESTION, {"recursion_limit": 12})["self_critique"]
    assert (loop["stop_reason"], len(loop["rounds"])) == ("max_rounds", 9)


class LoopModel(ScriptedModel):
    """A scripted model that accepts tools, as an agent requires."""

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self


@pytest.mark.parametrize("synchronous", [True, False])
def test_all_roles_use_the_agents_model_by_default(synchronous: bool):
    model = LoopModel(script=["Lyon", 0.9, *[LYON] * 8, 0.8, "Paris", 0.1])
    agent = create_agent(model, [atlas], middleware=[SelfCritiqueMiddleware()])
    output = run(agent, synchronous)
    assert output["messages"][-1].text == "Paris"
    assert output["self_critique"]["stop_reason"] == "accepted"
    assert set(output["self_critique"]["usage"].by_role) == {"judge", "critic", "refiner"}


def test_a_role_with_its_own_model_keeps_it():
    judge = ScriptedModel(script=[0.1])
    model = LoopModel(script=["Lyon"])
    output = run(create_agent(model, middleware=[SelfCritiqueMiddleware(judge=judge)]))
    assert output["self_critique"]["stop_reason"] == "accepted"
    assert len(judge.requests) == 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model": "nosuch"}, UnknownModelError),
        ({"critic": "nosuch"}, UnknownModelError),
        ({"fallbacks": {"judge": ["nosuch"]}}, UnknownModelError),
        ({"model": "none"}, UnknownModelError),
        ({"prompts": "nosuch"}, InputError),
        ({"prompt_dir": "nosuch"}, InputError),
    ],
)
def test_wrong_names_are_rejected_at_construction(options: Any, error: type[Exception]):
    with pytest.raises(error, match=r"nosuch|none"):
        SelfCritiqueMiddleware(**options)


@pytest.mark.parametrize("synchronous", [True, False])
def test_a_rejected_answer_is_logged_and_ends_the_events(
    synchronous: bool, caplog: pytest.LogCaptureFixture
):
    middleware = SelfCritiqueMiddleware(model=critic(), max_input_chars=5)
    agent = make_agent("Lyon", middleware=[middleware])
    with caplog.at_level(logging.WARNING, "selfcritic"):
        [event] = collect(agent, synchronous, stream_mode="custom")
    [record] = caplog.records
    assert record.getMessage().startswith("The agent's answer was not criticized: ")
    assert (event["event"], event["reason"], event["answer"]) == (
        "stopped",
        "invalid_input",
        "Lyon",
    )
    assert "the limit is 5" in event["error"]
    assert event["usage"]["calls"] == 0


@pytest.mark.parametrize("synchronous", [True, False])
def test_output_states_whether_the_agents_model_is_the_critic(synchronous: bool):
    same = create_agent(LoopModel(script=["Lyon", 0.1]), middleware=[SelfCritiqueMiddleware()])
    assert run(same, synchronous)["self_critique"]["self_graded"]
    for options in ({"model": critic(classify=[0.1])}, {"critic": critic()}, {"critic": "none"}):
        agent = create_agent(
            LoopModel(script=["Lyon", 0.1]), middleware=[SelfCritiqueMiddleware(**options)]
        )
        assert not run(agent, synchronous)["self_critique"]["self_graded"]


def test_agents_that_share_the_middleware_keep_their_models():
    middleware = SelfCritiqueMiddleware(max_rounds=0)
    models = [LoopModel(script=[f"answer {number}", 0.1]) for number in range(8)]
    agents = [create_agent(model, middleware=[middleware]) for model in models]

    async def run_all() -> list[Any]:
        return await asyncio.gather(*(agent.ainvoke(QUESTION) for agent in agents))

    outputs = asyncio.run(run_all())
    assert [output["self_critique"]["stop_reason"] for output in outputs] == ["accepted"] * 8
    assert [len(model.requests) for model in models] == [2] * 8


def test_right_answers_are_not_replaced_by_another_model():
    for first in range(20):
        question = f"What is {9287 + first} + 36672?"
        right_answer = str(9287 + first + 36672)
        model = LoopModel(script=[right_answer, *[0.9, *["No flaw."] * 8, 0.1]])
        agent = create_agent(model, middleware=[SelfCritiqueMiddleware()])
        output = run(agent, state={"messages": [HumanMessage(question)]})
        assert output["messages"][-1].text == right_answer
        assert output["self_critique"]["stop_reason"] == "no_helpful_critique"
