"""The scorers by name, weighed and added up; each distinct critique is scored once."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from langgraph.runtime import Runtime
from pydantic import ValidationError

from selfcritic.agent import Budget, Context, Critique, Round
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.scoring.score import score_critiques
from selfcritic.agent.step import Step
from selfcritic.graphs import create_review

ANSWER = "Lyon is the capital"
TEXTS = ["```\nLyon\n```\nOne.", "```\ncapital\n```\nTwo, at length."]


async def length(_question: str, _draft: str, critiques: Sequence[Critique]) -> list[float]:
    return [float(len(critique.text)) for critique in critiques]


async def breaks(_question: str, _draft: str, _critiques: Sequence[Critique]) -> list[float]:
    raise RuntimeError("out of order")


async def too_few(_question: str, _draft: str, _critiques: Sequence[Critique]) -> list[float]:
    return []


async def no_number(_question: str, _draft: str, critiques: Sequence[Critique]) -> list[float]:
    return [float("nan"), *[1.0] * (len(critiques) - 1)]


def score(critiques: Sequence[Critique], scorer: Any, scores: Sequence[float] = (), **options: Any):
    model = ScriptedModel(script=list(scores))
    context = Context(model=model, scorer=scorer, **options)
    step = Step({"question": "q", "rounds": [Round(answer=ANSWER)]}, Runtime(context=context))
    scored, error = asyncio.run(score_critiques(step, critiques))
    return scored, error, model


def critiques(*texts: str) -> list[Critique]:
    return [ground(text, ANSWER) for text in texts or TEXTS]


def test_the_reward_is_helpfulness_unless_another_is_named():
    found, _, _ = score(critiques(), "helpfulness", [0.2, 0.7])
    assert [(one.reward, one.helpfulness) for one in found] == [(pytest.approx(0.2),) * 2, (pytest.approx(0.7),) * 2]


def test_a_function_scores():
    found, _, model = score(critiques(), length)
    assert [(one.reward, one.helpfulness) for one in found] == [(len(text), None) for text in TEXTS]
    assert model.requests == []


def test_scores_are_weighed_and_added_up():
    marked = critiques()
    marked[0].comments[0].evidence = "refuted"
    marked[1].comments[0].evidence = "confirmed"
    found, _, _ = score(marked, {"helpfulness": 2.0, "evidence": 0.5}, [0.8, 0.4])
    assert [one.reward for one in found] == pytest.approx([1.6 - 0.5, 0.8 + 0.5])
    assert [one.helpfulness for one in found] == pytest.approx([0.8, 0.4])


def test_evidence_is_the_share_confirmed_less_the_share_refuted():
    [both] = critiques(TEXTS[0] + "\n\n" + TEXTS[1])
    both.comments[0].evidence = "confirmed"
    [found], _, _ = score([both], "evidence")
    assert found.reward == 0.5


def test_what_was_scored_before_is_not_asked_again():
    first, again = critiques(TEXTS[0], TEXTS[0] + "\n\nTo close with.")
    first.reward = first.helpfulness = 0.6
    found, _, model = score([first, again], "helpfulness", [])
    assert [one.reward for one in found] == [0.6, 0.6]
    assert model.requests == []


@pytest.mark.parametrize(
    ("scorer", "said"),
    [(breaks, r"'breaks' failed \(RuntimeError: out of order\)"), (too_few, "0 scores for 2 critiques")],
)
def test_a_scorer_that_fails_is_told_and_scores_nothing(scorer, said):
    found, error, _ = score(critiques(), scorer)
    assert [one.reward for one in found] == [None, None]
    with pytest.raises(Exception, match=said):
        raise error


def test_what_is_no_number_is_no_reward():
    found, _, _ = score(critiques(), no_number)
    assert [one.reward for one in found] == [None, 1.0]


def test_a_sum_with_a_part_that_is_not_known_is_not_known():
    weights = {"helpfulness": 1.0, "evidence": 1.0}
    found, error, _ = score(critiques(), weights, [0.8, 0.4], budget=Budget(calls=1))
    assert [one.reward for one in found] == [pytest.approx(0.8), None]
    assert error is not None


@pytest.mark.parametrize("name", ["", "help", "helpfulness:", "evidence:x", "reward:", "served", "reward"])
def test_an_unknown_scorer_is_refused_with_the_names_there_are(name: str):
    for scorer in (name, {name: 1.0}):
        with pytest.raises(ValidationError, match="there are helpfulness, evidence, reward:FOLDER, reward-server:URL"):
            Context(scorer=scorer)


def test_a_review_is_chosen_by_its_scorer():
    model = ScriptedModel(script={"critique": TEXTS})
    output = (
        create_review(model=model, num_critiques=2, scorer=length).compile().invoke({"question": "q", "answer": ANSWER})
    )
    assert output["critique"].text == TEXTS[1]
    assert output["usage"].calls == 1


def test_a_plain_function_is_a_scorer():
    def plain(_question: str, _draft: str, critiques: Sequence[Critique]) -> list[float]:
        return [float(len(critique.text)) for critique in critiques]

    found, error, _ = score(critiques(), plain)
    assert [one.reward for one in found] == [float(len(text)) for text in TEXTS]
    assert error is None
