"""Look up checkers by name and run them on an answer."""

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import cast

from selfcritic.agent.checkers.findings import locate_comment, place_on_draft
from selfcritic.agent.concurrency import call_async
from selfcritic.agent.errors import CheckerError, InputError
from selfcritic.agent.protocols import Checker, CheckerFunction
from selfcritic.agent.schemas import Comment

CHECKERS: dict[str, str] = {
    "syntax": "selfcritic.agent.checkers.python:syntax",
    "lint": "selfcritic.agent.checkers.python:lint",
    "typecheck": "selfcritic.agent.checkers.python:typecheck",
    "arithmetic": "selfcritic.agent.checkers.arithmetic.checker:arithmetic",
}
"""Import target ("module:function") of each named checker, imported at first use."""


def register_checker(name: str, target: str) -> None:
    """Add a named checker; `target` is "module:function", imported at first use."""
    CHECKERS[name] = target


def validate_checker(spec: str | CheckerFunction) -> str | CheckerFunction:
    """Return the spec if it is a registered name or a function.

    Raises:
        ValueError: the name is not registered. Pydantic reports it as a validation error.
    """
    if isinstance(spec, str) and spec not in CHECKERS:
        names = ", ".join(CHECKERS)
        raise ValueError(f"there is no checker '{spec}'; use {names}, or pass a function")
    return spec


def get_checkers(specs: Sequence[str | CheckerFunction]) -> dict[str, CheckerFunction]:
    """Map the name of each checker to its function.

    A function is named by its `__name__`, an object by its class.

    Raises:
        InputError: a name is not registered.
    """
    checkers: dict[str, CheckerFunction] = {}
    for spec in specs:
        if isinstance(spec, str):
            checkers[spec] = _import_checker(spec)
        else:
            name = getattr(spec, "__name__", type(spec).__name__)
            checkers[name] = spec
    return checkers


def _import_checker(name: str) -> Checker:
    if name not in CHECKERS:
        names = ", ".join(CHECKERS)
        raise InputError(
            f"There is no checker '{name}'. Use {names}, or pass a function in `checkers`."
        )
    module_name, _, function_name = CHECKERS[name].partition(":")
    module = importlib.import_module(module_name)
    return cast(Checker, getattr(module, function_name))


async def run_checkers(
    checkers: Mapping[str, CheckerFunction], question: str, answer: str
) -> list[Comment]:
    """Run all checkers concurrently and return their findings.

    The findings are in the order of the checkers. Each has a source. A finding whose quote is not in the answer
    is kept without offsets.

    Raises:
        CheckerError: a checker raised, or returned something that is not a comment.
    """
    runs = [_run_checker(name, checker, question, answer) for name, checker in checkers.items()]
    findings = await asyncio.gather(*runs)
    return list(chain.from_iterable(findings))


async def _run_checker(
    name: str, checker: CheckerFunction, question: str, answer: str
) -> list[Comment]:
    try:
        results = await call_async(checker, question, answer)
        comments = [Comment.model_validate(result) for result in results]
        return [_complete(comment, answer, name) for comment in comments]
    except Exception as error:  # a user's function can raise anything
        raise CheckerError(
            f"The checker '{name}' failed ({type(error).__name__}: {error}). Fix it or remove it from `checkers`."
        ) from error


def _complete(comment: Comment, answer: str, name: str) -> Comment:
    """Add the source, and missing offsets if the quote is found."""
    finding = comment.model_copy(update={"source": comment.source or name})
    if finding.start is not None:
        return finding
    if not finding.quote.strip():
        return place_on_draft(finding, answer)
    return locate_comment(finding, answer) or finding
