"""Best-of-n drafts, without critique or refinement."""

import pytest

from selfcritic.agent import Budget
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_best_of_n

QUESTION = {"question": "Which city is the capital of France?"}


def run(verdicts: list[float], **options):
    model = ScriptedModel(script={"generate": ["Lyon", "Paris", "Nice"], "classify": verdicts})
    return create_best_of_n(model=model, num_drafts=3, **options).compile().invoke(QUESTION)


def test_returns_the_least_critiqueable_draft():
    output = run([0.8, 0.1, 0.4])
    assert (output["answer"], output["stop_reason"], output["usage"].calls) == (
        "Paris",
        "accepted",
        4,
    )
    assert [
        candidate.p_critiqueable for candidate in output["rounds"][0].candidates
    ] == pytest.approx([0.8, 0.1, 0.4])


def test_returns_the_best_draft_even_if_critiqueable():
    output = run([0.8, 0.9, 0.7])
    assert (output["answer"], output["stop_reason"]) == ("Nice", "max_rounds")


def test_budget_stop_returns_the_best_judged_draft():
    output = run([0.8, 0.6, 0.4], budget=Budget(calls=3))
    assert (output["answer"], output["stop_reason"]) == ("Paris", "budget")
    assert output["rounds"][0].candidates[2].p_critiqueable is None


def test_graph_has_no_refinement_nodes():
    assert set(create_best_of_n().compile().get_graph().nodes) == {
        "__start__",
        "generate",
        "classify",
        "__end__",
    }
