"""Measure agreement of raters with Krippendorff's alpha (paper 2 reports agreement in figure 11).

Alpha is 1 - observed disagreement / disagreement expected by chance. It is 1 for perfect agreement, and 0 for chance.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from selfcritic.agent.evals.measures.intervals import Estimate, Rows, resample, undefined

Level = Literal["nominal", "ordinal"]
Matrix: TypeAlias = NDArray[np.float64]


def measure_agreement(
    units: Sequence[Sequence[float]], tasks: Sequence[Hashable], level: Level
) -> Estimate:
    """Return alpha with an interval over tasks.

    Args:
        units: The scores that each rated unit has; units with fewer than two are not used.
        tasks: The task of each unit.
        level: "ordinal" if scores are ordered, such as 1 to 7.
    """
    used = [index for index, scores in enumerate(units) if len(scores) > 1]
    if not used:
        return undefined("no item has two ratings", missing=len(units))
    categories = sorted({score for index in used for score in units[index]})
    if len(categories) == 1:
        return undefined("all ratings are equal", len(used), len(units) - len(used))
    tables = np.array([_coincidences(units[index], categories) for index in used])

    def alpha(rows: Rows) -> float:
        return _alpha(tables[rows].sum(axis=0), level)

    estimate = resample(alpha, [tasks[index] for index in used])
    return replace(estimate, missing=len(units) - len(used))


def _coincidences(scores: Sequence[float], categories: Sequence[float]) -> Matrix:
    """Return the pairs of categories in one unit; each rating has a total weight of 1."""
    counts = np.array([scores.count(category) for category in categories], dtype=float)
    pairs = np.outer(counts, counts) - np.diag(counts)
    return np.asarray(pairs / (len(scores) - 1))


def _alpha(coincidences: Matrix, level: Level) -> float:
    totals = coincidences.sum(axis=0)
    count = totals.sum()
    distances = _distances(totals, level)
    expected = float((np.outer(totals, totals) * distances).sum()) / (count - 1)
    if expected == 0:
        return math.nan
    observed = float((coincidences * distances).sum())
    return float(1 - observed / expected)


def _distances(totals: Matrix, level: Level) -> Matrix:
    """Return the squared distance of each pair of categories."""
    size = len(totals)
    if level == "nominal":
        return np.asarray(1 - np.eye(size))
    between = np.cumsum(totals) - totals / 2
    return np.asarray(np.subtract.outer(between, between) ** 2)
