"""The loop's node order and final state for every stop reason, with the scripted model."""

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
    drafts=("Lyon",),
    verdicts=(0.9,),
    critiques=(LYON,) * 8,
    scores=(0.8,),
    refined=(),
    **other_replies: Any,
) -> ScriptedModel:
    script = {
        "generate": list(drafts),
        "classify": list(verdicts),
        "critique": list(critiques),
        "helpfulness": list(scores),
        "refine": list(refined),
    }
    return ScriptedModel(script=script | other_replies)


def follow(
    scripted: ScriptedModel, graph_input: Any = QUESTION, **options: Any
) -> tuple[list[str], dict[str, Any]]:
    """Return the nodes in the order they ran, and the output."""
    graph = create_self_critique(model=scripted, **options).compile()
    nodes: list[str] = []
    output: Any = {}
    for mode, part in graph.stream(graph_input, stream_mode=["updates", "values"]):
        if mode == "updates":
            nodes += part
        else:
            output = part
    return nodes, output


def test_accepted_first_draft_needs_no_more_requests():
    nodes, output = follow(model(verdicts=[0.1]))
    assert nodes == ["generate", "classify"]
    assert (output["answer"], output["stop_reason"], output["best_round"]) == (
        "Lyon",
        "accepted",
        0,
    )
    assert output["p_critiqueable"] == pytest.approx(0.1)
    assert output["usage"].calls == 2


def test_accepts_the_refined_draft():
    scripted = model(verdicts=[0.9, 0.1], refined=["Paris"])
    nodes, output = follow(scripted)
    assert nodes == ["generate", "classify", *ROUND]
    assert (output["answer"], output["stop_reason"], output["best_round"]) == (
        "Paris",
        "accepted",
        1,
    )
    assert [draft.answer for draft in output["rounds"]] == ["Lyon", "Paris"]
    first = output["rounds"][0]
    assert first.judged_by == "logprobs"
    assert len(first.critiques) == 8
    assert [critique.selected for critique in first.critiques] == [True] + [False] * 7
    [comment] = first.critiques[0].comments
    assert (comment.quote, comment.start, comment.end, comment.text) == (
        "Lyon",
        0,
        4,
        "It is Paris.",
    )
    assert [critique.helpfulness for critique in first.critiques] == [pytest.approx(0.8)] * 8
    assert output["messages"][-1] == AIMessage("Paris", id=output["messages"][-1].id)


def test_counts_usage_by_role():
    _, output = follow(model(verdicts=[0.9, 0.1], refined=["Paris"]))
    usage = output["usage"]
    calls = {role: role_usage.calls for role, role_usage in usage.by_role.items()}
    # One request samples all critiques, and eight equal ones are scored once.
    assert calls == {"generator": 1, "judge": 3, "critic": 1, "refiner": 1}
    assert usage.calls == 6
    assert (
        usage.input_tokens
        == sum(role_usage.input_tokens for role_usage in usage.by_role.values())
        > 0
    )
    assert (
        usage.output_tokens
        == sum(role_usage.output_tokens for role_usage in usage.by_role.values())
        > 0
    )


def test_stops_without_a_helpful_critique():
    nodes, output = follow(model(scores=[0.2]))
    assert nodes == ["generate", "classify", "critique", "select"]
    assert (output["answer"], output["stop_reason"]) == ("Lyon", "no_helpful_critique")
    assert not any(critique.selected for critique in output["rounds"][0].critiques)


def test_does_not_select_a_critique_with_only_ungrounded_quotes():
    ungrounded = "```\nMarseille\n```\nIt is Paris."
    _, output = follow(model(critiques=[ungrounded] * 8, scores=[]))
    assert output["stop_reason"] == "no_helpful_critique"
    critique = output["rounds"][0].critiques[0]
    assert (critique.comments, critique.helpfulness) == ([], None)
    assert [comment.quote for comment in critique.ungrounded] == ["Marseille"]


def test_does_not_score_or_follow_critiques_that_quote_nothing():
    scripted = model(critiques=["It should be Paris."] * 8, scores=[])
    nodes, output = follow(scripted)
    assert nodes == ["generate", "classify", "critique", "select"]
    assert (output["stop_reason"], output["ungrounded_critiques"]) == ("no_helpful_critique", 8)


