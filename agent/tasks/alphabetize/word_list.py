"""Find lists of words in running text and rewrite them in place."""

import random
import re
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.comments import overlaps

WORD = r"[^\W\d_](?:(?:[^\W_]|['’-]){0,48}[^\W_])?"
"""Pattern of a word: a letter, then letters, digits, apostrophes and hyphens; at most 50 characters."""

_ITEM = re.compile(
    rf"""[\s*_•>+-]*+ (?:\(?[0-9]{{1,4}}[.)]\s)? (?:and\s)? [\s*_`"“‘']*+ (?P<word>{WORD}) [\s*_`"”’'.]*+""",
    re.VERBOSE | re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")
_COMMA = re.compile(r"[,;]|[ \t]and[ \t]")
_NUMBERING = re.compile(r"[0-9]{1,4}(?=[.)])")

Span = tuple[int, int]
SortKey = tuple[str, str]


@dataclass(frozen=True)
class WordList:
    """The words listed in a text."""

    text: str
    spans: Sequence[Span]
    names: Sequence[str]
    """Each word in the spelling of the question."""

    @property
    def words(self) -> list[str]:
        """Return the words in the spelling of the text."""
        return [self.text[start:end] for start, end in self.spans]

    def comment_on(self, index: int, text: str) -> Comment:
        """Comment on one word."""
        start, end = self.spans[index]
        return Comment(quote=self.text[start:end], text=text, start=start, end=end)

    def quoted_indexes(self, comment: Comment) -> set[int]:
        """Return the indexes of the words that the comment quotes."""
        quoted = set()
        for index, (start, end) in enumerate(self.spans):
            if overlaps(comment, self.text, start, end):
                quoted.add(index)
        return quoted

    def is_inverted(self, index: int, known_names: Collection[str]) -> bool:
        """Check whether a word is out of order relative to any known word."""
        key = sort_key(self.names[index])
        for other_index, name in enumerate(self.names):
            if name not in known_names:
                continue
            other_key = sort_key(name)
            if other_index < index and other_key > key:
                return True
            if other_index > index and other_key < key:
                return True
        return False

    def rewrite(self, words: Sequence[str]) -> str:
        """Replace the listed words, keeping the text around them.

        `words` has at least one word. A list that grows or shrinks does so at its end.
        """
        gaps = [self.text[end:start] for (_, end), (start, _) in pairwise(self.spans)]
        gaps = gaps[: len(words) - 1]
        while len(gaps) < len(words) - 1:
            gaps.append(_next_gap(gaps))
        parts = [self.text[: self.spans[0][0]], words[0]]
        for gap, word in zip(gaps, words[1:], strict=True):
            parts += [gap, word]
        parts.append(self.text[self.spans[-1][1] :])
        return "".join(parts)


def _next_gap(gaps: Sequence[str]) -> str:
    """Continue the gaps of a list; "\\n2. " is followed by "\\n3. "."""
    if not gaps:
        return ", "
    return _NUMBERING.sub(lambda number: str(int(number[0]) + 1), gaps[-1])


def parse_words(text: str, start: int, end: int) -> list[Span]:
    """Find the words of a one-line list, separated by commas or spaces.

    Returns their spans, or an empty list if the line holds anything but words.
    """
    single = _ITEM.fullmatch(text, start, end)
    if single:
        return [single.span("word")]
    spans = []
    for part_start, part_end in _split_items(text, start, end):
        item = _ITEM.fullmatch(text, part_start, part_end)
        if item is None:
            return []
        spans.append(item.span("word"))
    return spans


def _split_items(text: str, start: int, end: int) -> list[Span]:
    """Split a line at its commas or, without any, at its spaces."""
    has_commas = re.search("[,;]", text[start:end]) is not None
    separator = _COMMA if has_commas else _SPACE
    parts = []
    part_start = start
    for match in separator.finditer(text, start, end):
        parts.append((part_start, match.start()))
        part_start = match.end()
    parts.append((part_start, end))
    parts = [part for part in parts if text[slice(*part)].strip()]
    if not has_commas and len(parts) > 2 and text[slice(*parts[-2])] == "and":
        del parts[-2]
    return parts


def sort_key(name: str) -> SortKey:
    """Return the sort key of a word: case-insensitive, then case-sensitive."""
    return name.casefold(), name


def longest_run(names: Sequence[str], ordered: Sequence[str]) -> set[int]:
    """Find a longest common subsequence of two lists of words.

    Returns its indexes in `names`. Algorithm: Hunt and Szymanski, "A fast algorithm for computing longest common
    subsequences" (1977).
    """
    positions: dict[str, list[int]] = {}
    for position in reversed(range(len(ordered))):
        positions.setdefault(ordered[position], []).append(position)
    # tails[n] is the lowest position at which a run of n + 1 names can end; tail_links[n] is its link.
    tails: list[int] = []
    tail_links: list[int] = []
    # A link is a name's index and the link of the name before it in the run, or -1.
    links: list[tuple[int, int]] = []
    for index, name in enumerate(names):
        for position in positions.get(name, ()):
            length = bisect_left(tails, position)
            previous = tail_links[length - 1] if length else -1
            links.append((index, previous))
            tails[length : length + 1] = [position]
            tail_links[length : length + 1] = [len(links) - 1]
    run: set[int] = set()
    link = tail_links[-1] if tail_links else -1
    while link >= 0:
        index, link = links[link]
        run.add(index)
    return run


def corruptions(words: list[str], stranger: str, rng: random.Random) -> list[tuple[list[str], str]]:
    """Corrupt a list in four ways: move, drop, repeat or add a word.

    Returns the corrupted lists, each with a description.
    """
    source = rng.randrange(len(words))
    target = rng.randrange(len(words))
    word = words[source]
    shortened = words[:source] + words[source + 1 :]
    moved = [*shortened[:target], word, *shortened[target:]]
    repeated = [*words[:target], word, *words[target:]]
    added = [*words[:target], stranger, *words[target:]]
    return [
        (moved, f'"{word}" was put in another place.'),
        (shortened, f'"{word}" was left out.'),
        (repeated, f'"{word}" was written once more.'),
        (added, f'"{stranger}" was added.'),
    ]
