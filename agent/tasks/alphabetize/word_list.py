"""Lists of words in running text: found, and written anew with all that stands around the words kept."""

import random
import re
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.comments import overlaps

WORD = r"[^\W\d_](?:(?:[^\W_]|['’-]){0,48}[^\W_])?"
"""A pattern of one word of at most 50 characters: letters, digits, apostrophes and hyphens, a letter first."""

_ITEM = re.compile(
    rf"""[\s*_•>+-]*+ (?:\(?[0-9]{{1,4}}[.)]\s)? (?:and\s)? [\s*_`"“‘']*+ (?P<word>{WORD}) [\s*_`"”’'.]*+""",
    re.VERBOSE | re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")
_COMMA = re.compile(r"[,;]|[ \t]and[ \t]")
_NUMBERING = re.compile(r"[0-9]{1,4}(?=[.)])")

Span = tuple[int, int]


@dataclass(frozen=True)
class WordList:
    """The words listed in a text: where each stands, and its name."""

    text: str
    spans: Sequence[Span]
    names: Sequence[str]

    @property
    def words(self) -> list[str]:
        """The words as they stand."""
        return [self.text[slice(*span)] for span in self.spans]

    def comment_on(self, at: int, text: str) -> Comment:
        """Comment on one word."""
        start, end = self.spans[at]
        return Comment(quote=self.text[start:end], text=text, start=start, end=end)

    def touched(self, comment: Comment) -> set[int]:
        """Which words the comment's quote touches."""
        return {at for at, span in enumerate(self.spans) if overlaps(comment, self.text, *span)}

    def is_inverted(self, at: int, known: Collection[str]) -> bool:
        """Whether a later word stands before it or an earlier one behind it, of the known words."""
        own = key(self.names[at])
        others = ((other < at, key(name)) for other, name in enumerate(self.names) if name in known)
        return any(other > own if before else other < own for before, other in others)

    def rewrite(self, words: Sequence[str]) -> str:
        """Put other words, one at least, into the places; places are added or cut at the end."""
        gaps = [self.text[end:start] for (_, end), (start, _) in pairwise(self.spans)][: len(words) - 1]
        while len(gaps) < len(words) - 1:
            # The next place of "1. apple\n2. pear" is number 3.
            gaps.append(_NUMBERING.sub(lambda number: str(int(number[0]) + 1), gaps[-1]) if gaps else ", ")
        listed = "".join(word + gap for word, gap in zip(words, [*gaps, ""], strict=True))
        return self.text[: self.spans[0][0]] + listed + self.text[self.spans[-1][1] :]


def parse_words(text: str, start: int, end: int) -> list[Span]:
    """Find the words of a list that is one line, parted by commas or spaces; none where it holds anything but words."""
    if whole := _ITEM.fullmatch(text, start, end):
        return [whole.span("word")]
    commas = re.search("[,;]", text[start:end]) is not None
    marks = (_COMMA if commas else _SPACE).finditer(text, start, end)
    edges = [start, *(edge for mark in marks for edge in mark.span()), end]
    parts = [part for part in zip(edges[::2], edges[1::2], strict=True) if text[slice(*part)].strip()]
    if not commas and len(parts) > 2 and text[slice(*parts[-2])] == "and":
        del parts[-2]
    items = [item for part in parts if (item := _ITEM.fullmatch(text, *part))]
    return [item.span("word") for item in items] if len(items) == len(parts) else []


def key(name: str) -> tuple[str, str]:
    """What words are sorted by."""
    return name.casefold(), name


def longest_run(names: Sequence[str], ordered: Sequence[str]) -> set[int]:
    """Indexes of a longest run of names in order, no place taken twice: Hunt and Szymanski's common subsequence."""
    places: dict[str, list[int]] = {}
    for place in reversed(range(len(ordered))):
        places.setdefault(ordered[place], []).append(place)
    # The n-th top is the lowest place that a run of n names may end at; a card is a name's index and the card before.
    tops: list[int] = []
    piles: list[int] = []
    cards: list[tuple[int, int]] = []
    for at, name in enumerate(names):
        for place in places.get(name, ()):
            pile = bisect_left(tops, place)
            cards.append((at, piles[pile - 1] if pile else -1))
            tops[pile : pile + 1] = [place]
            piles[pile : pile + 1] = [len(cards) - 1]
    run: set[int] = set()
    card = piles[-1] if piles else -1
    while card >= 0:
        at, card = cards[card]
        run.add(at)
    return run


def corruptions(words: list[str], stranger: str, rng: random.Random) -> list[tuple[list[str], str]]:
    """One word moved, dropped, doubled, and one added."""
    at, to = rng.randrange(len(words)), rng.randrange(len(words))
    word, rest = words[at], words[:at] + words[at + 1 :]
    return [
        ([*rest[:to], word, *rest[to:]], f'"{word}" was put in another place.'),
        (rest, f'"{word}" was left out.'),
        ([*words[:to], word, *words[to:]], f'"{word}" was written once more.'),
        ([*words[:to], stranger, *words[to:]], f'"{stranger}" was added.'),
    ]
