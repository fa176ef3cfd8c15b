"""Compute intervals without resampling, for values whose resamples are skewed or lack rare errors.

A bootstrap interval is too short where few tasks decide a value: resamples repeat the same few errors. Like all
intervals of this package, these treat the rows of a task as dependent.
"""

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from selfcritic.agent.evals.measures.intervals import (
    CONFIDENCE,
    Estimate,
    WeightedStatistic,
    leave_tasks_out,
    mean,
    sum_by_cluster,
    wilson,
)


def estimate_auc(
    statistic: WeightedStatistic,
    labels: NDArray[np.bool_],
    clusters: Sequence[Hashable],
    missing: int = 0,
) -> Estimate:
    """Return an area under a curve, with a jackknife interval on the logit scale.

    The interval has Student's t quantile for as many degrees of freedom as the rarer label has tasks, less one. For an
    area of 0 or 1, which has no spread, it is Wilson's for that number of tasks.

    Args:
        statistic: Maps weights of rows to the area.
        labels: Label of each row; both occur.
        clusters: The task of each row.
        missing: Rows without a value.
    """
    count = len(labels)
    value = float(statistic(np.ones((1, count)))[0])
    num_tasks = _count_tasks_of_rarer_label(labels, clusters)
    if num_tasks < 2:
        note = "one of the labels occurs in one task only: no interval"
        return Estimate(value, math.nan, math.nan, count, missing, note)
    if value in (0.0, 1.0):
        low, high = wilson(value * num_tasks, num_tasks)
        return Estimate(value, low, high, count, missing)
    left_out = leave_tasks_out(statistic, clusters)
    deviation = _logit_deviation(value, left_out)
    margin = _t_quantile(num_tasks - 1) * deviation
    center = special.logit(value)
    low = float(special.expit(center - margin))
    high = float(special.expit(center + margin))
    return Estimate(value, low, high, count, missing)


def estimate_skewed_mean(
    values: Sequence[float], clusters: Sequence[Hashable], missing: int = 0
) -> Estimate:
    """Return the mean of values from 0 to 1, with a t interval corrected for skewness (Hall 1992).

    Args:
        values: One value per row, of which a few may be much larger than the others, such as squared errors.
        clusters: The task of each row.
        missing: Rows without a value.
    """
    sums, counts = sum_by_cluster(np.array(values, dtype=float), clusters)
    num_clusters = len(sums)
    if num_clusters < 2 or np.ptp(sums / counts) == 0:
        padding: list[float | None] = [None] * missing
        return mean([*values, *padding], [*clusters, *range(missing)], is_share=True)
    value = float(sums.sum() / counts.sum())
    excess = sums - value * counts
    variance = float((excess**2).mean())
    deviation = math.sqrt(variance * num_clusters**2 / (num_clusters - 1)) / float(counts.sum())
    skewness = float((excess**3).mean()) / variance**1.5
    skew = skewness / math.sqrt(num_clusters)
    quantile = _t_quantile(num_clusters - 1)
    low = value - deviation * _undo_skew(quantile, skew)
    high = value - deviation * _undo_skew(-quantile, skew)
    return Estimate(value, max(0.0, low), min(1.0, high), len(values), missing)


def _t_quantile(degrees: int) -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, degrees))


def _count_tasks_of_rarer_label(labels: NDArray[np.bool_], clusters: Sequence[Hashable]) -> int:
    """Return the smaller of the numbers of tasks that have each label."""
    positive = set()
    negative = set()
    for label, cluster in zip(labels.tolist(), clusters, strict=True):
        if label:
            positive.add(cluster)
        else:
            negative.add(cluster)
    return min(len(positive), len(negative))


def _logit_deviation(value: float, left_out: NDArray[np.float64]) -> float:
    """Return the jackknife's standard deviation of the logit of a value between 0 and 1.

    If an area without some task is 0 or 1, its logit is infinite, and the deviation is a linear approximation.
    """
    scale = 1.0
    numbers = special.logit(left_out)
    if not np.isfinite(numbers).all():
        numbers = left_out[~np.isnan(left_out)]
        scale = value * (1 - value)
    squares = (numbers - numbers.mean()) ** 2
    share = (len(numbers) - 1) / len(numbers)
    return math.sqrt(share * float(squares.sum())) / scale


def _undo_skew(quantile: float, skew: float) -> float:
    """Return the quantile of a skewed t statistic: the inverse of Hall's cubic transformation."""
    if abs(skew) < 1e-9:
        return quantile
    root = np.cbrt(1 + skew * (quantile - skew / 6))
    return float(3 * (root - 1) / skew)
