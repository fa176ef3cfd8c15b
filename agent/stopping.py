"""What the checkers of a run find in an answer: all of them at once, each finding located and signed."""

from collections.abc import Sequence

from selfcritic.agent.schemas import Comment


def gravity(findings: Sequence[Comment]) -> tuple[int, int, int]:
    """How much is found: findings of high, of medium or unknown, of low severity. The smaller in order, the better."""
    ranks = [finding.severity or "medium" for finding in findings]
    return ranks.count("high"), ranks.count("medium"), ranks.count("low")
