"""Functions, LangChain tools and evaluators as checkers."""

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.tools import StructuredTool, tool

from selfcritic.agent.checkers import Checker, from_evaluator, from_function, from_tool
from selfcritic.agent.checkers.registry import get_checkers
from selfcritic.agent.errors import CheckerError
from selfcritic.agent.schemas import Comment
from selfcritic.graphs import create_review

QUESTION = "What then?"
DRAFT = "First, one.\nThen, two.\n"


def run(checker: Checker, draft: str = DRAFT) -> list[Comment]:
    return asyncio.run(checker(QUESTION, draft))


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (None, []),
        ("", []),
        ([], []),
        ("Too short.", [("First, one.", "Too short.")]),
        ("```\nThen, two.\n```\n[low] Not so.\n", [("Then, two.", "Not so.")]),
        (Comment(quote="two", text="Three."), [("two", "Three.")]),
        ({"quote": "one", "text": "Zero."}, [("one", "Zero.")]),
        (
            [{"quote": "one.\nThen", "text": "A."}, "B."],
            [("one.\nThen", "A."), ("First, one.", "B.")],
        ),
        (({"quote": "one", "text": str(n)} for n in range(2)), [("one", "0"), ("one", "1")]),
        (Comment(quote="n", text="The second.", start=15, end=16), [("n", "The second.")]),
    ],
)
def test_function_result_becomes_confirmed_findings(result: Any, expected: list[tuple[str, str]]):
    comments = run(from_function(lambda question, draft: result, name="mine"))
    assert [(comment.quote, comment.text) for comment in comments] == expected
    assert all(comment.quote == DRAFT[comment.start : comment.end] for comment in comments)
    assert {(comment.source, comment.evidence) for comment in comments} <= {("mine", "confirmed")}


def test_plain_function_runs_in_a_thread_and_its_name_is_the_source():
    threads = []

    def length(question: str, draft: str) -> str:
        threads.append(threading.current_thread())
        return f"{question} {len(draft)}"

    (comment,) = run(from_function(length))
    assert (comment.source, comment.text) == ("length", "What then? 23")
    assert threads != [threading.main_thread()]


def test_async_functions_are_awaited():
    class Slow:
        async def __call__(self, question: str, draft: str) -> str:
            await asyncio.sleep(0)
            return question

    assert run(from_function(Slow()))[0].text == QUESTION
    assert run(from_function(Slow()))[0].source == "Slow"
    assert run(from_function(Slow().__call__))[0].text == QUESTION


def test_quote_that_is_not_in_the_draft_raises():
    with pytest.raises(CheckerError, match="quotes text that is not in the draft: 'three hundred'"):
        run(from_function(lambda question, draft: {"quote": "three hundred", "text": "No."}))


def test_comment_on_a_blank_draft_has_an_empty_quote():
    (comment,) = run(from_function(lambda question, draft: "The draft is empty."), " \n")
    assert (comment.quote, comment.start, comment.end) == ("", 0, 0)


def test_tool_gets_the_arguments_that_it_takes():
    @tool
    def shout(answer: str, question: str) -> str:
        """Return question and answer."""
        return f"{question}|{answer}"

    @tool
    async def only(text_to_check: str) -> dict[str, str]:
        """Object to a word."""
        return {"quote": text_to_check[:5], "text": "No."}

    (comment,) = run(from_tool(shout))
    assert comment.text == f"What then?|{DRAFT}".strip()
    (comment,) = run(from_tool(only, name="o"))
    assert (comment.quote, comment.source) == ("First", "o")


def test_tool_without_an_argument_for_the_draft_is_rejected():
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    with pytest.raises(CheckerError, match="add has no argument for the draft"):
        from_tool(StructuredTool.from_function(add))


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"key": "concise", "score": True, "comment": "Fine."}, []),
        (
            {"key": "concise", "score": False, "comment": "Too long."},
            [("concise", "Fails concise. Too long.")],
        ),
        ({"key": "near", "score": 0.25, "comment": None}, [("near", "Fails near (0.25).")]),
        ([{"key": "a", "score": 0.0}, {"key": "b", "score": 0.9}], [("a", "Fails a (0).")]),
    ],
)
def test_scores_below_the_threshold_are_findings(result: Any, expected: list[tuple[str, str]]):
    def evaluator(*, inputs: str, outputs: str, **kwargs: Any) -> Any:
        assert (inputs, outputs) == (QUESTION, DRAFT)
        return result

    async def async_evaluator(*, inputs: str, outputs: str) -> Any:
        return evaluator(inputs=inputs, outputs=outputs)

    for function in (evaluator, async_evaluator):
        comments = run(from_evaluator(function))
        assert [(comment.source, comment.text) for comment in comments] == expected
        assert {(comment.quote, comment.evidence) for comment in comments} <= {
            ("First, one.", None)
        }
    assert run(from_evaluator(evaluator, passes=0.0, name="x")) == [] or isinstance(result, dict)


@pytest.mark.parametrize(
    "result",
    [
        {"key": "concise", "score": None},
        {"key": "concise", "score": "good"},
        {"key": "concise", "score": float("nan")},
        {"key": "concise"},
        [{"key": "a", "score": 1.0}, {"key": "concise", "score": None}],
        [],
        None,
    ],
)
def test_a_missing_score_is_never_a_pass(result: Any):
    with pytest.raises(CheckerError, match=r"evaluator .*Return a"):
        run(from_evaluator(lambda *, inputs, outputs: result))


def report_missing_source(question: str, draft: str) -> list[dict[str, str]]:
    return [{"quote": "", "text": "The answer names no source.", "severity": "high"}]


@pytest.mark.parametrize("checker", [report_missing_source, from_function(report_missing_source)])
def test_an_empty_quote_is_a_finding_on_the_whole_draft(checker: Any):
    checkers = get_checkers([checker])
    assert list(checkers) == ["report_missing_source"]
    draft = "\n  It is Paris.\nReally."
    output: Any = (
        create_review(model="none", checkers=[checker])
        .compile()
        .invoke({"question": "?", "answer": draft})
    )
    [finding] = output["rounds"][0].findings
    assert (finding.quote, finding.start, finding.end) == ("It is Paris.", 3, 15)
    assert (finding.source, finding.severity) == ("report_missing_source", "high")


def test_a_failing_adapter_is_named_by_its_function():
    def quote_elsewhere(question: str, draft: str) -> list[dict[str, str]]:
        return [{"quote": "Berlin", "text": "Wrong."}]

    output: Any = (
        create_review(model="none", checkers=[from_function(quote_elsewhere)])
        .compile()
        .invoke({"question": "?", "answer": "Paris"})
    )
    assert output["stop_reason"] == "checker_error"
    assert "The checker 'quote_elsewhere'" in output["error"]
    assert 'use the quote "" for the whole draft' in output["error"]
