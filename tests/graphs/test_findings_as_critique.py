"""In the loop, the checkers' findings are the critique if no critique of the model can be used."""

from typing import Any

import pytest

from selfcritic.agent import Budget, Comment
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.state import Output
from selfcritic.graphs import create_review, create_self_critique
from selfcritic.graphs.middleware import SelfCritiqueMiddleware
from selfcritic.prompts import parse_prompt

QUESTION: Any = {"question": "Which city is the capital of France?"}
UNGROUNDED = "This is wrong."
GROUNDED = "```\nLyon\n```\nIt is Paris."


async def atlas(_question: str, draft: str) -> list[Comment]:
    if "Lyon" not in draft:
        return []
    return [Comment(quote="Lyon", text="It is not the capital.", severity="high")]


def scripted(**changes: Any) -> ScriptedModel:
    script: Any = {
        "generate": ["It is Lyon"],
        "classify": [0.9, 0.1],
        "critique": [UNGROUNDED] * 8,
        "helpfulness": [0.1] * 8,
        "refine": ["It is Paris"],
    }
    return ScriptedModel(script=script | changes)


def run(model: ScriptedModel, **options: Any) -> Output:
    graph = create_self_critique(model=model, checkers=[atlas], **options).compile()
    output: Any = graph.invoke(QUESTION)
    return output


@pytest.mark.parametrize("search", ["rejection", "fsbs"])
@pytest.mark.parametrize("critique", [UNGROUNDED, GROUNDED])
@pytest.mark.parametrize("p_critiqueable", [0.1, 0.9])
def test_refines_with_the_findings(search: str, critique: str, p_critiqueable: float):
    model = scripted(
        classify=[p_critiqueable, 0.1],
        critique=[critique] * 100,
        helpfulness=[0.1] * 100,
    )
    output = run(model, search=search, num_critiques=2)
    assert (output["answer"], output["stop_reason"]) == ("It is Paris", "accepted")
    selected = [entry for entry in output["rounds"][0].critiques if entry.selected]
    assert [comment.source for comment in selected[0].comments] == ["atlas"]
    assert (len(selected), selected[0].reward) == (1, None)
    refine = [prompt for prompt in model.requests if parse_prompt(prompt).name == "refine"]
    assert "It is not the capital." in refine[0][-1].text


def test_a_helpful_critique_is_preferred():
    output = run(scripted(critique=[GROUNDED], helpfulness=[0.9]), num_critiques=1)
    [selected] = output["rounds"][0].critiques
    assert (selected.selected, selected.comments[0].source) == (True, None)


def test_the_event_names_the_index_of_the_findings():
    graph = create_self_critique(model=scripted(), checkers=[atlas], num_critiques=2).compile()
    events = list(graph.stream(QUESTION, stream_mode="custom"))
    [selected] = [event for event in events if event["event"] == "selected"]
    assert selected["index"] == 2


@pytest.mark.parametrize(
    ("options", "changes", "reason"),
    [
        ({"max_rounds": 0}, {}, "max_rounds"),
        ({"budget": Budget(calls=3), "num_critiques": 1}, {}, "budget"),
        ({}, {"refine": ["It  is Lyon"]}, "repeated_answer"),
        ({"patience": 1}, {"refine": ["So Lyon"], "classify": [0.5, 0.9]}, "plateau"),
    ],
)
def test_the_limits_of_a_run_apply(options: Any, changes: Any, reason: str):
    output = run(scripted(**changes), **options)
    assert (output["answer"], output["stop_reason"]) == ("It is Lyon", reason)


def test_a_failed_search_ends_the_run():
    output = run(scripted(critique=[GROUNDED], helpfulness=[]), num_critiques=1)
    assert output["stop_reason"] == "model_error"


@pytest.mark.parametrize("search", ["rejection", "fsbs"])
@pytest.mark.parametrize("speculative", [True, False])
def test_critic_none_refines_with_the_findings_only(search: str, speculative: bool):
    model = scripted(critique=[])
    output = run(model, critic="none", search=search, speculative=speculative)
    assert (output["answer"], output["stop_reason"]) == ("It is Paris", "accepted")
    assert not output["self_graded"]
    assert set(output["usage"].by_role) == {"generator", "judge", "refiner"}


def test_critic_none_without_findings_ends_the_run():
    output = run(scripted(generate=["It is Nice"]), critic="none")
    assert (output["answer"], output["stop_reason"]) == ("It is Nice", "no_helpful_critique")


@pytest.mark.parametrize("options", [{"model": "none"}, {"judge": "none"}])
def test_only_the_critic_can_be_none(options: Any):
    graph = create_self_critique(**{"model": scripted(), "checkers": [atlas], **options}).compile()
    with pytest.raises(InputError, match='"none", which only the critic can be'):
        graph.invoke(QUESTION)


def test_a_review_reports_its_findings_separately():
    graph = create_review(model=scripted(), checkers=[atlas], num_critiques=1).compile()
    output: Any = graph.invoke({**QUESTION, "answer": "It is Lyon"})
    assert output["critique"] is None
    assert len(output["rounds"][0].findings) == 1


def test_middleware_accepts_critic_none():
    SelfCritiqueMiddleware(critic="none", checkers=[atlas])
