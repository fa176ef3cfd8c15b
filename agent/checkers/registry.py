"""Look up checkers by name and run them on an answer."""

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from typing import cast

from selfcritic.agent.checkers.findings import locate_comment, place_on_draft
from selfcritic.agent.concurrency import call_async
from selfcritic.agent.errors import CheckerError, InputError
from selfcritic.agent.protocols import Checker, CheckerFunction
from selfcritic.agent.redaction import redact
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
        raise ValueError(f"there is no checker '{redact(spec)}'; use {names}, or pass a function")
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
) -> tuple[list[Comment], CheckerError | None]:
    """Run all checkers concurrently.

    Returns the findings in the order of the checkers, and an error that names each checker that failed. A checker fails
    if it raises, or returns something that is not a comment. Each finding has a source. A finding whose quote is not in
    the answer is kept without offsets.
    """
    runs = [_run_checker(name, checker, question, answer) for name, checker in checkers.items()]
    findings: list[Comment] = []
    errors: list[CheckerError] = []
    for result in await asyncio.gather(*runs):
        if isinstance(result, CheckerError):
            errors.append(result)
        else:
            findings += result
    if not errors:
        return findings, None
    if len(errors) == 1:
        return findings, errors[0]
    return findings, CheckerError(" ".join(str(error) for error in errors))


async def _run_checker(
    name: str, checker: CheckerFunction, question: str, answer: str
) -> list[Comment] | CheckerError:
    try:
        results = await call_async(checker, question, answer)
        comments = [Comment.model_validate(result) for result in results]
        return [_complete(comment, answer, name) for comment in comments]
    except CheckerError as error:
        return CheckerError(f"The checker '{name}' could not check the text: {error}")
    except Exception as error:  # noqa: BLE001 - a user's function can raise anything
        return CheckerError(
            f"The checker '{name}' failed ({type(error).__name__}: {error}). Fix it or remove it from `checkers`."
        )


def _complete(comment: Comment, answer: str, name: str) -> Comment:
    """Add the source, and missing offsets if the quote is found."""
    finding = comment.model_copy(update={"source": comment.source or name})
    if finding.start is not None:
        return finding
    if not finding.quote.strip():
        return place_on_draft(finding, answer)
    return locate_comment(finding, answer) or finding
