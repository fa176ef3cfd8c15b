"""What the checkers of a run find in an answer: all of them at once, each finding located and signed."""

from collections.abc import Sequence

from selfcritic.agent.context import Context
from selfcritic.agent.errors import BudgetExhausted, CheckerError, SelfcriticError
from selfcritic.agent.schemas import Comment, Round, StopReason


def severity_counts(findings: Sequence[Comment]) -> tuple[int, int, int]:
    """How much is found: findings of high, of medium or unknown, of low severity. The smaller in order, the better."""
    ranks = [finding.severity or "medium" for finding in findings]
    return ranks.count("high"), ranks.count("medium"), ranks.count("low")


def stop_reason_for(stop: StopReason | SelfcriticError) -> StopReason:
    """The stop reason that a failure amounts to once there is a draft."""
    if isinstance(stop, SelfcriticError):
        if isinstance(stop, CheckerError):
            return "checker_error"
        return "budget" if isinstance(stop, BudgetExhausted) else "model_error"
    return stop


def best_round(rounds: Sequence[Round]) -> int:
    """The round of the best draft, the earliest of equals; an unjudged one only if all are.

    Evidence goes before opinion: the fewest and least severe findings of the checkers, then the lowest P(critiqueable).
    """
    return min(range(len(rounds)), key=lambda index: _measure(rounds[index]))


def _measure(draft: Round) -> tuple[bool, tuple[int, int, int], float]:
    """What a draft is ranked by; the smaller, the better."""
    return draft.p_critiqueable is None, severity_counts(draft.findings), draft.p_critiqueable or 0.0


def find_stop_reason(rounds: Sequence[Round], context: Context) -> StopReason | None:
    """Why the run stops at its latest draft; None where it goes on. What checkers object to is not accepted."""
    measures = [draft.p_critiqueable if draft.p_critiqueable is not None else 1.0 for draft in rounds]
    found = [severity_counts(draft.findings) for draft in rounds]
    if measures[-1] < context.accept_threshold and found[-1][:2] == (0, 0):  # of low severity they do not count
        return "accepted"
    if len(rounds) > context.max_rounds:
        return "max_rounds"
    before = len(rounds) - context.patience
    if before <= 0:
        return None
    is_gain = min(measures[before:]) <= min(measures[:before]) - context.min_delta
    return None if is_gain or min(found[before:]) < min(found[:before]) else "plateau"
