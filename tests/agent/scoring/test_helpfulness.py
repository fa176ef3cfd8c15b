import asyncio

import pytest
from langgraph.runtime import Runtime

from selfcritic.agent import Budget, Context, Round
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.scoring.score import score_critiques as score
from selfcritic.agent.step import Step
from selfcritic.agent.stopping import stop_reason_for

ANSWER = "Lyon is the capital"


def score_critiques(texts: list[str], scores: list[float], **budget: int):
    model = ScriptedModel(script=scores)
    step = Step(
        {"question": "q", "rounds": [Round(answer=ANSWER)]},
        Runtime(context=Context(model=model, budget=Budget(**budget))),
    )
    scored, error = asyncio.run(score(step, [ground(text, ANSWER) for text in texts]))
    return [critique.helpfulness for critique in scored], error, model


def quote(words: str, remark: str) -> str:
    return f"```\n{words}\n```\n{remark}"


def test_each_critique_has_its_score():
    values, _, _ = score_critiques([quote("Lyon", "one"), quote("capital", "two")], [0.2, 0.9])
    assert values == pytest.approx([0.2, 0.9])


def test_equal_critiques_are_asked_once():
    values, _, model = score_critiques([quote("Lyon", "one")] * 3, [0.4])
    assert values == pytest.approx([0.4] * 3)
    assert len(model.requests) == 1


def test_what_quotes_only_inventions_is_not_even_asked():
    values, _, model = score_critiques([quote("Marseille", "one")], [])
    assert values == [None]
    assert model.requests == []


def test_the_judge_sees_what_stands_and_not_what_was_invented():
    _, _, model = score_critiques([quote("Lyon", "stands") + "\n\n" + quote("Marseille", "ungrounded")], [0.5])
    assert "stands" in model.requests[0][-1].text
    assert "ungrounded" not in model.requests[0][-1].text


def test_a_critique_without_any_fence_is_judged_as_it_is():
    values, _, model = score_critiques(["It should be Paris."], [0.6])
    assert values == pytest.approx([0.6])
    assert "It should be Paris." in model.requests[0][-1].text


def test_a_budget_that_ends_leaves_the_rest_unscored():
    values, error, _ = score_critiques([quote("Lyon", str(number)) for number in range(3)], [0.5] * 3, calls=2)
    assert sorted(value is None for value in values) == [False, False, True]
    assert error is not None
    assert stop_reason_for(error) == "budget"
