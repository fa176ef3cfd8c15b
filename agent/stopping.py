"""Decide when a run stops and which round is the best."""

from collections.abc import Sequence

from selfcritic.agent.context import Context
from selfcritic.agent.errors import (
    BudgetExhausted,
    CheckerError,
    CheckpointError,
    JudgeUnreadable,
    ReplyTruncated,
    ScorerError,
    SelfcriticError,
)
from selfcritic.agent.schemas import Comment, JudgeMethod, Round, StopReason

SeverityCounts = tuple[int, int, int]
"""Number of findings of high, of medium or unknown, and of low severity. Smaller tuples are better."""


def severity_counts(findings: Sequence[Comment]) -> SeverityCounts:
    """Count findings by severity, the most severe first."""
    severities = [finding.severity or "medium" for finding in findings]
    return severities.count("high"), severities.count("medium"), severities.count("low")


def best_round(rounds: Sequence[Round]) -> int:
    """Return the index of the best round, the earliest of ties.

    A truncated draft is never better than a whole one, and checker findings take precedence over the judge's opinion.
    Of drafts with the same findings, one whose checker failed is worse.
    An unjudged round wins only if no round was judged. Only probabilities that were measured in the same way are
    compared: those of the method that judged the most rounds.
    """
    method = _main_method(rounds)
    return min(range(len(rounds)), key=lambda index: _rank_key(rounds[index], method))


def _main_method(rounds: Sequence[Round]) -> JudgeMethod | None:
    """Return how most rounds were judged; of ties, the first method."""
    methods = [round_.judged_by for round_ in rounds if round_.p_critiqueable is not None]
    if not methods:
        return None
    return max(methods, key=methods.count)


def _rank_key(
    round_: Round, method: JudgeMethod | None
) -> tuple[bool, bool, SeverityCounts, bool, bool, float]:
    is_unjudged = round_.p_critiqueable is None
    is_incomparable = round_.judged_by != method
    return (
        round_.is_truncated,
        is_unjudged,
        severity_counts(round_.findings),
        round_.is_unchecked,
        is_incomparable,
        round_.p_critiqueable or 0.0,
    )


def find_stop_reason(rounds: Sequence[Round], context: Context) -> StopReason | None:
    """Return why the run stops now, or None if it continues.

    A truncated draft, or one with findings of high or medium severity, is never accepted.
    """
    latest = rounds[-1]
    high, medium, _ = severity_counts(latest.findings)
    is_probable = _probability(latest) < context.accept_threshold
    if is_probable and high == 0 and medium == 0 and not latest.is_truncated:
        return "accepted"
    if len(rounds) > context.max_rounds:
        return "max_rounds"
    split = len(rounds) - context.patience
    if split <= 0 or _has_improved(rounds[:split], rounds[split:], context.min_delta):
        return None
    return "plateau"


def _has_improved(before: Sequence[Round], after: Sequence[Round], min_delta: float) -> bool:
    """Whether later rounds are better than earlier ones."""
    counts_before = min(severity_counts(round_.findings) for round_ in before)
    counts_after = min(severity_counts(round_.findings) for round_ in after)
    if counts_after < counts_before:
        return True
    method = _main_method([*before, *after])
    probabilities_before = [_probability(draft) for draft in before if draft.judged_by == method]
    probabilities_after = [_probability(draft) for draft in after if draft.judged_by == method]
    if not probabilities_before or not probabilities_after:
        return True  # not comparable, so there is no sign of a plateau
    return min(probabilities_after) <= min(probabilities_before) - min_delta


def _probability(round_: Round) -> float:
    """Return P(critiqueable); an unjudged round counts as certainly flawed."""
    if round_.p_critiqueable is None:
        return 1.0
    return round_.p_critiqueable


def stop_reason_for(error: SelfcriticError) -> StopReason:
    """Return the stop reason for an error after the first draft."""
    if isinstance(error, CheckerError):
        return "checker_error"
    if isinstance(error, ScorerError):
        return "scorer_error"
    if isinstance(error, BudgetExhausted):
        return "budget"
    if isinstance(error, CheckpointError):
        return "interrupted"
    if isinstance(error, JudgeUnreadable):
        return "judge_unreadable"
    if isinstance(error, ReplyTruncated):
        return "truncated"
    return "model_error"
