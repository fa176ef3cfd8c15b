"""Score critiques by their comments' evidence from checkers."""

from collections.abc import Sequence

from selfcritic.agent.schemas import Critique


async def evidence(_question: str, _draft: str, critiques: Sequence[Critique]) -> list[float]:
    """Return each critique's share of confirmed comments minus that of refuted ones.

    The scores are between -1 and 1; a critique without located comments has 0.
    """
    return [_evidence_score(critique) for critique in critiques]


def _evidence_score(critique: Critique) -> float:
    results = [comment.evidence for comment in critique.comments]
    if not results:
        return 0.0
    return (results.count("confirmed") - results.count("refuted")) / len(results)
