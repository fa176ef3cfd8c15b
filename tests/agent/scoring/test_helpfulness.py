"""Score critiques by the judge's P(Yes)."""

import asyncio

import pytest
from langgraph.runtime import Runtime

from selfcritic.agent import Budget, Context, Round
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.scoring.score import score_critiques
from selfcritic.agent.step import Step
from selfcritic.agent.stopping import stop_reason_for

ANSWER = "Lyon is the capital"


def judge(
    texts: list[str], verdicts: list[float], *, allow_ungrounded: bool = False, **budget: int
):
    model = ScriptedModel(script=verdicts)
    context = Context(model=model, budget=Budget(**budget), allow_ungrounded=allow_ungrounded)
    step = Step(
        {"question": "q", "rounds": [Round(answer=ANSWER)]},
        Runtime(context=context),
    )
    scored, error = asyncio.run(score_critiques(step, [ground(text, ANSWER) for text in texts]))
    return [critique.helpfulness for critique in scored], error, model


def critique_of(quote: str, comment: str) -> str:
    return f"```\n{quote}\n```\n{comment}"


def test_scores_each_critique():
    values, _, _ = judge([critique_of("Lyon", "one"), critique_of("capital", "two")], [0.2, 0.9])
    assert values == pytest.approx([0.2, 0.9])


def test_equal_critiques_are_scored_once():
    values, _, model = judge([critique_of("Lyon", "one")] * 3, [0.4])
    assert values == pytest.approx([0.4] * 3)
    assert len(model.requests) == 1


def test_critique_with_only_ungrounded_quotes_is_not_scored():
    values, _, model = judge([critique_of("Marseille", "one")], [])
    assert values == [None]
    assert model.requests == []


def test_judge_sees_only_grounded_comments():
    _, _, model = judge(
        [critique_of("Lyon", "Comment A.") + "\n\n" + critique_of("Marseille", "Comment B.")], [0.5]
    )
    assert "Comment A." in model.requests[0][-1].text
    assert "Comment B." not in model.requests[0][-1].text


def test_critique_without_quotes_is_not_scored():
    values, _, model = judge(["It should be Paris."], [])
    assert values == [None]
    assert model.requests == []


def test_judges_the_whole_text_of_a_critique_without_quotes_if_allowed():
    values, _, model = judge(["It should be Paris."], [0.6], allow_ungrounded=True)
    assert values == pytest.approx([0.6])
    assert "It should be Paris." in model.requests[0][-1].text


def test_exhausted_budget_leaves_the_rest_unscored():
    values, error, _ = judge(
        [critique_of("Lyon", str(number)) for number in range(3)], [0.5] * 3, calls=2
    )
    assert sorted(value is None for value in values) == [False, False, True]
    assert error is not None
    assert stop_reason_for(error) == "budget"
