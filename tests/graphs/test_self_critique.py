"""The loop's exact node order and final state for every stop reason, with the scripted model."""

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import ValidationError

from selfcritic.agent import Budget, Context
from selfcritic.agent.errors import BudgetExhausted, InputError, UnknownModelError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_self_critique

QUESTION = {"question": "Which city is the capital of France?"}
LYON = "```\nLyon\n```\nIt is Paris."
ROUND = ["critique", "select", "refine", "classify"]


def model(
    drafts=("Lyon",), verdicts=(0.9,), critiques=(LYON,) * 8, scores=(0.8,), mended=(), **more: Any
) -> ScriptedModel:
    script = {
        "generate": list(drafts),
        "classify": list(verdicts),
        "critique": list(critiques),
        "helpfulness": list(scores),
        "refine": list(mended),
    }
    return ScriptedModel(script=script | more)


def follow(scripted: ScriptedModel, given: Any = QUESTION, **options: Any) -> tuple[list[str], dict[str, Any]]:
    """The nodes in the order they ran, and what the run came to."""
    graph = create_self_critique(model=scripted, **options).compile()
    nodes: list[str] = []
    output: Any = {}
    for mode, part in graph.stream(given, stream_mode=["updates", "values"]):
        if mode == "updates":
            nodes += part
        else:
            output = part
    return nodes, output


def test_accepted_at_once_pays_for_nothing_more():
    nodes, output = follow(model(verdicts=[0.1]))
    assert nodes == ["generate", "classify"]
    assert (output["answer"], output["stop_reason"], output["best_round"]) == ("Lyon", "accepted", 0)
    assert output["p_critiqueable"] == pytest.approx(0.1)
    assert output["usage"].calls == 2


def test_mended_and_accepted():
    scripted = model(verdicts=[0.9, 0.1], mended=["Paris"])
    nodes, output = follow(scripted)
    assert nodes == ["generate", "classify", *ROUND]
    assert (output["answer"], output["stop_reason"], output["best_round"]) == ("Paris", "accepted", 1)
    assert [draft.answer for draft in output["rounds"]] == ["Lyon", "Paris"]
    first = output["rounds"][0]
    assert first.judged_by == "logprobs"
    assert len(first.critiques) == 8
    assert [critique.selected for critique in first.critiques] == [True] + [False] * 7
    [comment] = first.critiques[0].comments
    assert (comment.quote, comment.start, comment.end, comment.text) == ("Lyon", 0, 4, "It is Paris.")
    assert [critique.helpfulness for critique in first.critiques] == [pytest.approx(0.8)] * 8
    assert output["messages"][-1] == AIMessage("Paris", id=output["messages"][-1].id)


def test_usage_is_counted_by_part():
    _, output = follow(model(verdicts=[0.9, 0.1], mended=["Paris"]))
    usage = output["usage"]
    assert {part: spent.calls for part, spent in usage.by_role.items()} == {
        "generator": 1,
        "judge": 3,
        "critic": 1,
        "refiner": 1,
    }  # the critiques are one request, and eight equal ones are scored once
    assert usage.calls == 6
    assert usage.input_tokens == sum(spent.input_tokens for spent in usage.by_role.values()) > 0
    assert usage.output_tokens == sum(spent.output_tokens for spent in usage.by_role.values()) > 0


def test_no_helpful_critique():
    nodes, output = follow(model(scores=[0.2]))
    assert nodes == ["generate", "classify", "critique", "select"]
    assert (output["answer"], output["stop_reason"]) == ("Lyon", "no_helpful_critique")
    assert not any(critique.selected for critique in output["rounds"][0].critiques)


def test_a_critique_of_invented_quotes_never_wins():
    ungrounded = "```\nMarseille\n```\nIt is Paris."
    _, output = follow(model(critiques=[ungrounded] * 8, scores=[]))
    assert output["stop_reason"] == "no_helpful_critique"
    critique = output["rounds"][0].critiques[0]
    assert (critique.comments, critique.helpfulness) == ([], None)
    assert [comment.quote for comment in critique.ungrounded] == ["Marseille"]


