"""Measure whether a critic's comments help people to find flaws (paper 1, human assistance; paper 2, section 2.3)."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from selfcritic.agent.evals.measures.intervals import (
    Estimate,
    Rows,
    mean,
    rate,
    resample,
    undefined,
)

QUANTITIES = ("comments", "hits", "valid", "minutes")


@dataclass(frozen=True)
class ReviewOutcome:
    """One person's review of one answer."""

    task: Hashable
    is_assisted: bool
    """Whether the critic's comments were shown."""
    num_comments: int
    """Comments that the person submitted."""
    hits: Sequence[bool]
    """For each known bug, whether a comment points it out; empty without known bugs."""
    is_valid: bool | None = None
    """Whether others judge the review valid; None if it was not rated."""
    minutes: float | None = None


@dataclass(frozen=True)
class Arm:
    """What reviews of one condition reach."""

    num_reviews: int
    comments: Estimate
    """Mean comments per review."""
    hits: Estimate
    """Share of known bugs that are pointed out (paper 1: intended flaws found)."""
    valid: Estimate
    """Share of reviews that are judged valid."""
    minutes: Estimate
    """Mean active minutes per review."""


@dataclass(frozen=True)
class Assistance:
    """Both conditions, and the assisted one minus the other."""

    unassisted: Arm
    assisted: Arm
    differences: dict[str, Estimate]
    """By quantity: "comments", "hits", "valid" or "minutes"."""


def measure_assistance(outcomes: Sequence[ReviewOutcome]) -> Assistance:
    """Compare reviews with and without the critic's comments; intervals resample tasks."""
    unassisted = [outcome for outcome in outcomes if not outcome.is_assisted]
    assisted = [outcome for outcome in outcomes if outcome.is_assisted]
    differences = {}
    for quantity in QUANTITIES:
        differences[quantity] = _difference(outcomes, _VALUES[quantity])
    return Assistance(_measure_arm(unassisted), _measure_arm(assisted), differences)


def _measure_arm(outcomes: Sequence[ReviewOutcome]) -> Arm:
    tasks = [outcome.task for outcome in outcomes]
    hits: list[bool] = []
    bug_tasks: list[Hashable] = []
    for outcome in outcomes:
        hits.extend(outcome.hits)
        bug_tasks.extend([outcome.task] * len(outcome.hits))
    return Arm(
        num_reviews=len(outcomes),
        comments=mean([outcome.num_comments for outcome in outcomes], tasks),
        hits=rate(hits, bug_tasks),
        valid=rate([outcome.is_valid for outcome in outcomes], tasks),
        minutes=mean([outcome.minutes for outcome in outcomes], tasks),
    )


Values = Callable[[ReviewOutcome], Sequence[float]]
"""Returns the values that a review adds to a mean."""


def _comments(outcome: ReviewOutcome) -> Sequence[float]:
    return [float(outcome.num_comments)]


def _hits(outcome: ReviewOutcome) -> Sequence[float]:
    return [float(hit) for hit in outcome.hits]


def _valid(outcome: ReviewOutcome) -> Sequence[float]:
    return [] if outcome.is_valid is None else [float(outcome.is_valid)]


def _minutes(outcome: ReviewOutcome) -> Sequence[float]:
    return [] if outcome.minutes is None else [outcome.minutes]


_VALUES: dict[str, Values] = {
    "comments": _comments,
    "hits": _hits,
    "valid": _valid,
    "minutes": _minutes,
}


def _difference(outcomes: Sequence[ReviewOutcome], values_of: Values) -> Estimate:
    """Return the assisted mean minus the unassisted one."""
    values: list[float] = []
    is_assisted: list[bool] = []
    tasks: list[Hashable] = []
    for outcome in outcomes:
        new = values_of(outcome)
        values.extend(new)
        is_assisted.extend([outcome.is_assisted] * len(new))
        tasks.extend([outcome.task] * len(new))
    if len(set(is_assisted)) < 2:
        return undefined("needs reviews with and without assistance", len(values))
    numbers = np.array(values)
    flags = np.array(is_assisted)

    def difference(rows: Rows) -> float:
        assisted = numbers[rows][flags[rows]]
        unassisted = numbers[rows][~flags[rows]]
        if not len(assisted) or not len(unassisted):
            return math.nan
        return float(assisted.mean() - unassisted.mean())

    return resample(difference, tasks)
