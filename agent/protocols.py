"""The protocol of a checker: what a tool knows of an answer, as comments that quote it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from selfcritic.agent.schemas import Comment, Critique


class Checker(Protocol):
    """Knows rather than guesses: finds what is wrong with a draft, without any model's opinion."""

    def __call__(self, question: str, draft: str, /) -> Awaitable[list[Comment]]:
        """The findings, located in the draft (`start`, `end`), each with the checker's name as its `source`.

        A checker that cannot look (the draft is none of its kind, its tool is not installed) finds nothing.
        """
        ...


CheckerFunction = Callable[[str, str], Awaitable[list[Comment]] | list[Comment]]
"""`Checker` as pydantic can hold it, or the plain function of a user: that one runs in a thread."""


Scores = Sequence[float | None]


ScorerFunction = Callable[[str, str, Sequence[Critique]], Awaitable[Scores] | Scores]
"""`Scorer` as pydantic can hold it, or the plain function of a user: that one runs in a thread."""


SCORERS: Mapping[str, str] = {
    "helpfulness": "P(Yes) to whether it is valid and helpful, by the judge",
    "evidence": "by the checkers: the share of its comments that is confirmed, less the share that is refuted",
    "reward:FOLDER": "a reward model in a folder, as transformers saves it (extra `train`)",
    "reward-server:URL": "a reward model behind an address that ends in /score or /classify, as vLLM serves it",
}


class Scorer(Protocol):
    """Says what critiques are worth; higher is better, on a scale of its own that is the same for all drafts."""

    def __call__(self, question: str, draft: str, critiques: Sequence[Critique], /) -> Awaitable[Scores]:
        """A score a critique, in their order; None where none can be had. All critiques come in one call."""
        ...


def validate_scorer(name: str) -> str:
    """The name itself, where there is such a scorer; raises ValueError else, as pydantic wants it."""
    kind, colon, rest = name.partition(":")
    if not any(kind == known.partition(":")[0] and bool(rest) == (":" in known) == bool(colon) for known in SCORERS):
        raise ValueError(f"there is no scorer '{name}'; there are {', '.join(SCORERS)}, and any function of your own")
    return name
