"""Reviews of an answer that is given: what comes back, by either search, by evidence alone, and where it ends early."""

import asyncio
from typing import Any

import pytest

from selfcritic.agent import Budget, Comment
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_review
from selfcritic.prompts import parse_prompt

ASKED = {"question": "Name two cities of France.", "answer": "Lyon and Milan"}
LYON = "```\nLyon\n```\nIt is not the capital."
MILAN = "```\nMilan\n```\n[high] It is in Italy."
ROME = "```\nRome\n```\nIt is in Italy."


async def finds_milan(_question: str, draft: str) -> list[Comment]:
    return [Comment(quote="Milan", text="Not on the map of France.", severity="high")] if "Milan" in draft else []


async def breaks(_question: str, _draft: str) -> list[Comment]:
    raise RuntimeError("no map")


def review(critiques: list[Any], scores: list[float], given=ASKED, **options):
    model = ScriptedModel(script={"critique": critiques, "helpfulness": scores})
    output = create_review(model=model, num_critiques=len(critiques) or 1, **options).compile().invoke(given)
    return output, model


def test_the_most_helpful_critique_comes_back():
    output, _ = review([LYON, MILAN], [0.2, 0.9])
    assert output["critique"].comments == [
        Comment(quote="Milan", text="It is in Italy.", severity="high", start=9, end=14)
    ]
    assert output["stop_reason"] == "reviewed"
    assert set(output) == {"critique", "rounds", "ungrounded_rate", "stop_reason", "usage", "capabilities", "error"}
    [draft] = output["rounds"]
    assert draft.answer == ASKED["answer"]
    assert [critique.selected for critique in draft.critiques] == [False, True]
    assert [critique.reward for critique in draft.critiques] == pytest.approx([0.2, 0.9])


def test_the_best_comes_back_even_if_it_is_not_helpful_unless_a_threshold_is_set():
    assert review([LYON, MILAN], [0.2, 0.3])[0]["critique"].text == MILAN
    output, _ = review([LYON, MILAN], [0.2, 0.3], helpful_threshold=0.4)
    assert (output["critique"], output["stop_reason"]) == (None, "no_helpful_critique")


def test_a_length_modifier_chooses_the_critique_that_quotes_more():
    critiques = [MILAN, LYON + "\n\n" + MILAN]
    assert review(critiques, [0.9, 0.5])[0]["critique"].text == critiques[0]
    assert review(critiques, [0.9, 0.5], length_modifier=0.5)[0]["critique"].text == critiques[1]


def test_the_share_of_invented_quotes_and_no_win_for_a_critique_of_nothing_else():
    output, _ = review([ROME, LYON + "\n\n" + ROME, ROME + "\n\n" + ROME], [0.1])
    assert output["ungrounded_rate"] == pytest.approx(4 / 5)
    assert output["critique"].text == LYON + "\n\n" + ROME
    assert [critique.reward for critique in output["rounds"][0].critiques] == [None, pytest.approx(0.1), None]


def test_where_all_quotes_of_all_critiques_are_invented_there_is_none_to_choose():
    output, _ = review([ROME, ROME], [])
    assert (output["critique"], output["stop_reason"], output["ungrounded_rate"]) == (None, "no_helpful_critique", 1.0)


def test_findings_are_shown_to_the_critic_and_kept():
    output, model = review([MILAN], [0.9], checkers=[finds_milan])
    [finding] = output["rounds"][0].findings
    assert (finding.source, finding.start, finding.end) == ("finds_milan", 9, 14)
    assert parse_prompt(model.requests[0]).data["findings"] == "```\nMilan\n```\n[high] Not on the map of France.\n"


def test_without_findings_the_prompt_says_nothing_of_them():
    _, model = review([MILAN], [0.9])
    assert "findings" not in parse_prompt(model.requests[0]).data
    assert "Tools have checked" not in model.requests[0][-1].text
    assert "\n\n\n" not in model.requests[0][-1].text


def test_without_a_critic_the_evidence_is_the_critique():
    output = create_review(model="none", checkers=[finds_milan]).compile().invoke(ASKED)
    assert [comment.text for comment in output["critique"].comments] == ["Not on the map of France."]
    assert (output["stop_reason"], output["usage"].calls, output["capabilities"]) == ("reviewed", 0, {})


def test_without_a_critic_and_without_findings_there_is_nothing():
    output = create_review(model="none", checkers=[finds_milan]).compile().invoke({"answer": "Lyon"})
    assert (output["critique"], output["stop_reason"]) == (None, "no_helpful_critique")


def test_a_checker_that_fails_ends_the_review_and_says_which():
    output, model = review([MILAN], [0.9], checkers=[finds_milan, breaks])
    assert output["stop_reason"] == "checker_error"
    assert "'breaks' failed (RuntimeError: no map)" in output["error"]
    assert (output["critique"], model.requests) == (None, [])


def test_a_budget_that_ends_in_the_scoring_leaves_the_best_of_what_was_scored():
    output, _ = review([LYON, MILAN], [0.2, 0.9], budget=Budget(calls=2))
    assert (output["critique"].text, output["stop_reason"], output["usage"].calls) == (LYON, "budget", 2)


def test_a_judge_that_fails_midway_is_told_beside_the_best_of_what_was_scored():
    scores: list[Any] = [0.2, ValueError("gone")]
    output, _ = review([LYON, MILAN], scores)
    assert (output["critique"].text, output["stop_reason"]) == (LYON, "model_error")
    assert "gone" in output["error"]


def test_a_model_that_fails_is_told():
    output, _ = review([ValueError("gone")], [])
    assert (output["critique"], output["stop_reason"]) == (None, "model_error")
    assert "gone" in output["error"]


@pytest.mark.parametrize("given", [{"question": "q"}, {"question": "q", "answer": " \n"}])
def test_nothing_to_review_is_bad_usage(given):
    with pytest.raises(InputError, match="nothing to review"):
        review([], [], given)


def test_too_much_to_review_is_bad_usage():
    with pytest.raises(InputError, match="Question, context and answer have 30 characters"):
        review([], [], {"question": "q", "context": "c", "answer": "a" * 28}, max_input_chars=29)


def test_the_answer_is_taken_to_the_last_blank():
    output, _ = review(["```\n  Milan\n```\nno"], [0.9], {"question": "q", "answer": "\n\n  Milan\r\n"})
    [comment] = output["critique"].comments
    assert "\n\n  Milan\r\n"[comment.start : comment.end] == "  Milan"


def test_a_review_runs_both_ways_and_within_a_running_loop():
    model = ScriptedModel(script={"critique": [MILAN] * 2, "helpfulness": [0.9] * 2})
    graph = create_review(model=model, num_critiques=1).compile()
    assert asyncio.run(graph.ainvoke(ASKED))["critique"] == graph.invoke(ASKED)["critique"]


@pytest.mark.parametrize("search", ["rejection", "fsbs"])
def test_the_same_seed_brings_the_same_review(search: str):
    given = {"question": "Sort alphabetically: pear, apple, plum, fig", "answer": "apple, pear, fig, plum"}
    graph = create_review(search=search).compile()
    one, same, other = (graph.invoke(given, context={"seed": seed})["rounds"] for seed in (1, 1, 2))
    assert one == same
    assert one != other
