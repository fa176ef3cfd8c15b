"""What the checkers of a run find in an answer: all of them at once, each finding located and signed."""

import asyncio
from collections.abc import Mapping, Sequence

from selfcritic.agent.critic.grounding import locate
from selfcritic.agent.errors import EvidenceError
from selfcritic.agent.evidence.named import CheckerFunction
from selfcritic.agent.own_function import result_of
from selfcritic.agent.schemas import Comment


async def findings_of(checkers: Mapping[str, CheckerFunction], question: str, answer: str) -> list[Comment]:
    """The findings, in the order of the checkers; raises EvidenceError where one of them fails."""
    found = await asyncio.gather(*(_findings(name, check, question, answer) for name, check in checkers.items()))
    return [finding for findings in found for finding in findings]


async def _findings(name: str, check: CheckerFunction, question: str, answer: str) -> list[Comment]:
    try:
        findings = await result_of(check, question, answer)
        return [_located(Comment.model_validate(finding), answer, name) for finding in findings]
    except Exception as error:  # a checker may be anybody's function; no draft may be lost for it
        raise EvidenceError(
            f"The checker '{name}' failed ({type(error).__name__}: {error}). Mend it, or leave it out of `checkers`."
        ) from error


def _located(finding: Comment, answer: str, name: str) -> Comment:
    """The finding with its place in the answer, which stays None where its quote does not stand there."""
    update: dict[str, object] = {"source": finding.source or name}
    if finding.start is None and (span := locate(finding.quote, answer)):
        update |= {"quote": answer[span.start : span.end], "start": span.start, "end": span.end}
    return finding.model_copy(update=update)


def gravity(findings: Sequence[Comment]) -> tuple[int, int, int]:
    """How much is found: findings of high, of medium or unknown, of low severity. The smaller in order, the better."""
    ranks = [finding.severity or "medium" for finding in findings]
    return ranks.count("high"), ranks.count("medium"), ranks.count("low")
