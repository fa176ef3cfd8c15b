"""Scorers that users write: their results, failures and weights."""

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from selfcritic.agent import Context, Critique
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.state import Output
from selfcritic.graphs import create_self_critique

CRITIQUES: Any = ["```\nLyon\n```\nIt is Paris.", "```\nIt is\n```\nOne word is enough."]


def run(scorer: Any, **options: Any) -> tuple[Output, list[dict[str, Any]]]:
    script: Any = {
        "generate": ["It is Lyon"],
        "classify": [0.9, 0.1],
        "critique": CRITIQUES,
        "helpfulness": [0.9, 0.8],
        "refine": ["It is Paris"],
    }
    model = ScriptedModel(script=script)
    graph = create_self_critique(model=model, scorer=scorer, num_critiques=2, **options).compile()
    output: Any = None
    events: list[Any] = []
    for mode, chunk in graph.stream({"question": "?"}, stream_mode=["custom", "values"]):
        if mode == "custom":
            events.append(chunk)
        else:
            output = chunk
    return output, [event for event in events if event["event"] == "scored"]


def selected(output: Output) -> list[int]:
    critiques = output["rounds"][0].critiques
    return [index for index, critique in enumerate(critiques) if critique.selected]


def raise_error(question: str, draft: str, critiques: Sequence[Critique]) -> list[float]:
    raise KeyError("weights")


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (raise_error, "'raise_error' failed (KeyError: 'weights')"),
        (lambda *_: ["good", "bad"], "it returned 'good'; return a number, or None"),
        (lambda *_: [1.0], "it returned 1 scores for 2 critiques"),
        (lambda *_: None, "failed (TypeError"),
        (lambda *_: [[1.0], [2.0]], "it returned [1.0]; return a number"),
    ],
)
def test_a_failing_scorer_ends_the_run_with_its_own_reason(scorer: Any, message: str):
    output, _ = run(scorer)
    assert (output["answer"], output["stop_reason"]) == ("It is Lyon", "scorer_error")
    assert message in str(output["error"])
    assert "`scorer`" in str(output["error"])


@pytest.mark.parametrize("rejected", [None, float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_no_number_rejects_the_critique(rejected: float | None):
    output, events = run(lambda *_: [rejected, -5.0])
    assert selected(output) == [1]
    assert [(event["index"], event["score"]) for event in events] == [(0, None), (1, -5.0)]


def test_the_helpful_threshold_applies_only_to_the_judge():
    output, _ = run(lambda *_: [-5.0, -6.0], helpful_threshold=0.9)
    assert selected(output) == [0]
    output, _ = run("helpfulness", helpful_threshold=0.95)
    assert output["stop_reason"] == "no_helpful_critique"


def test_a_function_can_be_weighted():
    def shortest(question: str, draft: str, critiques: Sequence[Critique]) -> list[int]:
        return [-len(critique.text) for critique in critiques]

    output, _ = run({"helpfulness": 1.0, shortest: 0.001})
    [first, second] = output["rounds"][0].critiques
    assert first.reward == pytest.approx(0.9 - len(first.text) / 1000)
    assert second.reward == pytest.approx(0.8 - len(second.text) / 1000)


def test_scored_events_name_their_critique():
    _, events = run("helpfulness")
    assert [event["index"] for event in events] == [0, 1]
    assert events[0]["critique"] == CRITIQUES[0]


@pytest.mark.parametrize("scorer", ["mine", {"helpfulness": 1.0, "mine": 1.0}])
def test_an_unknown_scorer_is_one_error(scorer: Any):
    with pytest.raises(ValidationError, match="unknown scorer 'mine': use helpfulness") as caught:
        Context(scorer=scorer)
    assert caught.value.error_count() == 1


def test_the_json_schema_has_names_and_weights():
    branches = Context.model_json_schema()["properties"]["scorer"]["oneOf"]
    assert [branch["type"] for branch in branches] == ["string", "object"]
