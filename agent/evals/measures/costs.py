"""Measure what a caught bug, or an accepted answer, costs."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from selfcritic.agent.evals.measures.intervals import (
    Estimate,
    Weights,
    divide,
    resample_weighted,
    undefined,
)


def cost_per_success(
    costs: Sequence[float | None],
    successes: Sequence[float],
    tasks: Sequence[Hashable],
) -> Estimate:
    """Return all costs divided by all successes, with an interval over tasks.

    Args:
        costs: Calls, tokens, dollars or seconds of each row; None is missing, with its successes.
        successes: Successes of each row, such as caught bugs or 1 for an accepted answer.
        tasks: The task of each row.
    """
    known = [index for index, cost in enumerate(costs) if cost is not None]
    missing = len(costs) - len(known)
    spent = np.array([costs[index] for index in known], dtype=float)
    gained = np.array([successes[index] for index in known], dtype=float)
    if not gained.sum():
        return undefined("no successes", len(known), missing)

    def ratio(weights: Weights) -> NDArray[np.float64]:
        return divide(weights @ spent, weights @ gained)

    return resample_weighted(ratio, [tasks[index] for index in known], missing=missing)
