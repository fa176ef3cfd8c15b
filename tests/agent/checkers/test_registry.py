"""Checkers by name, and running several of them."""

import asyncio

import pytest
from pydantic import ValidationError

from selfcritic.agent import Comment, Context
from selfcritic.agent.checkers.registry import CHECKERS, get_checkers, run_checkers
from selfcritic.agent.errors import CheckerError, InputError


async def own(_question: str, _draft: str):
    return []


async def slow(_question: str, _draft: str):
    await asyncio.sleep(0.01)
    return [Comment(quote="is big", text="first")]


async def quick(_question: str, draft: str):
    return [
        Comment(quote="Lyon", start=0, end=4, text="second", source="map"),
        Comment(quote="Rome", text="third"),
    ]


async def returns_text(_question: str, _draft: str):
    return ["no comment"]


async def raises(_question: str, _draft: str):
    raise KeyError("map")


def run(*checkers, answer: str = "Lyon is  big"):
    by_name = {checker.__name__: checker for checker in checkers}
    findings, error = asyncio.run(run_checkers(by_name, "q", answer))
    assert error is None
    return findings


@pytest.mark.parametrize("name", CHECKERS)
def test_every_registered_name_imports_a_checker(name: str):
    checkers = get_checkers([name])
    assert list(checkers) == [name]
    assert callable(checkers[name])


def test_function_is_listed_under_its_own_name():
    assert get_checkers([own]) == {"own": own}


def test_unknown_name_is_rejected_with_the_registered_names():
    with pytest.raises(ValidationError, match="there is no checker 'spelling'; use syntax, lint"):
        Context(checkers=["spelling"])
    with pytest.raises(InputError, match="There is no checker 'spelling'"):
        get_checkers(["spelling"])


def test_context_accepts_names_and_functions_and_its_schema_lists_the_names():
    assert Context(checkers=["syntax", own]).checkers == ["syntax", own]
    field = Context.model_json_schema()["properties"]["checkers"]
    assert field["items"] == {"enum": list(CHECKERS), "type": "string"}
    assert field["langgraph_nodes"] == ["classify", "check_answer"]


def test_findings_are_in_checker_order_with_offsets_and_source():
    findings = run(slow, quick)
    assert [
        (finding.text, finding.quote, finding.start, finding.end, finding.source)
        for finding in findings
    ] == [
        ("first", "is  big", 5, 12, "slow"),
        ("second", "Lyon", 0, 4, "map"),
        ("third", "Rome", None, None, "quick"),  # kept although its quote is not in the answer
    ]


def test_plain_function_is_a_checker():
    def plain(_question: str, _draft: str) -> list[Comment]:
        return [Comment(quote="Lyon", text="so")]

    (finding,) = run(plain)
    assert (finding.text, finding.start, finding.source) == ("so", 0, "plain")


def run_with_errors(*checkers):
    by_name = {checker.__name__: checker for checker in checkers}
    return asyncio.run(run_checkers(by_name, "q", "Lyon is  big"))


@pytest.mark.parametrize("checker", [raises, returns_text])
def test_error_names_the_checker_that_failed_and_keeps_the_findings_of_others(checker):
    findings, error = run_with_errors(quick, checker)
    assert [finding.text for finding in findings] == ["second", "third"]
    assert isinstance(error, CheckerError)
    assert f"'{checker.__name__}' failed" in str(error)


def test_error_names_every_checker_that_could_not_check():
    async def cannot(_question: str, _draft: str):
        raise CheckerError("Its tool is missing. Install it.")

    findings, error = run_with_errors(raises, cannot)
    assert findings == []
    assert str(error) == (
        "The checker 'raises' failed (KeyError: 'map'). Fix it or remove it from `checkers`. "
        "The checker 'cannot' could not check the text: Its tool is missing. Install it."
    )
