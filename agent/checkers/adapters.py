"""Checkers out of what people have already: plain functions, LangChain's tools, openevals' evaluators."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from selfcritic.agent.checkers.findings import first_line_span
from selfcritic.agent.critic.format import parse
from selfcritic.agent.critic.grounding import locate, place_comment
from selfcritic.agent.errors import CheckerError
from selfcritic.agent.protocols import Checker
from selfcritic.agent.schemas import Comment

if TYPE_CHECKING:  # it is a twentieth of a second to import, and only named here
    from langchain_core.tools import BaseTool

_DRAFT: tuple[str, ...] = ("draft", "answer", "code", "text", "outputs", "input")
_QUESTION: tuple[str, ...] = ("question", "query", "inputs")

CheckerResult = str | Comment | Mapping[str, Any] | Iterable[Any] | None
"""What a function or a tool may answer: nothing, a text, a comment or its fields, or several of those.

A text is read as a critique, fenced quotes with comments; one without any quote is about the draft as a whole.
"""


def from_function(
    function: Callable[[str, str], CheckerResult | Awaitable[CheckerResult]], *, name: str | None = None
) -> Checker:
    """A checker out of a function of question and draft, plain or async; a plain one runs in a thread.

    Its findings are taken for known: `evidence` is "confirmed". A quote without a place is located, and one that does
    not stand in the draft raises CheckerError.
    """
    source = name or str(getattr(function, "__name__", type(function).__name__))

    async def check(question: str, draft: str, /) -> list[Comment]:
        return _comments(await _answer(function, question, draft), draft, source)

    return check


def from_tool(tool: "BaseTool", *, name: str | None = None) -> Checker:
    """A checker out of a LangChain tool that takes a draft, and perhaps the question.

    The draft goes to its argument `draft`, `answer`, `code`, `text`, `outputs` or `input`, or else to its only one; the
    question to `question`, `query` or `inputs`. What it answers is read as that of a function. Raises CheckerError
    where it takes no draft.
    """
    taken = list(tool.args)
    drafts, questions = [key for key in _DRAFT if key in taken], [key for key in _QUESTION if key in taken]
    if not drafts and len(taken) == 1:
        drafts, questions = taken, []
    if not drafts:
        raise CheckerError(f"The tool {tool.name} has no argument for the draft: name one of its {taken} `draft`.")

    async def check(question: str, draft: str, /) -> list[Comment]:
        given = {drafts[0]: draft} | dict.fromkeys(questions[:1], question)
        return _comments(await tool.ainvoke(given), draft, name or tool.name)

    return check


def from_evaluator(evaluator: Callable[..., Any], *, passes: float = 0.5, name: str | None = None) -> Checker:
    """A checker out of an evaluator as openevals makes them, plain or async.

    It is called with `inputs=question, outputs=draft`; its result, or each of them, has `score`, and perhaps `key` and
    `comment`. A score that is False or below `passes` is a finding on the draft as a whole. Its `evidence` stays None:
    an evaluator may well be a model's opinion.
    """

    async def check(question: str, draft: str, /) -> list[Comment]:
        results = await _answer(evaluator, inputs=question, outputs=draft)
        start, end = first_line_span(draft)
        return [
            Comment(quote=draft[start:end], text=_verdict(one), start=start, end=end, source=name or one.get("key"))
            for one in (results if isinstance(results, list) else [results])
            if one["score"] is not None and float(one["score"]) < passes
        ]

    return check


async def _answer(function: Callable[..., Any], *given: str, **named: str) -> Any:
    """The function's answer; only what is not a coroutine function needs a thread."""
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
        return await function(*given, **named)
    answer = await asyncio.to_thread(function, *given, **named)
    return await answer if inspect.isawaitable(answer) else answer


def _verdict(result: Mapping[str, Any]) -> str:
    score = result["score"]
    told = "" if isinstance(score, bool) else f" ({score:g})"
    return f"Fails {result.get('key') or 'the evaluation'}{told}. {result.get('comment') or ''}".strip()


def _comments(said: CheckerResult, draft: str, source: str) -> list[Comment]:
    if said is None or said == "":
        return []
    if isinstance(said, str):
        start, end = first_line_span(draft)
        whole = Comment(quote=draft[start:end], text=said.strip(), start=start, end=end)
        return [_placed(one, draft, source) for one in parse(said).comments or [whole]]
    if isinstance(said, Comment | Mapping):
        return [_placed(Comment.model_validate(said), draft, source)]
    return [comment for one in cast(Iterable[CheckerResult], said) for comment in _comments(one, draft, source)]


def _placed(comment: Comment, draft: str, source: str) -> Comment:
    """The comment at the place of its quote, which is the draft's own words there."""
    known = {"source": comment.source or source, "evidence": comment.evidence or "confirmed"}
    comment = comment.model_copy(update=known)
    if comment.start is not None and comment.end is not None and draft[comment.start : comment.end] == comment.quote:
        return comment
    span = locate(comment.quote, draft)
    if span is None:
        raise CheckerError(f"The checker {source} quotes what does not stand in the draft: {comment.quote[:80]!r}.")
    return place_comment(comment, span, draft)
