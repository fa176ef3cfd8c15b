"""Evidence: what the checkers know of a critique's comments."""

from collections.abc import Sequence

from selfcritic.agent.schemas import Critique


async def evidence(_question: str, _draft: str, critiques: Sequence[Critique]) -> list[float]:
    """Between -1 and 1: the share of comments that is confirmed less the share that is refuted; 0 where nothing is."""
    return [_known(critique) for critique in critiques]


def _known(critique: Critique) -> float:
    marks = [comment.evidence for comment in critique.comments]
    return (marks.count("confirmed") - marks.count("refuted")) / len(marks) if marks else 0.0
