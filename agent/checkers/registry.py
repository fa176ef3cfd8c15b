"""The checkers that can be named; each is imported when it is first used."""

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from typing import cast

from selfcritic.agent.concurrency import call_async
from selfcritic.agent.critic.grounding import locate, place_comment
from selfcritic.agent.errors import CheckerError, InputError
from selfcritic.agent.protocols import Checker, CheckerFunction
from selfcritic.agent.schemas import Comment

CHECKERS: dict[str, str] = {
    "syntax": "selfcritic.agent.checkers.python:syntax",
    "lint": "selfcritic.agent.checkers.python:lint",
    "typecheck": "selfcritic.agent.checkers.python:typecheck",
    "arithmetic": "selfcritic.agent.checkers.arithmetic.checker:arithmetic",
}
"""Where each stands: Python that does not parse, that ruff or a type checker objects to, the tests of the task that the
question names, equations that are false."""


def register_checker(name: str, target: str) -> None:
    """Add a named checker; `target` is "module:function", imported at first use."""
    CHECKERS[name] = target


def validate_checker(spec: str | CheckerFunction) -> str | CheckerFunction:
    """The spec itself, where it is a function or a name there is; raises ValueError else, as pydantic wants it."""
    if isinstance(spec, str) and spec not in CHECKERS:
        raise ValueError(f"there is no checker '{spec}'; there are {', '.join(CHECKERS)}, and any function of your own")
    return spec


def get_checkers(specs: Sequence[str | CheckerFunction]) -> dict[str, CheckerFunction]:
    """The checkers by name, a function by its own; raises InputError where there is no such name."""
    return dict(map(_named, specs))


def _named(spec: str | CheckerFunction) -> tuple[str, CheckerFunction]:
    if not isinstance(spec, str):
        return getattr(spec, "__name__", type(spec).__name__), spec
    if spec not in CHECKERS:
        raise InputError(f"There is no checker '{spec}'; there are {', '.join(CHECKERS)}.")
    module, _, name = CHECKERS[spec].partition(":")
    return spec, cast(Checker, getattr(importlib.import_module(module), name))


async def run_checkers(checkers: Mapping[str, CheckerFunction], question: str, answer: str) -> list[Comment]:
    """The findings, in the order of the checkers; raises CheckerError where one of them fails."""
    found = await asyncio.gather(*(_findings(name, check, question, answer) for name, check in checkers.items()))
    return [finding for findings in found for finding in findings]


async def _findings(name: str, check: CheckerFunction, question: str, answer: str) -> list[Comment]:
    try:
        findings = await call_async(check, question, answer)
        return [_located(Comment.model_validate(finding), answer, name) for finding in findings]
    except Exception as error:  # a checker may be anybody's function; no draft may be lost for it
        raise CheckerError(
            f"The checker '{name}' failed ({type(error).__name__}: {error}). Mend it, or leave it out of `checkers`."
        ) from error


def _located(finding: Comment, answer: str, name: str) -> Comment:
    """The finding with its place in the answer, which stays None where its quote does not stand there."""
    finding = finding.model_copy(update={"source": finding.source or name})
    if finding.start is None:
        span = locate(finding.quote, answer)
        if span is not None:
            return place_comment(finding, span, answer)
    return finding
