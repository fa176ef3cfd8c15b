"""Measure best-of-N selection for all N that the pools allow (paper 1)."""

from collections.abc import Sequence
from dataclasses import replace

from selfcritic.agent.evals.measurement import Item, Label, Measurement, Unit, measure_items
from selfcritic.agent.evals.measures.pools import POOL_SIZES, Pool, best_of_n

ORACLE_SUFFIX = ", chosen by the oracle"
_MIN_SHARE = 0.9
"""Share of the pools that must have N samples; the others are missing at this N."""


def measure_curve(label: Label, pools: Sequence[tuple[str, Pool]]) -> list[Measurement]:
    """Return the expected outcome of the best of N, by the score and by the oracle.

    Args:
        label: Its name contains `{n}`.
        pools: The item's id and the pool of each item.
    """
    measurements = []
    unit = _unit(pools)
    for selection in ("score", "oracle"):
        for n in _sizes(pools):
            items = [
                Item(name, str(pool.task), _outcome(pool, n, selection)) for name, pool in pools
            ]
            name = label.name.format(n=n)
            if selection == "oracle":
                name += ORACLE_SUFFIX
            measurements.append(
                measure_items(
                    replace(label, name=name), items, unit=unit, is_higher_better=True, n=n
                )
            )
    return measurements


def _outcome(pool: Pool, n: int, selection: str) -> float | None:
    if len(pool.scores) < n:
        return None
    scores = pool.outcomes if selection == "oracle" else pool.scores
    return best_of_n(scores, pool.outcomes, n)


def _sizes(pools: Sequence[tuple[str, Pool]]) -> list[int]:
    """Return the sizes that nearly all pools have."""
    sizes = []
    for n in POOL_SIZES:
        large_enough = [pool for _, pool in pools if len(pool.scores) >= n]
        if pools and len(large_enough) >= _MIN_SHARE * len(pools):
            sizes.append(n)
    return sizes


def _unit(pools: Sequence[tuple[str, Pool]]) -> Unit:
    is_share = all(0 <= outcome <= 1 for _, pool in pools for outcome in pool.outcomes)
    return "share" if is_share else "number"
