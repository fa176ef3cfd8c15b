"""The nearest choice that keeps all the rules, found by the classic local search for SAT.

Take a broken rule, turn over one of its people, and go on with one change less; allow no change at first, then one,
then two. Two deviations: whoever has been turned over, or tried, stays in the branches behind, so that no choice is met
twice; and turning over the people in `free` costs nothing.
"""

from collections.abc import Iterator
from functools import lru_cache, reduce
from operator import or_

ClauseMask = tuple[int, int]
"""A rule on a choice in bits, one a person: whose set bit keeps it, whose bit keeps it when not set."""


@lru_cache(maxsize=4096)
def nearest_solution(rules: tuple[ClauseMask, ...], start: int, free: int) -> int | None:
    """The choice that keeps all rules with the fewest people turned over; None where there is none."""
    people = reduce(or_, (ones | zeros for ones, zeros in rules), 0).bit_count()
    tries = (_within(rules, start, free, changes, 0) for changes in range(people + 1))
    return next((choice for choice in tries if choice is not None), None)


def _within(rules: tuple[ClauseMask, ...], choice: int, free: int, changes: int, fixed: int) -> int | None:
    """A choice that keeps all rules, at most so many changes away, with the fixed people as they are."""
    broken = next((ones | zeros for ones, zeros in rules if not (choice & ones or ~choice & zeros)), None)
    if broken is None:
        return choice
    for bit in _bits(broken & ~fixed):
        fixed |= bit
        left = changes if bit & free else changes - 1
        if left >= 0 and (found := _within(rules, choice ^ bit, free, left, fixed)) is not None:
            return found
    return None


def _bits(mask: int) -> Iterator[int]:
    while mask:
        yield mask & -mask
        mask &= mask - 1