def test_the_most_helpful_critique_is_the_one_that_mends():
    critiques = [f"```\nLyon\n```\nRemark {number}." for number in range(8)]
    scripted = model(
        critiques=critiques, scores=[0.1, 0.7, 0.2, 0.9, 0.6, 0.9, 0.3, 0.4], verdicts=[0.9, 0.1], mended=["Paris"]
    )
    _, output = follow(scripted)
    assert [critique.selected for critique in output["rounds"][0].critiques].index(True) == 3
    assert (
        "Remark 3." in next(messages for messages in scripted.requests if "Refinement:" in messages[-1].text)[-1].text
    )


def test_max_rounds_counts_refinements():
    scripted = model(verdicts=[0.9, 0.8, 0.7], critiques=[LYON] * 16, scores=[0.8] * 2, mended=["Lyon!", "Lyon!!"])
    nodes, output = follow(scripted, max_rounds=2)
    assert nodes == ["generate", "classify", *ROUND, *ROUND]
    assert (output["answer"], output["stop_reason"], output["best_round"]) == ("Lyon!!", "max_rounds", 2)


def test_no_refinement_allowed():
    nodes, output = follow(model(), max_rounds=0)
    assert nodes == ["generate", "classify"]
    assert output["stop_reason"] == "max_rounds"


def test_a_plateau_returns_the_best_draft_and_not_the_last():
    scripted = model(
        verdicts=[0.9, 0.6, 0.7, 0.8], critiques=[LYON] * 24, scores=[0.8] * 3, mended=["Lyon 1", "Lyon 2", "Lyon 3"]
    )
    nodes, output = follow(scripted, max_rounds=9)
    assert nodes == ["generate", "classify", *ROUND, *ROUND, *ROUND]
    assert (output["answer"], output["stop_reason"], output["best_round"]) == ("Lyon 1", "plateau", 1)
    assert output["p_critiqueable"] == pytest.approx(0.6)


def test_an_answer_that_was_there_before_ends_the_run_unjudged():
    nodes, output = follow(model(mended=[" Lyon\n"]))
    assert nodes == ["generate", "classify", "critique", "select", "refine"]
    assert (output["answer"], output["stop_reason"]) == ("Lyon", "repeated_answer")
    assert [draft.p_critiqueable for draft in output["rounds"]] == [pytest.approx(0.9)] * 2


BUDGETS = {
    1: (["generate", "classify"], "budget"),
    2: (["generate", "classify", "critique"], "budget"),
    3: (["generate", "classify", "critique", "select"], "budget"),
    4: (["generate", "classify", "critique", "select", "refine"], "budget"),
    5: (["generate", "classify", *ROUND], "budget"),
    6: (["generate", "classify", *ROUND], "accepted"),
}


@pytest.mark.parametrize("calls", BUDGETS)
def test_a_budget_of_calls_ends_the_run_and_keeps_the_best_draft(calls: int):
    scripted = model(verdicts=[0.9, 0.1], mended=["Paris"])
    nodes, output = follow(scripted, budget=Budget(calls=calls))
    assert (nodes, output["stop_reason"]) == BUDGETS[calls]
    assert len(scripted.requests) == output["usage"].calls == calls
    assert output["answer"] == ("Paris" if calls == 6 else "Lyon")
    assert output["messages"][-1].text == output["answer"]


@pytest.mark.parametrize("tokens", range(300, 2200, 100))
def test_a_budget_of_tokens_ends_the_run_and_keeps_the_best_draft(tokens: int):
    _, output = follow(model(verdicts=[0.9, 0.1], mended=["Paris"]), budget=Budget(tokens=tokens))
    assert output["stop_reason"] in ("budget", "accepted")
    assert output["usage"].input_tokens + output["usage"].output_tokens <= tokens + 100  # the last reply


def test_a_budget_too_small_for_a_draft_raises():
    with pytest.raises(BudgetExhausted, match="tokens"):
        follow(model(), budget=Budget(tokens=3))


