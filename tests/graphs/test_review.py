"""Reviews of an existing answer: selection, both searches, checkers, and early stops."""

import asyncio
from typing import Any

import pytest

from selfcritic.agent import Budget, Comment
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_review
from selfcritic.prompts import parse_prompt

REVIEW_INPUT = {"question": "Name two cities of France.", "answer": "Lyon and Milan"}
LYON = "```\nLyon\n```\nIt is not the capital."
MILAN = "```\nMilan\n```\n[high] It is in Italy."
ROME = "```\nRome\n```\nIt is in Italy."


async def find_milan(_question: str, draft: str) -> list[Comment]:
    if "Milan" not in draft:
        return []
    return [Comment(quote="Milan", text="Not on the map of France.", severity="high")]


async def failing_checker(_question: str, _draft: str) -> list[Comment]:
    raise RuntimeError("no map")


def review(critiques: list[Any], scores: list[float], review_input=REVIEW_INPUT, **options):
    model = ScriptedModel(script={"critique": critiques, "helpfulness": scores})
    graph = create_review(model=model, num_critiques=len(critiques) or 1, **options).compile()
    return graph.invoke(review_input), model


def test_returns_the_most_helpful_critique():
    output, _ = review([LYON, MILAN], [0.2, 0.9])
    assert output["critique"].comments == [
        Comment(quote="Milan", text="It is in Italy.", severity="high", start=9, end=14)
    ]
    assert output["stop_reason"] == "reviewed"
    assert set(output) == {
        "critique",
        "rounds",
        "ungrounded_rate",
        "ungrounded_critiques",
        "stop_reason",
        "usage",
        "capabilities",
        "error",
    }
    [draft] = output["rounds"]
    assert draft.answer == REVIEW_INPUT["answer"]
    assert [critique.selected for critique in draft.critiques] == [False, True]
    assert [critique.reward for critique in draft.critiques] == pytest.approx([0.2, 0.9])


def test_helpful_threshold_applies_only_when_set():
    assert review([LYON, MILAN], [0.2, 0.3])[0]["critique"].text == MILAN
    output, _ = review([LYON, MILAN], [0.2, 0.3], helpful_threshold=0.4)
    assert (output["critique"], output["stop_reason"]) == (None, "no_helpful_critique")


def test_length_modifier_favors_the_critique_with_more_quotes():
    critiques = [MILAN, LYON + "\n\n" + MILAN]
    assert review(critiques, [0.9, 0.5])[0]["critique"].text == critiques[0]
    assert review(critiques, [0.9, 0.5], length_modifier=0.5)[0]["critique"].text == critiques[1]


def test_reports_the_ungrounded_rate_and_selects_a_grounded_critique():
    partly_grounded = LYON + "\n\n" + ROME
    output, _ = review([ROME, partly_grounded, ROME + "\n\n" + ROME], [0.1])
    assert output["ungrounded_rate"] == pytest.approx(4 / 5)
    assert output["critique"].text == partly_grounded
    assert [critique.reward for critique in output["rounds"][0].critiques] == [
        None,
        pytest.approx(0.1),
        None,
    ]


def test_selects_nothing_when_every_quote_is_ungrounded():
    output, _ = review([ROME, ROME], [])
    assert (output["critique"], output["stop_reason"], output["ungrounded_rate"]) == (
        None,
        "no_helpful_critique",
        1.0,
    )


def test_critic_sees_the_findings_and_the_round_keeps_them():
    output, model = review([MILAN], [0.9], checkers=[find_milan])
    [finding] = output["rounds"][0].findings
    assert (finding.source, finding.start, finding.end) == ("find_milan", 9, 14)
    assert (
        parse_prompt(model.requests[0]).data["findings"]
        == "```\nMilan\n```\n[high] Not on the map of France.\n"
    )


def test_prompt_omits_findings_when_there_are_no_checkers():
    _, model = review([MILAN], [0.9])
    assert "findings" not in parse_prompt(model.requests[0]).data
    assert "Tools have checked" not in model.requests[0][-1].text
    assert "\n\n\n" not in model.requests[0][-1].text


def test_without_a_critic_findings_become_the_critique():
    output = create_review(model="none", checkers=[find_milan]).compile().invoke(REVIEW_INPUT)
    assert [comment.text for comment in output["critique"].comments] == [
        "Not on the map of France."
    ]
    assert (output["stop_reason"], output["usage"].calls, output["capabilities"]) == (
        "reviewed",
        0,
        {},
    )


def test_without_a_critic_and_findings_nothing_is_selected():
    output = create_review(model="none", checkers=[find_milan]).compile().invoke({"answer": "Lyon"})
    assert (output["critique"], output["stop_reason"]) == (None, "no_helpful_critique")


def test_failed_checker_ends_the_review_with_its_name():
    output, model = review([MILAN], [0.9], checkers=[find_milan, failing_checker])
    assert output["stop_reason"] == "checker_error"
    assert "'failing_checker' failed (RuntimeError: no map)" in output["error"]
    assert (output["critique"], model.requests) == (None, [])


def test_budget_stop_during_scoring_returns_the_best_scored_critique():
    output, _ = review([LYON, MILAN], [0.2, 0.9], budget=Budget(calls=2))
    assert (output["critique"].text, output["stop_reason"], output["usage"].calls) == (
        LYON,
        "budget",
        2,
    )


def test_failed_judge_returns_the_best_scored_critique_and_the_error():
    scores: list[Any] = [0.2, ValueError("gone")]
    output, _ = review([LYON, MILAN], scores)
    assert (output["critique"].text, output["stop_reason"]) == (LYON, "model_error")
    assert "gone" in output["error"]


def test_failed_critic_is_reported():
    output, _ = review([ValueError("gone")], [])
    assert (output["critique"], output["stop_reason"]) == (None, "model_error")
    assert "gone" in output["error"]


@pytest.mark.parametrize("review_input", [{"question": "q"}, {"question": "q", "answer": " \n"}])
def test_rejects_an_empty_answer(review_input):
    with pytest.raises(InputError, match="nothing to review"):
        review([], [], review_input)


def test_rejects_input_over_the_size_limit():
    with pytest.raises(InputError, match="Question, context and answer have 30 characters"):
        review([], [], {"question": "q", "context": "c", "answer": "a" * 28}, max_input_chars=29)


def test_keeps_whitespace_of_the_answer():
    output, _ = review(
        ["```\n  Milan\n```\nno"], [0.9], {"question": "q", "answer": "\n\n  Milan\r\n"}
    )
    [comment] = output["critique"].comments
    assert "\n\n  Milan\r\n"[comment.start : comment.end] == "  Milan"


def test_sync_and_async_reviews_agree():
    model = ScriptedModel(script={"critique": [MILAN] * 2, "helpfulness": [0.9] * 2})
    graph = create_review(model=model, num_critiques=1).compile()
    assert (
        asyncio.run(graph.ainvoke(REVIEW_INPUT))["critique"]
        == graph.invoke(REVIEW_INPUT)["critique"]
    )


@pytest.mark.parametrize("search", ["rejection", "fsbs"])
def test_same_seed_repeats_the_review(search: str):
    review_input = {
        "question": "Sort alphabetically: pear, apple, plum, fig",
        "answer": "apple, pear, fig, plum",
    }
    graph = create_review(model="simulated", search=search).compile()
    first, repeated, different = (
        graph.invoke(review_input, context={"seed": seed})["rounds"] for seed in (1, 1, 2)
    )
    assert first == repeated
    assert first != different
