"""The protocol of a checker: what a tool knows of an answer, as comments that quote it."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from selfcritic.agent.schemas import Comment


class Checker(Protocol):
    """Knows rather than guesses: finds what is wrong with a draft, without any model's opinion."""

    def __call__(self, question: str, draft: str, /) -> Awaitable[list[Comment]]:
        """The findings, located in the draft (`start`, `end`), each with the checker's name as its `source`.

        A checker that cannot look (the draft is none of its kind, its tool is not installed) finds nothing.
        """
        ...


CheckerFunction = Callable[[str, str], Awaitable[list[Comment]] | list[Comment]]
"""`Checker` as pydantic can hold it, or the plain function of a user: that one runs in a thread."""