def test_several_drafts_are_kept_by_lowest_probability():
    nodes, output = follow(model(drafts=["Lyon", "Nice", "Paris"], verdicts=[0.9, 0.8, 0.2]), num_drafts=3)
    assert nodes == ["generate", "classify"]
    assert output["answer"] == "Paris"
    assert [candidate.answer for candidate in output["rounds"][0].candidates] == ["Lyon", "Nice", "Paris"]
    assert output["usage"].calls == 4


def test_direct_refinement_asks_for_no_critique():
    scripted = model(verdicts=[0.9, 0.1], refine_directly=["Paris"])
    nodes, output = follow(scripted, refinement="direct")
    assert nodes == ["generate", "classify", "refine", "classify"]
    assert (output["answer"], output["rounds"][0].critiques) == ("Paris", [])


def test_several_critiques_about_different_words_are_followed_at_once():
    two = [LYON, "```\nbig\n```\nIt is small."]
    refiner = ScriptedModel(script=["Paris is small"])
    scripted = model(
        drafts=["Lyon is big"], verdicts=[0.9, 0.1], critiques=[*two, two[0] + " And old."], scores=[0.7, 0.9, 0.8]
    )
    _, output = follow(scripted, num_critiques=3, critiques_per_refinement=3, refiner=refiner)
    critiques = output["rounds"][0].critiques
    assert sorted((one.helpfulness, one.selected) for one in critiques) == [(0.7, False), (0.8, True), (0.9, True)]
    asked = str(refiner.requests[0])
    assert "It is small." in asked
    assert "And old." in asked
    assert asked.count("It is Paris.") == 1


def test_a_part_of_its_own_model():
    critic = ScriptedModel(script=[LYON] * 8)
    scripted = model(critiques=[], verdicts=[0.9, 0.1], mended=["Paris"])
    _, output = follow(scripted, critic=critic)
    assert output["answer"] == "Paris"
    assert len(critic.requests) == 1


def test_messages_bring_the_question_and_take_the_answer():
    graph = create_self_critique(model=model(verdicts=[0.1])).compile()
    output = graph.invoke({"messages": [HumanMessage("Hello?"), AIMessage("Yes?"), HumanMessage("The capital?")]})
    assert [message.text for message in output["messages"]] == ["Hello?", "Yes?", "The capital?", "Lyon"]