def test_follows_critiques_that_quote_nothing_if_allowed():
    scripted = model(critiques=["It should be Paris."] * 8, verdicts=[0.9, 0.1], refined=["Paris"])
    graph = create_self_critique(model=scripted, allow_ungrounded=True).compile()
    output = graph.invoke({"question": "Which city is the capital of France?"})
    assert (output["answer"], output["ungrounded_critiques"]) == ("Paris", 8)


def test_refines_with_the_most_helpful_critique():
    critiques = [f"```\nLyon\n```\nRemark {number}." for number in range(8)]
    scores = [0.1, 0.7, 0.2, 0.9, 0.6, 0.9, 0.3, 0.4]
    scripted = model(critiques=critiques, scores=scores, verdicts=[0.9, 0.1], refined=["Paris"])
    _, output = follow(scripted)
    assert [critique.selected for critique in output["rounds"][0].critiques].index(True) == 3
    prompts = [messages[-1].text for messages in scripted.requests]
    refine_prompt = next(prompt for prompt in prompts if "Refinement:" in prompt)
    assert "Remark 3." in refine_prompt


def test_max_rounds_limits_the_number_of_refinements():
    scripted = model(
        verdicts=[0.9, 0.8, 0.7],
        critiques=[LYON] * 16,
        scores=[0.8] * 2,
        refined=["Lyon!", "Lyon!!"],
    )
    nodes, output = follow(scripted, max_rounds=2)
    assert nodes == ["generate", "classify", *ROUND, *ROUND]
    assert (output["answer"], output["stop_reason"], output["best_round"]) == (
        "Lyon!!",
        "max_rounds",
        2,
    )


def test_max_rounds_0_allows_no_refinement():
    nodes, output = follow(model(), max_rounds=0)
    assert nodes == ["generate", "classify"]
    assert output["stop_reason"] == "max_rounds"


def test_plateau_returns_the_best_draft_instead_of_the_last():
    scripted = model(
        verdicts=[0.9, 0.6, 0.7, 0.8],
        critiques=[LYON] * 24,
        scores=[0.8] * 3,
        refined=["Lyon 1", "Lyon 2", "Lyon 3"],
    )
    nodes, output = follow(scripted, max_rounds=9)
    assert nodes == ["generate", "classify", *ROUND, *ROUND, *ROUND]
    assert (output["answer"], output["stop_reason"], output["best_round"]) == (
        "Lyon 1",
        "plateau",
        1,
    )
    assert output["p_critiqueable"] == pytest.approx(0.6)


def test_repeated_answer_ends_the_run_without_a_verdict():
    nodes, output = follow(model(refined=[" Lyon\n"]))
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
def test_call_budget_ends_the_run_with_the_best_draft(calls: int):
    scripted = model(verdicts=[0.9, 0.1], refined=["Paris"])
    nodes, output = follow(scripted, budget=Budget(calls=calls))
    assert (nodes, output["stop_reason"]) == BUDGETS[calls]
    assert len(scripted.requests) == output["usage"].calls == calls
    assert output["answer"] == ("Paris" if calls == 6 else "Lyon")
    assert output["messages"][-1].text == output["answer"]


@pytest.mark.parametrize("tokens", range(300, 2200, 100))
def test_token_budget_ends_the_run_with_the_best_draft(tokens: int):
    _, output = follow(model(verdicts=[0.9, 0.1], refined=["Paris"]), budget=Budget(tokens=tokens))
    assert output["stop_reason"] in ("budget", "accepted")
    assert (
        output["usage"].input_tokens + output["usage"].output_tokens <= tokens + 100
    )  # the last reply


def test_budget_too_small_for_a_draft_raises():
    with pytest.raises(BudgetExhausted, match="tokens"):
        follow(model(), budget=Budget(tokens=3))


