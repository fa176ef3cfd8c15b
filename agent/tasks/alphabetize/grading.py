"""Compare a list of words with the correct one."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from selfcritic.agent.tasks.alphabetize.word_list import SortKey, longest_run, sort_key


class Grading(NamedTuple):
    """The oracle's view of a list, as indexes; words in neither set are surplus."""

    in_order: set[int]
    misplaced: set[int]
    missing: list[str]

    @property
    def kept(self) -> set[int]:
        """Return the indexes of the words that belong in the list."""
        return self.in_order | self.misplaced


class Move(NamedTuple):
    """A flaw that is fixed by putting a word in its place."""

    key: SortKey
    """Sort key of the word."""
    quoted_index: int
    """Index of the listed word to quote."""
    kind: Literal["misplaced", "missing"]


def grade(names: Sequence[str], solution: Sequence[str]) -> Grading:
    """Find the words in order, the misplaced words and the missing ones."""
    in_order = longest_run(names, solution)
    needed = Counter(solution) - Counter(names[index] for index in in_order)
    misplaced: set[int] = set()
    for index, name in enumerate(names):
        if index not in in_order and needed[name]:
            needed[name] -= 1
            misplaced.add(index)
    return Grading(in_order, misplaced, list(needed.elements()))


def find_moves(names: Sequence[str], grading: Grading) -> list[Move]:
    """List the misplaced and missing words in alphabetical order.

    A missing word quotes the last listed word that sorts before it.
    """
    moves = [Move(sort_key(names[index]), index, "misplaced") for index in grading.misplaced]
    kept_keys = sorted((sort_key(names[index]), index) for index in grading.kept)
    for name in grading.missing:
        key = sort_key(name)
        position = bisect_left(kept_keys, (key, -1)) - 1
        _, quoted_index = kept_keys[max(position, 0)]
        moves.append(Move(key, quoted_index, "missing"))
    return sorted(moves)
