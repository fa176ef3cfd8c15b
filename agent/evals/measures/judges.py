"""Check a judge against labels of people or an oracle, and correct the rates it reports."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selfcritic.agent.evals.measures.intervals import Estimate, Rows, mean, rate, resample


@dataclass(frozen=True)
class JudgeResult:
    """Agreement of a judge with the truth."""

    sensitivity: Estimate
    """Share of true rows that the judge accepts."""
    specificity: Estimate
    """Share of false rows that the judge rejects."""
    kappa: Estimate
    """Cohen's kappa: agreement beyond chance."""
    missing: int
    """Verdicts that could not be read."""


def check_judge(
    verdicts: Sequence[bool | None], labels: Sequence[bool], tasks: Sequence[Hashable]
) -> JudgeResult:
    """Measure a judge's verdicts against the truth."""
    used = [index for index, verdict in enumerate(verdicts) if verdict is not None]
    accepted = np.array([verdicts[index] for index in used], dtype=bool)
    truth = np.array([labels[index] for index in used], dtype=bool)
    groups = [tasks[index] for index in used]

    def kappa(rows: Rows) -> float:
        return cohen_kappa(accepted[rows], truth[rows])

    sensitivity_rows = [index for index in used if labels[index]]
    specificity_rows = [index for index in used if not labels[index]]
    return JudgeResult(
        sensitivity=rate(
            [bool(verdicts[index]) for index in sensitivity_rows],
            [tasks[index] for index in sensitivity_rows],
        ),
        specificity=rate(
            [not verdicts[index] for index in specificity_rows],
            [tasks[index] for index in specificity_rows],
        ),
        kappa=resample(kappa, groups),
        missing=len(verdicts) - len(used),
    )


def cohen_kappa(verdicts: NDArray[np.bool_], labels: NDArray[np.bool_]) -> float:
    """Return the agreement beyond chance; NaN if both always give the same answer."""
    agreement = float((verdicts == labels).mean())
    accepted = float(verdicts.mean())
    positive = float(labels.mean())
    by_chance = accepted * positive + (1 - accepted) * (1 - positive)
    if by_chance == 1:
        return math.nan
    return (agreement - by_chance) / (1 - by_chance)


def correct_rate(accepted: float, sensitivity: float, specificity: float) -> float:
    """Estimate the true rate from a judge's rate (Rogan and Gladen), within 0 and 1.

    NaN if the judge is no better than chance.
    """
    gain = sensitivity + specificity - 1
    if gain <= 0:
        return math.nan
    return min(1.0, max(0.0, (accepted + specificity - 1) / gain))


def position_bias(first_shown: Sequence[float], tasks: Sequence[Hashable]) -> Estimate:
    """Return how often a judge prefers the critique shown first; 0.5 is unbiased.

    Args:
        first_shown: 1 if the first one is preferred, 0 if the second is, 0.5 for a tie. Show each pair in both orders.
        tasks: The task of each row.
    """
    return mean(first_shown, tasks, is_share=True)


def length_bias(prefers_longer: Sequence[float], tasks: Sequence[Hashable]) -> Estimate:
    """Return how often a judge prefers the longer critique, among pairs of equal quality."""
    return mean(prefers_longer, tasks, is_share=True)
