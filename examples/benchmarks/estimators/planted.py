"""Plant the rates of simulated critics, and derive the truth of measures from them.

Tasks are easy or hard with equal chances, which makes the answers to one task depend on each other. Verdicts follow
signal detection theory (see `selfcritic.agent.models.simulated`): P(Yes) = Φ((μ + z) / τ) for a standard normal
opinion z, so rates of verdicts, Brier score and calibration error are integrals over z, and an AUC is
Φ((μ₁ - μ₀) / √2), averaged over the kinds of tasks.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import special

TEMPERATURE = 0.5
"""τ of the simulated model."""
ANSWERS = (3, 4, 5)
"""Answers per task, each number with the same chance."""
STRENGTHS = {"A": -150.0, "B": -50.0, "C": 50.0, "D": 150.0}
"""Planted Elo ratings."""
FIRST_SHOWN_RATE = 0.58
"""Planted share of verdicts for the critique that is shown first."""
LONGER_RATE = 0.64
"""Planted share of verdicts for the longer of two equally good critiques."""
_OPINIONS = special.ndtri((np.arange(200_000) + 0.5) / 200_000)


@dataclass(frozen=True)
class Rates:
    """Error rates of the simulated model for one kind of task."""

    draft_error_rate: float
    miss_rate: float
    false_alarm_rate: float
    judge_error_rate: float
    refine_error_rate: float

    def mean_opinion(self, is_flawed: bool) -> float:
        """Return μ of the verdicts on flawed or correct answers."""
        yes_rate = 1 - self.miss_rate if is_flawed else self.false_alarm_rate
        return float(special.ndtri(yes_rate)) * math.hypot(1.0, TEMPERATURE)

    def probabilities(self, is_flawed: bool) -> NDArray[np.float64]:
        """Return P(Yes) at equally likely opinions."""
        values: NDArray[np.float64] = special.ndtr(
            (self.mean_opinion(is_flawed) + _OPINIONS) / TEMPERATURE
        )
        return values

    def share(self, is_flawed: bool) -> float:
        """Return the share of answers that are flawed, or correct."""
        return self.draft_error_rate if is_flawed else 1 - self.draft_error_rate


KINDS = (
    Rates(
        draft_error_rate=0.3,
        miss_rate=0.1,
        false_alarm_rate=0.1,
        judge_error_rate=0.1,
        refine_error_rate=0.1,
    ),
    Rates(
        draft_error_rate=0.85,
        miss_rate=0.35,
        false_alarm_rate=0.25,
        judge_error_rate=0.25,
        refine_error_rate=0.3,
    ),
)
"""Easy and hard tasks."""


def closed_forms() -> dict[str, float]:
    """Return the truth of each measure that has a closed form."""
    truths = {
        "flawed answers": float(np.mean([kind.draft_error_rate for kind in KINDS])),
        "critiqueability: mean": _mean_over_answers(lambda p, _: p),
        "critiqueability: share above 0.5": _mean_over_answers(lambda p, _: p > 0.5),
        "Brier score": _mean_over_answers(lambda p, is_flawed: (p - is_flawed) ** 2),
        "accuracy at 0.5": _mean_over_answers(lambda p, is_flawed: (p >= 0.5) == is_flawed),
        "calibration error": _calibration_error(),
        "AUC": _area_under_curve(),
        "pairwise accuracy": _pairwise_accuracy(),
        "position bias": FIRST_SHOWN_RATE,
        "length bias": LONGER_RATE,
        "preference: D to A": 1 / (1 + 10 ** ((STRENGTHS["A"] - STRENGTHS["D"]) / 400)),
    }
    truths |= {f"Elo: {critic}": rating for critic, rating in STRENGTHS.items()}
    return truths | _abilities()


def _mean_over_answers(value: Callable[[NDArray[np.float64], bool], NDArray[np.float64]]) -> float:
    """Return the mean over all answers of a function of P(Yes) and whether the answer is flawed."""
    total = 0.0
    for kind, is_flawed in product(KINDS, (True, False)):
        mean = float(np.mean(value(kind.probabilities(is_flawed), is_flawed)))
        total += kind.share(is_flawed) * mean / len(KINDS)
    return total


def _calibration_error(bins: int = 10) -> float:
    """Return the calibration error of the planted distribution in the same bins.

    The estimator is compared with this truth, not with 0: the bins are part of its definition.
    """
    total = 0.0
    for place in range(bins):

        def excess(
            p: NDArray[np.float64], is_flawed: bool, place: int = place
        ) -> NDArray[np.float64]:
            return np.where(np.minimum(p * bins // 1, bins - 1) == place, p - is_flawed, 0.0)

        total += abs(_mean_over_answers(excess))
    return total


def _area_under_curve() -> float:
    """Return the chance that a flawed answer has a higher P(Yes) than a correct one."""
    total = 0.0
    weight = 0.0
    for flawed, correct in product(KINDS, KINDS):
        share = flawed.share(True) * correct.share(False)
        total += share * _kind_auc(flawed, correct)
        weight += share
    return total / weight


def _kind_auc(flawed: Rates, correct: Rates) -> float:
    distance = flawed.mean_opinion(True) - correct.mean_opinion(False)
    return float(special.ndtr(distance / math.sqrt(2)))


def _pairwise_accuracy() -> float:
    """Return the chance within a task, over the tasks that have answers of both kinds."""
    total = 0.0
    weight = 0.0
    for kind, count in product(KINDS, ANSWERS):
        has_both = 1 - kind.share(True) ** count - kind.share(False) ** count
        total += has_both * _kind_auc(kind, kind)
        weight += has_both
    return total / weight


def _abilities() -> dict[str, float]:
    """Return the abilities G, D and the oracle's, and the gap GD, of pairs of answers."""
    generator = 0.0
    discriminator = 0.0
    oracle = 0.0
    for kind in KINDS:
        right = kind.share(False)
        one_right = 2 * right * (1 - right)
        generator += right / len(KINDS)
        discriminator += (right**2 + one_right * _kind_auc(kind, kind)) / len(KINDS)
        oracle += (right**2 + one_right) / len(KINDS)
    return {
        "GDC: G": generator,
        "GDC: D": discriminator,
        "GDC: oracle": oracle,
        "GDC: gap GD": discriminator - generator,
        "GDC: D, normalized": (discriminator - generator) / (oracle - generator),
    }
