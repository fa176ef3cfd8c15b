"""Define the interfaces of checkers and scorers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from selfcritic.agent.schemas import Comment, Critique


class Checker(Protocol):
    """Finds errors in a draft without calling a model."""

    def __call__(self, question: str, draft: str, /) -> Awaitable[list[Comment]]:
        """Return findings with `start`, `end` and the checker's name as `source`.

        Returns no findings if the checker does not apply to the draft. Raises CheckerError if it applies but cannot
        check the draft, for example because its tool is not installed.
        """
        ...


CheckerFunction = Callable[[str, str], Awaitable[list[Comment]] | list[Comment]]
"""Pydantic-compatible type of a `Checker`; a plain function runs in a thread."""


Scores = Sequence[float | None]


ScorerFunction = Callable[[str, str, Sequence[Critique]], Awaitable[Scores] | Scores]
"""Pydantic-compatible type of a `Scorer`; a plain function runs in a thread."""


SCORERS: Mapping[str, str] = {
    "helpfulness": "P(Yes) to whether the critique is valid and helpful, by the judge",
    "evidence": "share of its comments that the checkers confirm, minus the share that they refute",
    "reward:FOLDER": "reward model in a folder, as saved by transformers (extra `train`)",
    "reward-server:URL": "reward model served by vLLM at a URL that ends in /score or /classify",
}


class Scorer(Protocol):
    """Rates critiques: higher is better, on the same scale for all drafts."""

    def __call__(
        self, question: str, draft: str, critiques: Sequence[Critique], /
    ) -> Awaitable[Scores]:
        """Score all critiques of a draft in one call.

        Returns one score for each critique, in order; None for a critique that cannot be scored.
        """
        ...


def validate_scorer(name: str) -> str:
    """Return the name of an existing scorer.

    Raises:
        ValueError: The scorer does not exist.
    """
    kind, colon, argument = name.partition(":")
    for scorer in SCORERS:
        scorer_kind, takes_argument, _ = scorer.partition(":")
        if kind == scorer_kind and bool(takes_argument) == bool(colon) == bool(argument):
            return name
    raise ValueError(f"unknown scorer '{name}': use {', '.join(SCORERS)}, or pass a function")