def test_a_run_on_the_same_thread_starts_afresh():
    from langgraph.checkpoint.memory import InMemorySaver

    scripted = model(drafts=["Lyon", "Nice"], verdicts=[0.1, 0.2])
    graph = create_self_critique(model=scripted).compile(checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    graph.invoke({"messages": [HumanMessage("First?")]}, thread)
    output = graph.invoke({"messages": [HumanMessage("Second?")]}, thread)
    assert (output["answer"], len(output["rounds"]), output["usage"].calls) == ("Nice", 1, 2)
    assert "Second?" in scripted.requests[2][-1].text


def test_ainvoke_and_astream_work_the_same():
    graph = create_self_critique(model=model(verdicts=[0.9, 0.1], mended=["Paris"])).compile()
    assert asyncio.run(graph.ainvoke(QUESTION))["answer"] == "Paris"


def test_invoke_works_inside_a_running_loop():
    async def inside():
        return create_self_critique(model=model(verdicts=[0.1])).compile().invoke(QUESTION)

    assert asyncio.run(inside())["answer"] == "Lyon"


def test_token_streaming_changes_no_result():
    scripted = model(verdicts=[0.9, 0.1], mended=["Paris"])
    graph = create_self_critique(model=scripted).compile()
    parts = list(graph.stream(QUESTION, stream_mode=["messages", "values"]))
    assert parts[-1][1]["answer"] == "Paris"
    assert len(parts[-1][1]["rounds"][0].critiques) == 8
    assert any(mode == "messages" and part[0].text == "Lyon" for mode, part in parts)


def test_the_options_of_a_run_win_and_the_others_stay():
    scripted = model(verdicts=[0.9], scores=[0.4], critiques=[LYON] * 3)
    graph = create_self_critique(model=scripted, helpful_threshold=0.7, num_critiques=8).compile()
    for context in ({"num_critiques": 3}, Context(num_critiques=3)):
        scripted._positions.clear()
        output = graph.invoke(QUESTION, context=context)
        assert len(output["rounds"][0].critiques) == 3
        assert output["stop_reason"] == "no_helpful_critique"


@pytest.mark.parametrize(
    "options",
    [
        {"num_critiques": 0},
        {"num_drafts": 0},
        {"max_rounds": -1},
        {"accept_threshold": 1.5},
        {"helpful_threshold": -0.1},
        {"num_votes": 0},
        {"kind": "poem"},
        {"budget": {"calls": 0}},
        {"critics": 3},
    ],
)
def test_options_out_of_bounds_are_refused(options: dict[str, Any]):
    with pytest.raises(ValidationError):
        create_self_critique(**options)
    with pytest.raises(ValidationError):
        create_self_critique(model=model()).compile().invoke(QUESTION, context=options)


@pytest.mark.parametrize(
    ("given", "options", "complaint"),
    [
        ({"question": "  \n"}, {}, "question is empty"),
        ({}, {}, "question is empty"),
        ({"messages": [AIMessage("I was last.")]}, {}, "question is empty"),
        ({"question": "x" * 1_000_000}, {}, "1,000,000 characters"),
        ({"question": "Sum it up."}, {"task_type": "summary"}, "needs the passage"),
    ],
)
def test_bad_input_is_refused_before_anything_is_paid(given: Any, options: dict[str, Any], complaint: str):
    scripted = model()
    with pytest.raises(InputError, match=complaint):
        create_self_critique(model=scripted, **options).compile().invoke(given)
    assert scripted.requests == []


def test_events_tell_of_each_draft_critique_score_and_decision():
    graph = create_self_critique(model=model(verdicts=[0.9, 0.1], mended=["Paris"]), num_critiques=2).compile()
    told = [(event["round"], event["event"]) for event in graph.stream(QUESTION, stream_mode="custom")]
    assert told == [
        (0, "draft"), (0, "judged"), (0, "critique"), (0, "critique"), (0, "scored"), (0, "selected"),
        (1, "draft"), (1, "judged"), (1, "stopped"),
    ]  # fmt: skip


def test_speculation_draws_the_critiques_beside_the_verdict():
    scripted = model(verdicts=[0.9, 0.1], mended=["Paris"], critiques=[LYON] * 16)
    nodes, output = follow(scripted, speculative=True)
    assert nodes == ["generate", "classify", *ROUND]
    assert (output["answer"], output["usage"].by_role["critic"].calls) == ("Paris", 2)
    assert len(output["rounds"][1].critiques) == 8  # drawn in vain, but paid for and kept


def test_speculation_that_fails_is_asked_for_again():
    scripted = model(verdicts=[0.9, 0.1], mended=["Paris"], critiques=[OSError("down"), *[LYON] * 16])
    _, output = follow(scripted, speculative=True, num_critiques=1)
    assert (output["answer"], output["stop_reason"]) == ("Paris", "accepted")


@pytest.mark.parametrize("role", ["classify", "critique", "helpfulness", "refine"])
def test_once_there_is_a_draft_no_failure_raises(role: str):
    parts = {"classify": "verdicts", "critique": "critiques", "helpfulness": "scores", "refine": "mended"}
    scripted = model(**{"verdicts": [0.9, 0.1], "mended": ["Paris"]} | {parts[role]: [OSError("the line is cut")] * 8})
    _, output = follow(scripted)
    assert (output["answer"], output["stop_reason"]) == ("Lyon", "model_error")
    assert "the line is cut" in output["error"]
    assert output["messages"][-1].text == "Lyon"


@pytest.mark.parametrize("part", ["judge", "critic", "refiner"])
def test_a_model_that_is_not_there_is_told_before_another_is_paid(part: str):
    model = ScriptedModel(script=lambda messages: "Lyon")
    graph = create_self_critique(model=model, **{part: "misspelt"}).compile()
    with pytest.raises(UnknownModelError, match="There is no model 'misspelt'"):
        graph.invoke({"question": "Which city?"})
    assert model.requests == []
