"""The protocol of a scorer: what critiques of a draft are worth, as numbers."""

from collections.abc import Awaitable, Sequence
from typing import Protocol

from selfcritic.agent.schemas import Critique


class Scorer(Protocol):
    """Says what critiques are worth; higher is better, on a scale of its own that is the same for all drafts."""

    def __call__(
        self, question: str, draft: str, critiques: Sequence[Critique], /
    ) -> Awaitable[Sequence[float | None]]:
        """A score a critique, in their order; None where none can be had. All critiques come in one call."""
        ...
