"""Checkers in the loop: findings take precedence over the judge's opinion."""

import pytest

from selfcritic.agent import Comment
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_best_of_n, create_self_critique
from selfcritic.prompts import parse_prompt

QUESTION = {"question": "Which city is the capital of France?"}
CRITIQUE = "It should be Paris."


async def atlas(_question: str, draft: str) -> list[Comment]:
    severities = {"Lyon": "high", "Nice": "medium", "paris": "low"}
    return [
        Comment(quote=word, text="Not so.", severity=severity)
        for word, severity in severities.items()
        if word in draft
    ]


async def fails_on_paris(_question: str, draft: str) -> list[Comment]:
    if "Paris" in draft:
        raise RuntimeError("no map")
    return []


def run(
    drafts: list[str], verdicts: list[float], refinements: list[str], checkers=(atlas,), **options
):
    script = {
        "generate": drafts,
        "classify": verdicts,
        "critique": [CRITIQUE] * 8 * len(verdicts),
        "helpfulness": [0.8] * 9,
        "refine": refinements,
    }
    model = ScriptedModel(script=script)
    graph = create_self_critique(
        model=model,
        checkers=list(checkers),
        num_drafts=len(drafts),
        allow_ungrounded=True,
        **options,
    ).compile()
    return graph.invoke(QUESTION), model


def test_draft_with_a_finding_is_not_accepted():
    output, _ = run(["Lyon"], [0.1, 0.2], ["Paris"])
    assert output["answer"] == "Paris"
    assert output["stop_reason"] == "accepted"
    assert output["best_round"] == 1
    assert [len(draft.findings) for draft in output["rounds"]] == [1, 0]
    [finding] = output["rounds"][0].findings
    assert (finding.source, finding.start, finding.end) == ("atlas", 0, 4)


def test_finding_of_low_severity_does_not_prevent_acceptance():
    output, _ = run(["paris"], [0.1], [])
    assert output["stop_reason"] == "accepted"
    assert len(output["rounds"][0].findings) == 1


def test_only_the_critic_sees_the_findings():
    _, model = run(["Lyon"], [0.1, 0.2], ["Paris"])
    prompts = [parse_prompt(messages) for messages in model.requests]
    has_findings = {prompt.name: "findings" in prompt.data for prompt in prompts}
    assert has_findings == {
        "generate": False,
        "classify": False,
        "critique": True,
        "helpfulness": False,
        "refine": False,
    }


def test_speculative_critic_sees_the_findings():
    _, model = run(["Lyon"], [0.1, 0.2], ["Paris"], speculative=True)
    prompts = [parse_prompt(messages) for messages in model.requests]
    assert ["findings" in prompt.data for prompt in prompts if prompt.name == "critique"] == [
        True,
        False,
    ]


def test_best_draft_has_the_least_severe_findings():
    output, _ = run(["Lyon"], [0.6, 0.9, 0.7], ["Nice", "Lyon!"], max_rounds=2)
    assert output["answer"] == "Nice"
    assert output["best_round"] == 1
    assert output["p_critiqueable"] == pytest.approx(0.9)


def test_best_of_n_selects_the_draft_without_findings():
    model = ScriptedModel(
        script={"generate": ["Lyon", "Nice", "Paris"], "classify": [0.1, 0.2, 0.3]}
    )
    output = (
        create_best_of_n(model=model, num_drafts=3, checkers=[atlas]).compile().invoke(QUESTION)
    )
    assert output["answer"] == "Paris"
    assert output["stop_reason"] == "accepted"
    candidates = output["rounds"][0].candidates
    assert [candidate.p_critiqueable for candidate in candidates] == pytest.approx([0.1, 0.2, 0.3])


def test_less_severe_findings_count_as_a_gain():
    output, _ = run(["Lyon"], [0.6] * 4, ["Nice", "paris", "Paris?"], max_rounds=3, patience=1)
    assert output["answer"] == "Paris?"
    assert output["stop_reason"] == "max_rounds"


def test_repeated_draft_keeps_its_findings():
    output, _ = run(["Lyon"], [0.6], ["Lyon"])
    assert output["stop_reason"] == "repeated_answer"
    assert [len(draft.findings) for draft in output["rounds"]] == [1, 1]


@pytest.mark.parametrize("verdict", [0.55, 0.3])
def test_failing_checker_ends_the_run_with_the_best_checked_draft(verdict: float):
    output, _ = run(["Lyon"], [0.6, verdict], ["Paris"], checkers=[fails_on_paris])
    assert output["stop_reason"] == "checker_error"
    assert output["answer"] == "Lyon"
    assert [draft.is_unchecked for draft in output["rounds"]] == [False, True]
    assert [draft.answer for draft in output["rounds"]] == ["Lyon", "Paris"]
    assert "'fails_on_paris' failed" in output["error"]
