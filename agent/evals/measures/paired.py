"""Compare two systems on the same items: paired differences, exact McNemar and Holm."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from selfcritic.agent.evals.measures.intervals import Estimate, mean


@dataclass(frozen=True)
class PairedComparison:
    """The difference of two systems on the items that both have."""

    difference: Estimate
    """Mean of second minus first."""
    first_only: int
    """Items that only the first system got right; 0 for values that are not right or wrong."""
    second_only: int
    p_value: float | None
    """Exact McNemar test; None for values that are not right or wrong."""


def compare_values(
    first: Sequence[float], second: Sequence[float], clusters: Sequence[Hashable]
) -> PairedComparison:
    """Compare two values per item by a bootstrap over clusters."""
    differences = [after - before for before, after in zip(first, second, strict=True)]
    return PairedComparison(mean(differences, clusters), 0, 0, None)


def compare_rates(
    first: Sequence[bool], second: Sequence[bool], clusters: Sequence[Hashable]
) -> PairedComparison:
    """Compare two systems that are right or wrong on each item.

    The p-value is McNemar's exact test, which treats items as independent.
    """
    differences: list[float] = []
    first_only = 0
    second_only = 0
    for before, after in zip(first, second, strict=True):
        differences.append(float(after) - float(before))
        first_only += before and not after
        second_only += after and not before
    discordant = first_only + second_only
    p_value = 1.0
    if discordant:
        p_value = float(stats.binomtest(second_only, discordant, 0.5).pvalue)
    return PairedComparison(mean(differences, clusters), first_only, second_only, p_value)


def adjust_holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return Holm's adjusted p-values, which bound the chance of any false positive."""
    ordered = sorted(p_values.items(), key=lambda item: item[1])
    adjusted: dict[str, float] = {}
    largest = 0.0
    for rank, (name, p_value) in enumerate(ordered):
        scaled = min(1.0, p_value * (len(ordered) - rank))
        largest = max(largest, scaled)
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}
