"""Score by named scorers, functions and weighted sums."""

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


async def failing(_question: str, _draft: str, _critiques: Sequence[Critique]) -> list[float]:
    raise RuntimeError("out of order")


async def too_few(_question: str, _draft: str, _critiques: Sequence[Critique]) -> list[float]:
    return []


async def not_a_number(_question: str, _draft: str, critiques: Sequence[Critique]) -> list[float]:
    return [float("nan"), *[1.0] * (len(critiques) - 1)]


def score(critiques: Sequence[Critique], scorer: Any, scores: Sequence[float] = (), **options: Any):
    model = ScriptedModel(script=list(scores))
    context = Context(model=model, scorer=scorer, **options)
    step = Step({"question": "q", "rounds": [Round(answer=ANSWER)]}, Runtime(context=context))
    scored, error = asyncio.run(score_critiques(step, critiques))
    return scored, error, model


def critiques(*texts: str) -> list[Critique]:
    return [ground(text, ANSWER) for text in texts or TEXTS]


def test_helpfulness_scorer_sets_reward_and_helpfulness():
    scored, _, _ = score(critiques(), "helpfulness", [0.2, 0.7])
    assert [(critique.reward, critique.helpfulness) for critique in scored] == [
        (pytest.approx(0.2),) * 2,
        (pytest.approx(0.7),) * 2,
    ]


def test_scores_with_an_async_function():
    scored, _, model = score(critiques(), length)
    assert [(critique.reward, critique.helpfulness) for critique in scored] == [
        (len(text), None) for text in TEXTS
    ]
    assert model.requests == []


def test_sums_weighted_scores():
    verified = critiques()
    verified[0].comments[0].evidence = "refuted"
    verified[1].comments[0].evidence = "confirmed"
    scored, _, _ = score(verified, {"helpfulness": 2.0, "evidence": 0.5}, [0.8, 0.4])
    assert [critique.reward for critique in scored] == pytest.approx([1.6 - 0.5, 0.8 + 0.5])
    assert [critique.helpfulness for critique in scored] == pytest.approx([0.8, 0.4])


def test_evidence_is_the_confirmed_minus_the_refuted_share():
    [critique] = critiques(TEXTS[0] + "\n\n" + TEXTS[1])
    critique.comments[0].evidence = "confirmed"
    [scored], _, _ = score([critique], "evidence")
    assert scored.reward == 0.5


def test_critique_equal_to_a_scored_one_is_not_scored_again():
    first, second = critiques(TEXTS[0], TEXTS[0] + "\n\nTo conclude.")
    first.reward = first.helpfulness = 0.6
    scored, _, model = score([first, second], "helpfulness", [])
    assert [critique.reward for critique in scored] == [0.6, 0.6]
    assert model.requests == []


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (failing, r"'failing' failed \(RuntimeError: out of order\)"),
        (too_few, "0 scores for 2 critiques"),
    ],
)
def test_failing_scorer_is_reported_and_scores_nothing(scorer, message):
    scored, error, _ = score(critiques(), scorer)
    assert [critique.reward for critique in scored] == [None, None]
    with pytest.raises(Exception, match=message):
        raise error


def test_nan_is_no_reward():
    scored, _, _ = score(critiques(), not_a_number)
    assert [critique.reward for critique in scored] == [None, 1.0]


def test_weighted_sum_with_a_missing_score_is_none():
    weights = {"helpfulness": 1.0, "evidence": 1.0}
    scored, error, _ = score(critiques(), weights, [0.8, 0.4], budget=Budget(calls=1))
    assert [critique.reward for critique in scored] == [pytest.approx(0.8), None]
    assert error is not None


@pytest.mark.parametrize(
    "name", ["", "help", "helpfulness:", "evidence:x", "reward:", "served", "reward"]
)
def test_unknown_scorer_error_lists_the_scorers(name: str):
    for scorer in (name, {name: 1.0}):
        with pytest.raises(
            ValidationError,
            match="use helpfulness, evidence, reward:FOLDER, reward-server:URL, or pass a function",
        ):
            Context(scorer=scorer)


def test_review_selects_by_its_scorer():
    model = ScriptedModel(script={"critique": TEXTS})
    output = (
        create_review(model=model, num_critiques=2, scorer=length)
        .compile()
        .invoke({"question": "q", "answer": ANSWER})
    )
    assert output["critique"].text == TEXTS[1]
    assert output["usage"].calls == 1


def test_scores_with_a_plain_function():
    def plain(_question: str, _draft: str, critiques: Sequence[Critique]) -> list[float]:
        return [float(len(critique.text)) for critique in critiques]

    scored, error, _ = score(critiques(), plain)
    assert [critique.reward for critique in scored] == [float(len(text)) for text in TEXTS]
    assert error is None
