"""Measure what refinement changes, for arms that made equally many calls (paper 1, section on refinements)."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from selfcritic.agent.evals.measures.costs import cost_per_success
from selfcritic.agent.evals.measures.intervals import Estimate, mean, rate
from selfcritic.agent.evals.measures.paired import PairedComparison, compare_rates


@dataclass(frozen=True)
class ArmOutcome:
    """An answer before and after one arm."""

    task: Hashable
    was_correct: bool
    is_correct: bool
    calls: float | None = None
    """Requests that the arm made, the first draft included."""


@dataclass(frozen=True)
class ArmResult:
    """Accuracy, changes and costs of one arm."""

    accuracy: Estimate
    gain: Estimate
    """Share of correct answers after minus before."""
    wrong_to_correct: Estimate
    """Share of wrong answers that became correct."""
    correct_to_wrong: Estimate
    """Share of correct answers that became wrong."""
    calls: Estimate
    """Mean calls per answer."""
    calls_per_correct: Estimate
    """All calls divided by the correct answers."""


def measure_arm(outcomes: Sequence[ArmOutcome]) -> ArmResult:
    """Measure one arm; intervals resample tasks."""
    tasks = [outcome.task for outcome in outcomes]
    wrong = [outcome for outcome in outcomes if not outcome.was_correct]
    correct = [outcome for outcome in outcomes if outcome.was_correct]
    changes = [float(outcome.is_correct) - float(outcome.was_correct) for outcome in outcomes]
    return ArmResult(
        accuracy=rate([outcome.is_correct for outcome in outcomes], tasks),
        gain=mean(changes, tasks),
        wrong_to_correct=rate(
            [outcome.is_correct for outcome in wrong], [outcome.task for outcome in wrong]
        ),
        correct_to_wrong=rate(
            [not outcome.is_correct for outcome in correct], [outcome.task for outcome in correct]
        ),
        calls=mean([outcome.calls for outcome in outcomes], tasks),
        calls_per_correct=_calls_per_correct(outcomes),
    )


def compare_arms(first: Sequence[ArmOutcome], second: Sequence[ArmOutcome]) -> PairedComparison:
    """Compare two arms on the same answers, in the same order.

    Raises:
        ValueError: The arms have different answers.
    """
    tasks = [outcome.task for outcome in first]
    if tasks != [outcome.task for outcome in second]:
        raise ValueError("The arms have different tasks. Compare arms of the same run.")
    return compare_rates(
        [outcome.is_correct for outcome in first],
        [outcome.is_correct for outcome in second],
        tasks,
    )


def win_rate(preferences: Sequence[float | None], tasks: Sequence[Hashable]) -> Estimate:
    """Return how often the refined answer is preferred.

    Args:
        preferences: 1 if the refinement is better, 0 if the original is, 0.5 for a tie; None is missing.
        tasks: The task of each preference.
    """
    return mean(preferences, tasks, is_share=True)


def _calls_per_correct(outcomes: Sequence[ArmOutcome]) -> Estimate:
    return cost_per_success(
        [outcome.calls for outcome in outcomes],
        [outcome.is_correct for outcome in outcomes],
        [outcome.task for outcome in outcomes],
    )
