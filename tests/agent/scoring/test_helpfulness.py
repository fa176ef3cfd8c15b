"""Score critiques by the judge's P(Yes)."""

import asyncio

import pytest
from langgraph.runtime import Runtime

from selfcritic.agent import Budget, Context, Round
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.scoring.helpfulness import helpfulness
from selfcritic.agent.step import Step
from selfcritic.agent.stopping import stop_reason_for

ANSWER = "Lyon is the capital"


def score_critiques(texts: list[str], scores: list[float], **budget: int):
    model = ScriptedModel(script=scores)
    run = Step(
        {"question": "q", "rounds": [Round(answer=ANSWER)]},
        Runtime(context=Context(model=model, budget=Budget(**budget))),
    )
    return asyncio.run(helpfulness(run, [ground(text, ANSWER) for text in texts])), run, model


def critique_of(quote: str, comment: str) -> str:
    return f"```\n{quote}\n```\n{comment}"


def test_scores_each_critique():
    values, _, _ = score_critiques([critique_of("Lyon", "one"), critique_of("capital", "two")], [0.2, 0.9])
    assert values == pytest.approx([0.2, 0.9])


def test_judge_sees_only_grounded_comments():
    text = critique_of("Lyon", "grounded") + "\n\n" + critique_of("Marseille", "hallucinated")
    _, _, model = score_critiques([text], [0.5])
    assert "grounded" in model.requests[0][-1].text
    assert "hallucinated" not in model.requests[0][-1].text


def test_judges_the_whole_text_of_a_critique_without_quotes():
    values, _, model = score_critiques(["It should be Paris."], [0.6])
    assert values == pytest.approx([0.6])
    assert "It should be Paris." in model.requests[0][-1].text


def test_exhausted_budget_leaves_the_rest_unscored():
    values, run, _ = score_critiques([critique_of("Lyon", str(number)) for number in range(3)], [0.5] * 3, calls=2)
    assert sorted(value is None for value in values) == [False, False, True]
    assert run.failure is not None
    assert stop_reason_for(run.failure) == "budget"