def test_keeps_the_draft_with_the_lowest_probability():
    nodes, output = follow(
        model(drafts=["Lyon", "Nice", "Paris"], verdicts=[0.9, 0.8, 0.2]), num_drafts=3
    )
    assert nodes == ["generate", "classify"]
    assert output["answer"] == "Paris"
    assert [candidate.answer for candidate in output["rounds"][0].candidates] == [
        "Lyon",
        "Nice",
        "Paris",
    ]
    assert output["usage"].calls == 4


def test_direct_refinement_requests_no_critique():
    scripted = model(verdicts=[0.9, 0.1], refine_directly=["Paris"])
    nodes, output = follow(scripted, refinement="direct")
    assert nodes == ["generate", "classify", "refine", "classify"]
    assert (output["answer"], output["rounds"][0].critiques) == ("Paris", [])


def test_refines_with_several_critiques_of_different_quotes():
    critiques = [LYON, "```\nbig\n```\nIt is small.", LYON + " And old."]
    refiner = ScriptedModel(script=["Paris is small"])
    scripted = model(
        drafts=["Lyon is big"], verdicts=[0.9, 0.1], critiques=critiques, scores=[0.7, 0.9, 0.8]
    )
    _, output = follow(scripted, num_critiques=3, critiques_per_refinement=3, refiner=refiner)
    pool = output["rounds"][0].critiques
    selection = sorted((critique.helpfulness, critique.selected) for critique in pool)
    assert selection == [(0.7, False), (0.8, True), (0.9, True)]
    refine_prompt = str(refiner.requests[0])
    assert "It is small." in refine_prompt
    assert "And old." in refine_prompt
    assert refine_prompt.count("It is Paris.") == 1


def test_uses_a_separate_model_for_a_role():
    critic = ScriptedModel(script=[LYON] * 8)
    scripted = model(critiques=[], verdicts=[0.9, 0.1], refined=["Paris"])
    _, output = follow(scripted, critic=critic)
    assert output["answer"] == "Paris"
    assert len(critic.requests) == 1


def test_reads_the_question_from_messages_and_appends_the_answer():
    graph = create_self_critique(model=model(verdicts=[0.1])).compile()
    output = graph.invoke(
        {"messages": [HumanMessage("Hello?"), AIMessage("Yes?"), HumanMessage("The capital?")]}
    )
    assert [message.text for message in output["messages"]] == [
        "Hello?",
        "Yes?",
        "The capital?",
        "Lyon",
    ]


def test_a_long_chat_is_sent_in_part_and_counted():
    chat = [HumanMessage(f"Question {index}? " + "word " * 1_000) for index in range(10)]
    scripted = model(verdicts=[0.1])
    graph = create_self_critique(model=scripted).compile()
    output = graph.invoke({"messages": [*chat, HumanMessage("The capital?")]})
    assert output["omitted_messages"] == 7  # the last three have 15,000 characters
    for messages in scripted.requests:
        prompt = messages[-1].text
        assert len(prompt) < 21_000
        assert "Question 7?" in prompt
        assert "Question 6?" not in prompt
    whole = model(verdicts=[0.1])
    graph = create_self_critique(model=whole, max_chat_chars=100_000).compile()
    output = graph.invoke({"messages": [*chat, HumanMessage("The capital?")]})
    assert output["omitted_messages"] == 0
    assert "Question 0?" in whole.requests[0][-1].text


