"""Estimate rates and means with confidence intervals that resample tasks.

Answers to the same task are not independent. A *cluster* is a task: bootstraps resample clusters, and the Wilson
interval of a rate uses the effective sample size.
"""

import math
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 2_000
T = TypeVar("T")
Rows: TypeAlias = NDArray[np.int64]
"""Indices of the rows of a resample."""
Statistic = Callable[[Rows], float]
"""Maps rows to a value; returns NaN if it is undefined for them, for example without both classes."""
Weights: TypeAlias = NDArray[np.float64]
"""How often each row (column) occurs in each resample (row)."""
WeightedStatistic = Callable[[Weights], NDArray[np.float64]]
"""Maps weights to one value per resample; NaN where it is undefined."""
_MAX_CELLS = 4_000_000
"""Weights that are computed at a time."""
_MAX_GROUPS = 500
"""Groups of clusters that a jackknife leaves out; more would hardly change an interval."""


@dataclass(frozen=True)
class Estimate:
    """A measured value and its confidence interval; NaN where it is undefined."""

    value: float
    low: float
    high: float
    count: int
    """Rows that have a value."""
    missing: int = 0
    """Rows without a value, such as replies that could not be read; they are not counted as zeros."""
    note: str = ""
    """Why the value or the interval is undefined."""

    def covers(self, value: float) -> bool:
        """Whether the interval contains a value."""
        return self.low <= value <= self.high


def undefined(note: str, count: int = 0, missing: int = 0) -> Estimate:
    """Return an estimate without a value, and the reason."""
    return Estimate(math.nan, math.nan, math.nan, count, missing, note)


