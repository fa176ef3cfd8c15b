"""Build checkers from functions, LangChain tools or openevals evaluators."""

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from selfcritic.agent.checkers.findings import first_line_span, locate_comment, place_on_draft
from selfcritic.agent.concurrency import call_async
from selfcritic.agent.critic.format import parse
from selfcritic.agent.errors import CheckerError
from selfcritic.agent.protocols import Checker
from selfcritic.agent.schemas import Comment

if TYPE_CHECKING:  # takes 50 ms to import and is needed for annotations only
    from langchain_core.tools import BaseTool

_DRAFT_ARGUMENTS = ("draft", "answer", "code", "text", "outputs", "input")
_QUESTION_ARGUMENTS = ("question", "query", "inputs")

CheckerResult = str | Comment | Mapping[str, Any] | Iterable[Any] | None
"""Result of a user's function or tool: None, text, a comment or its fields, or an iterable of these.

Text is parsed as a critique: fenced quotes, each followed by a comment. Text without quotes is a comment on the whole
draft.
"""


def from_function(
    function: Callable[[str, str], CheckerResult | Awaitable[CheckerResult]],
    *,
    name: str | None = None,
) -> Checker:
    """Turn a function of question and draft into a checker.

    The function may be async; a plain one runs in a thread. `evidence` defaults to "confirmed". Quotes without offsets
    are located in the draft. The quote "" is for the whole draft.

    The checker raises CheckerError if a quote is not in the draft.
    """
    source = name or str(getattr(function, "__name__", type(function).__name__))

    async def check(question: str, draft: str, /) -> list[Comment]:
        result = await call_async(function, question, draft)
        return _to_findings(result, draft, source)

    check.__name__ = source
    return check


def from_tool(tool: "BaseTool", *, name: str | None = None) -> Checker:
    """Turn a LangChain tool that takes a draft into a checker.

    The draft is passed as `draft`, `answer`, `code`, `text`, `outputs` or `input`, or as the tool's only argument. The
    question is passed as `question`, `query` or `inputs` if the tool takes one of these. Results are handled as in
    `from_function`.

    Raises:
        CheckerError: the tool has no argument for the draft.
    """
    arguments = list(tool.args)
    draft_argument = _first_present(_DRAFT_ARGUMENTS, arguments)
    question_argument = _first_present(_QUESTION_ARGUMENTS, arguments)
    if draft_argument is None and len(arguments) == 1:
        draft_argument, question_argument = arguments[0], None
    if draft_argument is None:
        raise CheckerError(
            f"The tool {tool.name} has no argument for the draft: rename one of {arguments} to `draft`."
        )

    async def check(question: str, draft: str, /) -> list[Comment]:
        payload = {draft_argument: draft}
        if question_argument is not None:
            payload[question_argument] = question
        result = await tool.ainvoke(payload)
        return _to_findings(result, draft, name or tool.name)

    check.__name__ = name or tool.name
    return check


def from_evaluator(
    evaluator: Callable[..., Any], *, passes: float = 0.5, name: str | None = None
) -> Checker:
    """Turn an openevals evaluator, plain or async, into a checker.

    The evaluator is called with `inputs=question, outputs=draft`. It returns one result or a list of results, each with
    a `score` and optionally a `key` and a `comment`. A score that is False or below `passes` becomes a finding on the
    whole draft. Its `evidence` stays None because an evaluator may call a model.

    The checker raises CheckerError if a result has no score: no verdict is not a pass.
    """

    async def check(question: str, draft: str, /) -> list[Comment]:
        results = await call_async(evaluator, inputs=question, outputs=draft)
        if not isinstance(results, list):
            results = [results]
        if not results:
            raise CheckerError("The evaluator returned no results. Return a score for each draft.")
        findings: list[Comment] = []
        for result in results:
            if _read_score(result, name) < passes:
                findings.append(_to_evaluator_finding(result, draft, name))
        return findings

    check.__name__ = name or str(getattr(evaluator, "__name__", type(evaluator).__name__))
    return check


def _first_present(candidates: Sequence[str], arguments: Sequence[str]) -> str | None:
    return next((name for name in candidates if name in arguments), None)


def _read_score(result: Any, name: str | None) -> float:
    """Return a result's score. Raises CheckerError if it is not a number or bool."""
    score = result.get("score") if isinstance(result, Mapping) else None
    if isinstance(score, int | float) and not math.isnan(score):
        return float(score)
    key = result.get("key") if isinstance(result, Mapping) else None
    raise CheckerError(
        f"The evaluator {name or key or ''} returned the score {score!r}. Return a number, True or False."
    )


def _to_evaluator_finding(result: Mapping[str, Any], draft: str, name: str | None) -> Comment:
    key = result.get("key")
    score = result["score"]
    text = f"Fails {key or 'the evaluation'}"
    if not isinstance(score, bool):
        text += f" ({score:g})"
    text += f". {result.get('comment') or ''}"
    return _comment_on_draft(draft, text.strip(), source=name or key)


def _to_findings(result: CheckerResult, draft: str, source: str) -> list[Comment]:
    if result is None or result == "":
        return []
    if isinstance(result, str):
        comments = parse(result).comments or [_comment_on_draft(draft, result.strip())]
        return [_to_finding(comment, draft, source) for comment in comments]
    if isinstance(result, Comment | Mapping):
        comment = Comment.model_validate(result)
        return [_to_finding(comment, draft, source)]

    findings: list[Comment] = []
    for item in cast(Iterable[CheckerResult], result):
        findings += _to_findings(item, draft, source)
    return findings


def _comment_on_draft(draft: str, text: str, source: str | None = None) -> Comment:
    start, end = first_line_span(draft)
    return Comment(quote=draft[start:end], text=text, start=start, end=end, source=source)


def _to_finding(comment: Comment, draft: str, source: str) -> Comment:
    """Add source, evidence and offsets to a comment."""
    defaults = {
        "source": comment.source or source,
        "evidence": comment.evidence or "confirmed",
    }
    finding = comment.model_copy(update=defaults)
    if _has_valid_offsets(finding, draft):
        return finding
    if not comment.quote.strip():
        return place_on_draft(finding, draft)
    located = locate_comment(finding, draft)
    if located is None:
        raise CheckerError(
            f"The checker {source} quotes text that is not in the draft: {comment.quote[:80]!r}. "
            'Quote the exact words of the draft, or use the quote "" for the whole draft.'
        )
    return located


def _has_valid_offsets(comment: Comment, draft: str) -> bool:
    if comment.start is None or comment.end is None:
        return False
    return draft[comment.start : comment.end] == comment.quote
