"""Choose the task sizes at which some first drafts are correct and some are not."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from scipy import optimize

TARGET = (0.3, 0.85)
"""Aim for the share of first drafts that are correct."""
_DIGITS = 9  # hides rounding errors of the smoothed rates


class SizeChoice(NamedTuple):
    """Task sizes to evaluate on."""

    sizes: Sequence[int]
    """Consecutive sizes with a rate in the target; all sizes if there are none."""
    problem: str = ""
    """Why no size has a rate in the target."""


def choose_sizes(sizes: Sequence[int], is_flawed: Sequence[bool]) -> SizeChoice:
    """Choose the sizes whose smoothed rate of correct first drafts is in the target.

    Smoothing lets the rate only fall with size (isotonic regression), so that chance does not split the range.

    Args:
        sizes: Size of each development task.
        is_flawed: Whether its first draft is flawed.
    """
    num_tasks = Counter(sizes)
    num_flawed = Counter(size for size, flawed in zip(sizes, is_flawed, strict=True) if flawed)
    candidates = sorted(num_tasks)
    rates = [1 - num_flawed[size] / num_tasks[size] for size in candidates]
    weights = [num_tasks[size] for size in candidates]
    smoothed = optimize.isotonic_regression(rates, weights=weights, increasing=False).x
    lowest, highest = TARGET
    chosen = []
    too_easy = []
    for size, rate in zip(candidates, smoothed.round(_DIGITS).tolist(), strict=True):
        if lowest <= rate <= highest:
            chosen.append(size)
        elif rate > highest:
            too_easy.append(size)
    if chosen:
        return SizeChoice(chosen)
    return SizeChoice(candidates, _describe_problem(candidates, len(too_easy)))


def _describe_problem(sizes: Sequence[int], num_too_easy: int) -> str:
    if num_too_easy == len(sizes):
        return "too easy at every size"
    if num_too_easy == 0:
        return "too hard at every size"
    return (
        f"too easy up to size {sizes[num_too_easy - 1]}, too hard from size {sizes[num_too_easy]}"
    )


def describe_range(numbers: Sequence[int]) -> str:
    """Return the smallest and the largest number as text, such as "3 to 6"."""
    smallest = min(numbers)
    largest = max(numbers)
    return f"{smallest}" if smallest == largest else f"{smallest} to {largest}"
