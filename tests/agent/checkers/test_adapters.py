"""Plain functions, LangChain's tools and evaluators, each as a checker."""

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any

import pytest
from langchain_core.tools import StructuredTool, tool

from selfcritic.agent.checkers import Checker, from_evaluator, from_function, from_tool
from selfcritic.agent.errors import CheckerError
from selfcritic.agent.schemas import Comment

DRAFT = "First, one.\nThen, two.\n"


def found(checker: Checker, draft: str = DRAFT) -> list[Comment]:
    return asyncio.run(_awaited(checker("What then?", draft)))


async def _awaited(one: Awaitable[list[Comment]]) -> list[Comment]:
    return await one


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, []),
        ("", []),
        ([], []),
        ("Too short.", [("First, one.", "Too short.")]),
        ("```\nThen, two.\n```\n[low] Not so.\n", [("Then, two.", "Not so.")]),
        (Comment(quote="two", text="Three."), [("two", "Three.")]),
        ({"quote": "one", "text": "Zero."}, [("one", "Zero.")]),
        ([{"quote": "one.\nThen", "text": "A."}, "B."], [("one.\nThen", "A."), ("First, one.", "B.")]),
        (({"quote": "one", "text": str(n)} for n in range(2)), [("one", "0"), ("one", "1")]),
        (Comment(quote="n", text="The second.", start=15, end=16), [("n", "The second.")]),
    ],
)
def test_what_a_function_may_say(said: Any, expected: list[tuple[str, str]]):
    comments = found(from_function(lambda question, draft: said, name="mine"))
    assert [(one.quote, one.text) for one in comments] == expected
    assert all(one.quote == DRAFT[one.start : one.end] for one in comments)
    assert {(one.source, one.evidence) for one in comments} <= {("mine", "confirmed")}


def test_a_plain_function_runs_in_a_thread_and_gives_its_name():
    threads = []

    def length(question: str, draft: str) -> str:
        threads.append(threading.current_thread())
        return f"{question} {len(draft)}"

    (comment,) = found(from_function(length))
    assert (comment.source, comment.text) == ("length", "What then? 23")
    assert threads != [threading.main_thread()]


def test_async_functions_serve_too():
    class Slow:
        async def __call__(self, question: str, draft: str) -> str:
            await asyncio.sleep(0)
            return question

    assert found(from_function(Slow()))[0].text == "What then?"
    assert found(from_function(Slow()))[0].source == "Slow"
    assert found(from_function(Slow().__call__))[0].text == "What then?"


def test_a_quote_that_does_not_stand_there_is_an_error():
    with pytest.raises(CheckerError, match="quotes what does not stand in the draft: 'three hundred'"):
        found(from_function(lambda question, draft: {"quote": "three hundred", "text": "No."}))


def test_a_blank_draft_is_no_trouble():
    (comment,) = found(from_function(lambda question, draft: "Says nothing."), " \n")
    assert (comment.quote, comment.start, comment.end) == ("", 0, 0)


def test_tools_are_given_what_they_take():
    @tool
    def shout(answer: str, question: str) -> str:
        """Say both."""
        return f"{question}|{answer}"

    @tool
    async def only(text_to_check: str) -> dict[str, str]:
        """Object to a word."""
        return {"quote": text_to_check[:5], "text": "No."}

    assert found(from_tool(shout))[0].text == f"What then?|{DRAFT}".strip()
    assert [(one.quote, one.source) for one in found(from_tool(only, name="o"))] == [("First", "o")]


def test_a_tool_that_takes_no_draft_is_refused():
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    with pytest.raises(CheckerError, match="add has no argument for the draft"):
        from_tool(StructuredTool.from_function(add))


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"key": "concise", "score": True, "comment": "Fine."}, []),
        ({"key": "concise", "score": None, "comment": None}, []),
        ({"key": "concise", "score": False, "comment": "Too long."}, [("concise", "Fails concise. Too long.")]),
        ({"key": "near", "score": 0.25, "comment": None}, [("near", "Fails near (0.25).")]),
        ([{"key": "a", "score": 0.0}, {"key": "b", "score": 0.9}], [("a", "Fails a (0).")]),
    ],
)
def test_evaluators_object_below_their_mark(result: Any, expected: list[tuple[str, str]]):
    def evaluator(*, inputs: str, outputs: str, **kwargs: Any) -> Any:
        assert (inputs, outputs) == ("What then?", DRAFT)
        return result

    async def slow(*, inputs: str, outputs: str) -> Any:
        return evaluator(inputs=inputs, outputs=outputs)

    for one in (evaluator, slow):
        comments = found(from_evaluator(one))
        assert [(comment.source, comment.text) for comment in comments] == expected
        assert all(comment.quote == "First, one." and comment.evidence is None for comment in comments)
    assert found(from_evaluator(evaluator, passes=0.0, name="x")) == [] or isinstance(result, dict)
