"""The checkers that can be named; each is imported when it is first used."""

import importlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import cast

from selfcritic.agent.errors import InputError
from selfcritic.agent.evidence.checker import Checker
from selfcritic.agent.schemas import Comment

CheckerFunction = Callable[[str, str], Awaitable[list[Comment]] | list[Comment]]
"""`Checker` as pydantic can hold it, or the plain function of a user: that one runs in a thread."""

CHECKERS: Mapping[str, str] = {
    "syntax": "selfcritic.agent.evidence.python:syntax",
    "lint": "selfcritic.agent.evidence.python:lint",
    "types": "selfcritic.agent.evidence.python:types",
    "task": "selfcritic.agent.evidence.tests:task",
    "arithmetic": "selfcritic.agent.evidence.arithmetic:arithmetic",
}
"""Where each stands: Python that does not parse, that ruff or a type checker objects to, the tests of the task that the
question names, equations that are false."""


def known_checker(spec: str | CheckerFunction) -> str | CheckerFunction:
    """The spec itself, where it is a function or a name there is; raises ValueError else, as pydantic wants it."""
    if isinstance(spec, str) and spec not in CHECKERS:
        raise ValueError(f"there is no checker '{spec}'; there are {', '.join(CHECKERS)}, and any function of your own")
    return spec


def checkers_named(specs: Sequence[str | CheckerFunction]) -> dict[str, CheckerFunction]:
    """The checkers by name, a function by its own; raises InputError where there is no such name."""
    return dict(map(_named, specs))


def _named(spec: str | CheckerFunction) -> tuple[str, CheckerFunction]:
    if not isinstance(spec, str):
        return getattr(spec, "__name__", type(spec).__name__), spec
    if spec not in CHECKERS:
        raise InputError(f"There is no checker '{spec}'; there are {', '.join(CHECKERS)}.")
    module, _, name = CHECKERS[spec].partition(":")
    return spec, cast(Checker, getattr(importlib.import_module(module), name))
