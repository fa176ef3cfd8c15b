"""Define the interfaces of checkers and scorers."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from selfcritic.agent.addresses import is_address
from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment, Critique


class Checker(Protocol):
    """Finds errors in a draft without calling a model."""

    def __call__(self, question: str, draft: str, /) -> Coroutine[Any, Any, list[Comment]]:
        """Return findings with `start`, `end` and the checker's name as `source`.

        Returns no findings if the checker does not apply to the draft. Raises CheckerError if it applies but cannot
        check the draft, for example because its tool is not installed.
        """
        ...


Findings = Sequence[Comment | Mapping[str, Any]]
"""Comments, or dicts with their fields."""


CheckerFunction = Callable[[str, str], Awaitable[Findings] | Findings]
"""Pydantic-compatible type of a checker; a plain function runs in a thread."""


Scores = Sequence[float | None]
"""A score for each critique; None, NaN or an infinite number rejects the critique."""


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


def validate_scorer(scorer: str | ScorerFunction) -> str | ScorerFunction:
    """Return the name of an existing scorer, or a function.

    Raises:
        ValueError: The scorer does not exist.
        InputError: It is an address without the name of a scorer.
    """
    if not isinstance(scorer, str):
        return scorer
    kind, colon, argument = scorer.partition(":")
    for known_scorer in SCORERS:
        known_kind, takes_argument, _ = known_scorer.partition(":")
        if kind == known_kind and bool(takes_argument) == bool(colon) == bool(argument):
            return scorer
    if is_address(scorer):
        raise InputError("`scorer` (--scorer) takes a URL in the form reward-server:URL.")
    names = ", ".join(SCORERS)
    raise ValueError(f"unknown scorer '{scorer}': use {names}, or pass a function")