def test_second_run_on_a_thread_starts_fresh():
    from langgraph.checkpoint.memory import InMemorySaver

    scripted = model(drafts=["Lyon", "Nice"], verdicts=[0.1, 0.2])
    graph = create_self_critique(model=scripted).compile(checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    graph.invoke({"messages": [HumanMessage("First?")]}, thread)
    output = graph.invoke({"messages": [HumanMessage("Second?")]}, thread)
    assert (output["answer"], len(output["rounds"]), output["usage"].calls) == ("Nice", 1, 2)
    assert "Second?" in scripted.requests[2][-1].text


def test_ainvoke_returns_the_refined_answer():
    graph = create_self_critique(model=model(verdicts=[0.9, 0.1], refined=["Paris"])).compile()
    assert asyncio.run(graph.ainvoke(QUESTION))["answer"] == "Paris"


def test_invoke_works_inside_a_running_event_loop():
    async def inside():
        return create_self_critique(model=model(verdicts=[0.1])).compile().invoke(QUESTION)

    assert asyncio.run(inside())["answer"] == "Lyon"


def test_token_streaming_does_not_change_the_result():
    scripted = model(verdicts=[0.9, 0.1], refined=["Paris"])
    graph = create_self_critique(model=scripted).compile()
    parts = list(graph.stream(QUESTION, stream_mode=["messages", "values"]))
    assert parts[-1][1]["answer"] == "Paris"
    assert len(parts[-1][1]["rounds"][0].critiques) == 8
    assert any(mode == "messages" and part[0].text == "Lyon" for mode, part in parts)


def test_run_options_override_those_of_the_graph():
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
        {"task_type": "poem"},
        {"budget": {"calls": 0}},
        {"critics": 3},
    ],
)
def test_rejects_invalid_options(options: dict[str, Any]):
    with pytest.raises(ValidationError):
        create_self_critique(**options)
    with pytest.raises(ValidationError):
        create_self_critique(model=model()).compile().invoke(QUESTION, context=options)


@pytest.mark.parametrize(
    ("graph_input", "options", "error"),
    [
        ({"question": "  \n"}, {}, "question is empty"),
        ({}, {}, "question is empty"),
        ({"messages": [AIMessage("I was last.")]}, {}, "question is empty"),
        ({"question": "x" * 1_000_000}, {}, "1,000,000 characters"),
        ({"question": "Sum it up."}, {"task_type": "summary"}, "needs the passage"),
    ],
)
def test_rejects_invalid_input_before_any_request(
    graph_input: Any, options: dict[str, Any], error: str
):
    scripted = model()
    with pytest.raises(InputError, match=error):
        create_self_critique(model=scripted, **options).compile().invoke(graph_input)
    assert scripted.requests == []


def test_emits_an_event_for_each_draft_critique_score_and_decision():
    graph = create_self_critique(
        model=model(verdicts=[0.9, 0.1], refined=["Paris"]), num_critiques=2
    ).compile()
    events = [
        (event["round"], event["event"]) for event in graph.stream(QUESTION, stream_mode="custom")
    ]
    assert events == [
        (0, "draft"),
        (0, "judged"),
        (0, "critique"),
        (0, "critique"),
        (0, "scored"),
        (0, "selected"),
        (1, "draft"),
        (1, "judged"),
        (1, "stopped"),
    ]


def test_speculation_samples_critiques_during_the_verdict():
    scripted = model(verdicts=[0.9, 0.1], refined=["Paris"], critiques=[LYON] * 16)
    nodes, output = follow(scripted, speculative=True)
    assert nodes == ["generate", "classify", *ROUND]
    assert (output["answer"], output["usage"].by_role["critic"].calls) == ("Paris", 2)
    assert len(output["rounds"][1].critiques) == 8  # unused, but counted and kept


def test_repeats_failed_speculative_critiques():
    scripted = model(
        verdicts=[0.9, 0.1], refined=["Paris"], critiques=[OSError("down"), *[LYON] * 16]
    )
    _, output = follow(scripted, speculative=True, num_critiques=1)
    assert (output["answer"], output["stop_reason"]) == ("Paris", "accepted")


@pytest.mark.parametrize("replies", ["verdicts", "critiques", "scores", "refined"])
def test_model_error_after_the_first_draft_returns_the_draft(replies: str):
    script: dict[str, Any] = {"verdicts": [0.9, 0.1], "refined": ["Paris"]}
    script[replies] = [OSError("connection lost")] * 8
    _, output = follow(model(**script))
    assert (output["answer"], output["stop_reason"]) == ("Lyon", "model_error")
    assert "connection lost" in output["error"]
    assert output["messages"][-1].text == "Lyon"


@pytest.mark.parametrize("role", ["judge", "critic", "refiner"])
def test_rejects_an_unknown_model_before_any_request(role: str):
    model = ScriptedModel(script=lambda messages: "Lyon")
    graph = create_self_critique(model=model, **{role: "misspelt"}).compile()
    with pytest.raises(UnknownModelError, match="There is no model 'misspelt'"):
        graph.invoke({"question": "Which city?"})
    assert model.requests == []
