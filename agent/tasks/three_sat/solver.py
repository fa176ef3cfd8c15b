"""Find the satisfying assignment nearest to a given one.

The search is the classic local search for SAT: take a broken clause, flip one of its people, and repeat with one change
fewer. The limit on changes starts at 0 and grows. Two differences from the textbook:

- a person that was flipped or tried stays fixed in later branches, so no assignment is visited twice;
- flipping a person in `free` costs nothing.

Sets of people are bit masks. In an assignment, a set bit means the person takes the second thing.
"""

from collections.abc import Iterator
from functools import lru_cache

ClauseMask = tuple[int, int]
"""A clause: the people who satisfy it if their bit is set, and those who satisfy it if not."""


@lru_cache(maxsize=4096)
def nearest_solution(clauses: tuple[ClauseMask, ...], start: int, free: int) -> int | None:
    """Satisfy all clauses with the fewest flips of `start`; None if that is impossible."""
    people = 0
    for if_set, if_unset in clauses:
        people |= if_set | if_unset
    for max_flips in range(people.bit_count() + 1):
        solution = _search(clauses, start, free, max_flips, fixed=0)
        if solution is not None:
            return solution
    return None


def _search(
    clauses: tuple[ClauseMask, ...], assignment: int, free: int, flips_left: int, fixed: int
) -> int | None:
    broken = _first_broken(clauses, assignment)
    if broken is None:
        return assignment
    for bit in _bits(broken & ~fixed):
        fixed |= bit
        cost = 0 if bit & free else 1
        if cost > flips_left:
            continue
        solution = _search(clauses, assignment ^ bit, free, flips_left - cost, fixed)
        if solution is not None:
            return solution
    return None


def _first_broken(clauses: tuple[ClauseMask, ...], assignment: int) -> int | None:
    """Return the people of the first broken clause."""
    for if_set, if_unset in clauses:
        if not assignment & if_set and not ~assignment & if_unset:
            return if_set | if_unset
    return None


def _bits(mask: int) -> Iterator[int]:
    while mask:
        yield mask & -mask
        mask &= mask - 1
