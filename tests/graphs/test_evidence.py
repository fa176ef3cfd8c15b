"""The loop with checkers: evidence goes before opinion wherever drafts are held against each other."""

import pytest

from selfcritic.agent import Comment
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_best_of_n, create_self_critique
from selfcritic.prompts import parse_prompt

QUESTION = {"question": "Which city is the capital of France?"}
IT_IS_PARIS = "It should be Paris."


async def atlas(_question: str, draft: str) -> list[Comment]:
    severities = {"Lyon": "high", "Nice": "medium", "paris": "low"}
    return [Comment(quote=word, text="Not so.", severity=severities[word]) for word in severities if word in draft]


async def breaks(_question: str, draft: str) -> list[Comment]:
    if "Paris" in draft:
        raise RuntimeError("no map")
    return []


def run(drafts: list[str], verdicts: list[float], mended: list[str], checkers=(atlas,), **options):
    script = {
        "generate": drafts,
        "classify": verdicts,
        "critique": [IT_IS_PARIS] * 8 * len(verdicts),
        "helpfulness": [0.8] * 9,
        "refine": mended,
    }
    model = ScriptedModel(script=script)
    graph = create_self_critique(model=model, checkers=list(checkers), num_drafts=len(drafts), **options).compile()
    return graph.invoke(QUESTION), model


def test_a_draft_that_a_checker_objects_to_is_not_accepted():
    output, _ = run(["Lyon"], [0.1, 0.2], ["Paris"])
    assert (output["answer"], output["stop_reason"], output["best_round"]) == ("Paris", "accepted", 1)
    assert [len(draft.findings) for draft in output["rounds"]] == [1, 0]
    [finding] = output["rounds"][0].findings
    assert (finding.source, finding.start, finding.end) == ("atlas", 0, 4)


def test_findings_of_low_severity_do_not_stand_in_the_way():
    output, _ = run(["paris"], [0.1], [])
    assert (output["stop_reason"], len(output["rounds"][0].findings)) == ("accepted", 1)


def test_the_critic_is_told_and_the_judge_is_not():
    _, model = run(["Lyon"], [0.1, 0.2], ["Paris"])
    told = {parse_prompt(messages).name: "findings" in parse_prompt(messages).data for messages in model.requests}
    assert told == {"generate": False, "classify": False, "critique": True, "helpfulness": False, "refine": False}


def test_the_critic_is_told_where_it_speculates_too():
    _, model = run(["Lyon"], [0.1, 0.2], ["Paris"], speculative=True)
    asked = [parse_prompt(messages).data for messages in model.requests if parse_prompt(messages).name == "critique"]
    assert ["findings" in data for data in asked] == [True, False]


def test_the_best_draft_is_the_one_with_the_least_against_it_whatever_the_judge_thinks():
    output, _ = run(["Lyon"], [0.6, 0.9, 0.7], ["Nice", "Lyon!"], max_rounds=2)
    assert (output["answer"], output["best_round"], output["p_critiqueable"]) == ("Nice", 1, pytest.approx(0.9))


def test_of_several_drafts_the_one_without_findings_is_kept():
    model = ScriptedModel(script={"generate": ["Lyon", "Nice", "Paris"], "classify": [0.1, 0.2, 0.3]})
    output = create_best_of_n(model=model, num_drafts=3, checkers=[atlas]).compile().invoke(QUESTION)
    assert (output["answer"], output["stop_reason"]) == ("Paris", "accepted")
    assert [one.p_critiqueable for one in output["rounds"][0].candidates] == pytest.approx([0.1, 0.2, 0.3])


def test_less_against_it_is_a_gain():
    output, _ = run(["Lyon"], [0.6] * 4, ["Nice", "paris", "Paris?"], max_rounds=3, patience=1)
    assert (output["answer"], output["stop_reason"]) == ("Paris?", "max_rounds")


def test_a_draft_that_comes_again_brings_its_findings():
    output, _ = run(["Lyon"], [0.6], ["Lyon"])
    assert output["stop_reason"] == "repeated_answer"
    assert [len(draft.findings) for draft in output["rounds"]] == [1, 1]


def test_a_checker_that_fails_ends_the_run_and_loses_no_draft():
    output, _ = run(["Lyon"], [0.6, 0.3], ["Paris"], checkers=[breaks])
    assert (output["stop_reason"], output["answer"]) == ("checker_error", "Paris")
    assert [draft.answer for draft in output["rounds"]] == ["Lyon", "Paris"]
    assert "'breaks' failed" in output["error"]