def wilson(successes: float, count: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the Wilson interval of a rate; `count` may be an effective sample size."""
    if count <= 0:
        return math.nan, math.nan
    z = float(stats.norm.ppf((1 + confidence) / 2))
    rate = successes / count
    center = (rate + z * z / (2 * count)) / (1 + z * z / count)
    variance = rate * (1 - rate) / count + z * z / (4 * count * count)
    half = z * math.sqrt(variance) / (1 + z * z / count)
    low = 0.0 if successes == 0 else center - half
    high = 1.0 if successes == count else center + half
    return low, high


def rate(hits: Sequence[bool | None], clusters: Sequence[Hashable]) -> Estimate:
    """Return the share of True with a Wilson interval.

    Dependent rows widen the interval: the sample size is divided by the design effect, which is the variance of the
    rate between clusters over its variance without clusters. If all rows agree, the effective sample size is the number
    of clusters.

    Args:
        hits: One value per row; None is missing.
        clusters: The task of each row.
    """
    used, groups, missing = _drop_missing(hits, clusters)
    if not used:
        return undefined("no rows with a value", missing=missing)
    values = np.array(used, dtype=float)
    share = float(values.mean())
    effective = _effective_count(values, groups)
    low, high = wilson(share * effective, effective)
    return Estimate(share, low, high, len(used), missing)


def mean(
    values: Sequence[float | None],
    clusters: Sequence[Hashable],
    *,
    is_share: bool = False,
    seed: int = 0,
) -> Estimate:
    """Return the mean with a bootstrap interval (BCa) over clusters.

    Args:
        values: One value per row; None is missing. NaN raises ValueError.
        clusters: The task of each row.
        is_share: Whether values are between 0 and 1. If all tasks have the same mean, a bootstrap has no width, so the
            interval is Wilson's for as many rows as tasks.
        seed: Seed of the bootstrap.
    """
    used, groups, missing = _drop_missing(values, clusters)
    if not used:
        return undefined("no rows with a value", missing=missing)
    numbers = np.array(used, dtype=float)
    if np.isnan(numbers).any():
        raise ValueError("A value is NaN. Use None for rows without a value.")
    sums, counts = sum_by_cluster(numbers, groups)
    value = float(numbers.mean())
    if len(sums) < 2:
        return Estimate(value, math.nan, math.nan, len(used), missing, "one task: no interval")
    is_constant = bool(np.ptp(sums / counts) == 0)
    if is_constant and is_share:
        low, high = wilson(value * len(sums), len(sums))
        return Estimate(value, low, high, len(used), missing)
    if is_constant:
        return Estimate(value, value, value, len(used), missing, "all tasks have the same mean")
    low, high = _bootstrap_ratio(sums, counts, "BCa", seed)
    if math.isnan(low):  # a few clusters may not determine BCa's correction
        low, high = _bootstrap_ratio(sums, counts, "percentile", seed)
    return Estimate(value, low, high, len(used), missing)


def resample(
    statistic: Statistic, clusters: Sequence[Hashable], *, seed: int = 0, missing: int = 0
) -> Estimate:
    """Return a statistic of all rows with a percentile interval over clusters.

    Resamples for which the statistic is undefined are dropped, and the note counts them.
    """
    rows = _rows_by_cluster(clusters)
    count = len(clusters)
    value = statistic(np.arange(count)) if count else math.nan
    if math.isnan(value):
        return undefined("undefined for these rows", count, missing)
    if len(rows) < 2:
        return Estimate(value, math.nan, math.nan, count, missing, "one task: no interval")
    draws = _bootstrap_draws(statistic, rows, seed)
    defined = draws[~np.isnan(draws)]
    note = ""
    if len(defined) < len(draws):
        note = f"undefined in {len(draws) - len(defined)} of {len(draws)} resamples"
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), count, missing, note)


def resample_weighted(
    statistic: WeightedStatistic,
    clusters: Sequence[Hashable],
    *,
    seed: int = 0,
    missing: int = 0,
    is_biased: bool = False,
) -> Estimate:
    """Return a weighted statistic of all rows with an interval over clusters.

    The interval is BCa, which corrects for skewness. Resamples for which the statistic is undefined are dropped, and
    the note counts them.

    Args:
        statistic: Is called with many resamples at once, so this is faster than `resample`.
        clusters: The task of each row.
        seed: Seed of the bootstrap.
        missing: Rows without a value.
        is_biased: Whether samples bias the statistic. Resamples repeat the bias, so a basic interval removes it:
            it mirrors the percentiles at the value.
    """
    count = len(clusters)
    columns = _cluster_columns(clusters)
    num_clusters = int(columns.max()) + 1 if count else 0
    value = float(statistic(np.ones((1, count)))[0]) if count else math.nan
    if math.isnan(value):
        return undefined("undefined for these rows", count, missing)
    if num_clusters < 2:
        return Estimate(value, math.nan, math.nan, count, missing, "one task: no interval")
    rng = np.random.default_rng(seed)

    def pick_clusters(_: int) -> Rows:
        picks = rng.integers(num_clusters, size=num_clusters)
        return np.bincount(picks, minlength=num_clusters)

    draws = _apply_to_clusters(statistic, pick_clusters, RESAMPLES, columns)
    jackknife = leave_tasks_out(statistic, clusters)
    defined = draws[~np.isnan(draws)]
    note = ""
    if len(defined) < len(draws):
        note = f"undefined in {len(draws) - len(defined)} of {len(draws)} resamples"
    if is_biased:
        tail = (1 - CONFIDENCE) / 2
        low, high = 2 * value - np.quantile(defined, [1 - tail, tail])
    else:
        low, high = np.quantile(defined, _bca_levels(value, defined, jackknife))
    return Estimate(value, float(low), float(high), count, missing, note)


def leave_tasks_out(
    statistic: WeightedStatistic, clusters: Sequence[Hashable]
) -> NDArray[np.float64]:
    """Return the statistic without each task, or without each of 500 groups of tasks (jackknife)."""
    columns = _cluster_columns(clusters)
    num_clusters = int(columns.max()) + 1
    num_groups = min(num_clusters, _MAX_GROUPS)
    groups: Rows = np.arange(num_clusters) % num_groups

    def leave_out(group: int) -> Rows:
        return (groups != group).astype(int)

    return _apply_to_clusters(statistic, leave_out, num_groups, columns)


def divide(
    numerators: NDArray[np.float64], denominators: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the quotients; NaN where the denominator is 0."""
    results = np.full(len(numerators), math.nan)
    np.divide(numerators, denominators, out=results, where=denominators != 0)
    return results


def _apply_to_clusters(
    statistic: WeightedStatistic, weigh: Callable[[int], Rows], count: int, columns: Rows
) -> NDArray[np.float64]:
    """Return the statistic for `count` weightings of the clusters, a limited number at a time."""
    size = max(1, _MAX_CELLS // len(columns))
    parts = []
    for start in range(0, count, size):
        numbers = range(start, min(start + size, count))
        weights = np.stack([weigh(number)[columns] for number in numbers])
        parts.append(statistic(weights.astype(float)))
    return np.concatenate(parts)


def _bca_levels(
    value: float, draws: NDArray[np.float64], jackknife: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the quantiles of the draws that bound a BCa interval (Efron 1987).

    They are those of a percentile interval where the correction is undefined.
    """
    tail = (1 - CONFIDENCE) / 2
    plain = np.array([tail, 1 - tail])
    below = float((draws < value).mean() + (draws == value).mean() / 2)
    left_out = jackknife[~np.isnan(jackknife)]
    if not 0 < below < 1 or len(left_out) < 2:
        return plain
    deviations = left_out.mean() - left_out
    spread = float((deviations**2).sum()) ** 1.5
    if spread == 0:
        return plain
    acceleration = float((deviations**3).sum()) / (6 * spread)
    bias = stats.norm.ppf(below)
    shifted = bias + stats.norm.ppf(plain)
    levels: NDArray[np.float64] = stats.norm.cdf(bias + shifted / (1 - acceleration * shifted))
    return levels


def _cluster_columns(clusters: Sequence[Hashable]) -> Rows:
    """Return the number of each row's cluster, in order of first appearance."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters], dtype=int)


def _bootstrap_ratio(
    sums: NDArray[np.float64],
    counts: NDArray[np.float64],
    method: Literal["BCa", "percentile"],
    seed: int,
) -> tuple[float, float]:
    """Return the interval of all sums over all counts; NaN if the method cannot compute it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        interval = stats.bootstrap(
            (sums, counts),
            lambda total, count, axis: total.sum(axis=axis) / count.sum(axis=axis),
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLES,
            confidence_level=CONFIDENCE,
            method=method,
            rng=seed,
        ).confidence_interval
    return float(interval.low), float(interval.high)


def _bootstrap_draws(statistic: Statistic, rows: Sequence[Rows], seed: int) -> NDArray[np.float64]:
    """Return the statistic of each resample of the clusters."""
    rng = np.random.default_rng(seed)
    draws = np.empty(RESAMPLES)
    for number in range(RESAMPLES):
        clusters = rng.integers(len(rows), size=len(rows))
        draws[number] = statistic(np.concatenate([rows[cluster] for cluster in clusters]))
    return draws


def _drop_missing(
    values: Sequence[T | None], clusters: Sequence[Hashable]
) -> tuple[list[T], list[Hashable], int]:
    """Return the values that are not None, their clusters, and how many were None."""
    if len(values) != len(clusters):
        raise ValueError(f"{len(values)} values have {len(clusters)} clusters. Pass one for each.")
    used: list[T] = []
    groups: list[Hashable] = []
    for value, cluster in zip(values, clusters, strict=True):
        if value is not None:
            used.append(value)
            groups.append(cluster)
    return used, groups, len(values) - len(used)


def _rows_by_cluster(clusters: Sequence[Hashable]) -> list[Rows]:
    """Return the indices of each cluster's rows, in order of first appearance."""
    rows: dict[Hashable, list[int]] = {}
    for index, cluster in enumerate(clusters):
        rows.setdefault(cluster, []).append(index)
    return [np.array(indices) for indices in rows.values()]


def sum_by_cluster(
    values: NDArray[np.float64], clusters: Sequence[Hashable]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum and the number of values of each cluster."""
    rows = _rows_by_cluster(clusters)
    sums = np.array([values[indices].sum() for indices in rows])
    counts = np.array([float(len(indices)) for indices in rows])
    return sums, counts


def _effective_count(values: NDArray[np.float64], clusters: Sequence[Hashable]) -> float:
    """Return the number of independent rows with the same information."""
    count = len(values)
    sums, counts = sum_by_cluster(values, clusters)
    num_clusters = len(sums)
    if num_clusters == count or count == 1:
        return float(count)
    share = float(values.mean())
    independent_variance = share * (1 - share) / count
    if independent_variance == 0:
        return float(num_clusters)
    if num_clusters == 1:
        return 1.0
    deviations = sums - share * counts
    correction = num_clusters / (num_clusters - 1)
    variance = correction * float((deviations**2).sum()) / count**2
    design_effect = max(1.0, variance / independent_variance)
    return count / design_effect
