"""Decide when a run stops and which round is the best."""

from collections.abc import Sequence

from selfcritic.agent.context import Context
from selfcritic.agent.errors import BudgetExhausted, CheckerError, SelfcriticError
from selfcritic.agent.schemas import Comment, Round, StopReason

SeverityCounts = tuple[int, int, int]
"""Number of findings of high, of medium or unknown, and of low severity. Smaller tuples are better."""


def severity_counts(findings: Sequence[Comment]) -> SeverityCounts:
    """Count findings by severity, the most severe first."""
    severities = [finding.severity or "medium" for finding in findings]
    return severities.count("high"), severities.count("medium"), severities.count("low")


def best_round(rounds: Sequence[Round]) -> int:
    """Return the index of the best round, the earliest of ties.

    Checker findings take precedence over the judge's opinion. An unjudged round wins only if no round was judged.
    """
    return min(range(len(rounds)), key=lambda index: _rank_key(rounds[index]))


def _rank_key(round_: Round) -> tuple[bool, SeverityCounts, float]:
    is_unjudged = round_.p_critiqueable is None
    return is_unjudged, severity_counts(round_.findings), round_.p_critiqueable or 0.0


def find_stop_reason(rounds: Sequence[Round], context: Context) -> StopReason | None:
    """Return why the run stops now, or None if it continues.

    A draft with findings of high or medium severity is never accepted.
    """
    probabilities = [_probability(round_) for round_ in rounds]
    counts = [severity_counts(round_.findings) for round_ in rounds]
    high, medium, _ = counts[-1]
    if probabilities[-1] < context.accept_threshold and high == 0 and medium == 0:
        return "accepted"
    if len(rounds) > context.max_rounds:
        return "max_rounds"
    split = len(rounds) - context.patience
    if split <= 0:
        return None
    is_more_probable = min(probabilities[split:]) <= min(probabilities[:split]) - context.min_delta
    has_fewer_findings = min(counts[split:]) < min(counts[:split])
    return None if is_more_probable or has_fewer_findings else "plateau"


def _probability(round_: Round) -> float:
    """Return P(critiqueable); an unjudged round counts as certainly flawed."""
    if round_.p_critiqueable is None:
        return 1.0
    return round_.p_critiqueable


def stop_reason_for(error: SelfcriticError) -> StopReason:
    """Return the stop reason for an error after the first draft."""
    if isinstance(error, CheckerError):
        return "checker_error"
    if isinstance(error, BudgetExhausted):
        return "budget"
    return "model_error"
