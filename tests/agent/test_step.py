from hypothesis import given
from hypothesis import strategies as st
from langgraph.runtime import Runtime

from selfcritic.agent import Comment, Context, Round, Usage
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.schemas import RoleUsage
from selfcritic.agent.step import Step
from selfcritic.agent.stopping import best_round, severity_counts

measures = st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1)


@given(measures)
def test_no_draft_is_measured_better_than_the_best(values):
    rounds = [Round(answer=str(index), p_critiqueable=value) for index, value in enumerate(values)]
    best = values[best_round(rounds)]
    judged = [value for value in values if value is not None]
    assert best == (min(judged) if judged else None)


@given(measures)
def test_the_earliest_of_equals_is_the_best(values):
    rounds = [Round(answer=str(index), p_critiqueable=value) for index, value in enumerate(values)]
    best = best_round(rounds)
    assert values[best] not in values[:best]


severities = st.lists(st.sampled_from([None, "low", "medium", "high"]), max_size=3)


@given(st.lists(st.tuples(st.floats(0, 1), severities), min_size=1))
def test_evidence_goes_before_opinion(judged):
    rounds = [
        Round(answer="", p_critiqueable=p, findings=[Comment(quote="", text="", severity=one) for one in found])
        for p, found in judged
    ]
    best = rounds[best_round(rounds)]
    assert severity_counts(best.findings) == min(severity_counts(draft.findings) for draft in rounds)
    rivals = [
        draft.p_critiqueable for draft in rounds if severity_counts(draft.findings) == severity_counts(best.findings)
    ]
    assert best.p_critiqueable == min(p for p in rivals if p is not None)


def test_an_update_carries_what_was_spent_before():
    spent = Usage(calls=3, by_role={"critic": RoleUsage(calls=3)})
    step = Step(
        {"question": "q", "usage": spent, "answer": "a", "rounds": [Round(answer="a")]},
        Runtime(context=Context(model=ScriptedModel(script=[]))),
    )
    update = step.update(stop="budget")
    assert update["usage"].model_copy(update={"seconds": 0.0}) == spent
    assert update["stop_reason"] == "budget"
    assert update["messages"][0].text == "a"
