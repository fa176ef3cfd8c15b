"""Rank critics by pairwise preference with Elo ratings (paper 2, figure 1).

P(A is preferred to B) = 1 / (1 + 10^((R_B - R_A) / 400)); a tie is half a win and half a loss. Ratings are fitted with
BFGS and have mean 0. A small ridge keeps them finite if a critic wins or loses everything.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from selfcritic.agent.evals.measures.intervals import Estimate, Rows, mean, resample

Ratings: TypeAlias = NDArray[np.float64]
_SCALE = math.log(10) / 400
_RIDGE = 1e-6
_ONE_SIDED = "won or lost every comparison: no finite rating fits best"


@dataclass(frozen=True)
class Preference:
    """One comparison of two critics on the same item."""

    item: Hashable
    first: str
    second: str
    score: float
    """1 if the first is preferred, 0 if the second is, 0.5 for a tie."""


def preference_rate(preferences: Sequence[Preference], critic: str, other: str) -> Estimate:
    """Return how often a critic is preferred to another; ties count half."""
    values: list[float] = []
    items: list[Hashable] = []
    for preference in preferences:
        pair = (preference.first, preference.second)
        if pair == (critic, other):
            values.append(preference.score)
        elif pair == (other, critic):
            values.append(1 - preference.score)
        else:
            continue
        items.append(preference.item)
    return mean(values, items, is_share=True)


def fit_elo(preferences: Sequence[Preference]) -> dict[str, Estimate]:
    """Return the rating of each critic with an interval over items.

    Critics that no chain of comparisons connects get ratings that cannot be compared with each other.
    """
    critics = sorted({name for preference in preferences for name in _names(preference)})
    if len(critics) < 2:
        return {}
    index = {critic: number for number, critic in enumerate(critics)}
    pairs = np.array([[index[name] for name in _names(preference)] for preference in preferences])
    scores = np.array([preference.score for preference in preferences])
    items = [preference.item for preference in preferences]
    wins = _count_wins(pairs, scores, len(critics))
    start = _fit(wins)
    fits: dict[bytes, Ratings] = {}

    def fit_rows(rows: Rows) -> Ratings:
        key = rows.tobytes()
        if key not in fits:
            fits[key] = _fit(_count_wins(pairs[rows], scores[rows], len(critics)), start)
        return fits[key]

    ratings = {}
    for critic, number in index.items():

        def rating(rows: Rows, number: int = number) -> float:
            return float(fit_rows(rows)[number])

        ratings[critic] = resample(rating, items)
        if wins[number].sum() == 0 or wins[:, number].sum() == 0:
            ratings[critic] = replace(ratings[critic], note=_ONE_SIDED)
    return ratings


def _names(preference: Preference) -> tuple[str, str]:
    return preference.first, preference.second


def _count_wins(pairs: NDArray[np.int64], scores: Ratings, size: int) -> NDArray[np.float64]:
    """Return the wins of each critic (row) over each other (column)."""
    wins = np.zeros((size, size))
    np.add.at(wins, (pairs[:, 0], pairs[:, 1]), scores)
    np.add.at(wins, (pairs[:, 1], pairs[:, 0]), 1 - scores)
    return wins


def _fit(wins: NDArray[np.float64], start: Ratings | None = None) -> Ratings:
    """Return the ratings of maximum likelihood, with mean 0; similar ones to start from save time."""
    total = wins.sum()
    first_guess = np.zeros(len(wins)) if start is None else start * _SCALE

    def loss(strengths: Ratings) -> tuple[float, Ratings]:
        margins = strengths[:, None] - strengths[None, :]
        likelihood = float((wins * special.log_expit(margins)).sum())
        surprise = wins * special.expit(-margins)
        gradient = surprise.sum(axis=0) - surprise.sum(axis=1)
        penalty = _RIDGE * float(strengths @ strengths)
        return penalty - likelihood / total, 2 * _RIDGE * strengths + gradient / total

    fitted = optimize.minimize(loss, first_guess, jac=True, method="BFGS").x
    return np.asarray((fitted - fitted.mean()) / _SCALE)
