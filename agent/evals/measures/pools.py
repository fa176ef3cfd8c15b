"""Estimate best-of-N selection for every N from one pool of samples.

Paper 1 selects the best of N critiques, or answers, by a score. Instead of sampling again for each N, the expected
outcome over all subsets of the pool is computed from order statistics, as for pass@k.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import groupby

from selfcritic.agent.evals.measures.intervals import Estimate, mean, undefined

POOL_SIZES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Pool:
    """The samples for one answer or task."""

    task: Hashable
    scores: Sequence[float]
    """What the selection maximizes, such as P(helpful) or minus P(critiqueable)."""
    outcomes: Sequence[float]
    """The truth about each sample, such as 1.0 for a valid critique."""

    def __post_init__(self) -> None:
        if len(self.scores) != len(self.outcomes):
            raise ValueError(
                f"The pool of {self.task!r} has {len(self.scores)} scores and {len(self.outcomes)} outcomes."
            )
        if any(math.isnan(score) for score in self.scores):
            raise ValueError(
                f"A score in the pool of {self.task!r} is NaN. Drop samples without a score."
            )


def best_of_n(scores: Sequence[float], outcomes: Sequence[float], n: int) -> float:
    """Return the expected outcome of the best-scoring of n samples.

    The mean is over all subsets of n samples; equal scores are selected with equal probability.

    Raises:
        ValueError: The pool has fewer than n samples.
    """
    size = len(scores)
    if not 1 <= n <= size:
        raise ValueError(
            f"The best of {n} needs a pool of at least {max(n, 1)} samples, not {size}."
        )
    ranked = sorted(zip(scores, outcomes, strict=True), key=lambda sample: sample[0])
    num_subsets = math.comb(size, n)
    expected = 0.0
    below = 0
    for _, group in groupby(ranked, key=lambda sample: sample[0]):
        tied = [outcome for _, outcome in group]
        up_to = below + len(tied)
        subsets_won = math.comb(up_to, n) - math.comb(below, n)
        expected += subsets_won / num_subsets * (sum(tied) / len(tied))
        below = up_to
    return expected


def best_of_n_rate(pools: Sequence[Pool], n: int, *, oracle: bool = False) -> Estimate:
    """Return the mean outcome of best-of-N selection (paper 1, best-of-N critiques and answers).

    Args:
        pools: Pools with fewer than n samples are missing.
        n: Samples to select from.
        oracle: Select by the outcome itself: the upper bound.
    """
    values: list[float | None] = []
    for pool in pools:
        if len(pool.scores) < n:
            values.append(None)
            continue
        scores = pool.outcomes if oracle else pool.scores
        values.append(best_of_n(scores, pool.outcomes, n))
    estimate = mean(values, [pool.task for pool in pools], is_share=_are_shares(pools))
    if estimate.count == 0 and pools:
        return undefined(f"no pool has {n} samples", missing=len(pools))
    return estimate


def best_of_n_curve(
    pools: Sequence[Pool], sizes: Sequence[int] = POOL_SIZES, *, oracle: bool = False
) -> dict[int, Estimate]:
    """Return best-of-N rates of all sizes that every pool has."""
    smallest = min((len(pool.scores) for pool in pools), default=0)
    return {n: best_of_n_rate(pools, n, oracle=oracle) for n in sizes if n <= smallest}


def _are_shares(pools: Sequence[Pool]) -> bool:
    """Return whether all outcomes are between 0 and 1."""
    return all(0 <= outcome <= 1 for pool in pools for outcome in pool.outcomes)
