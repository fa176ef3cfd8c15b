"""Putting words in alphabetical order.

A task looks like "Sort these words alphabetically: pear, apple, plum"; a word may be given twice. Its answer is the
words in order, separated by commas, lines or spaces; numbering, bullets and a lead-in with a colon do no harm. The
flaws of an answer and the comments on them, in an order in which they can be followed one after another:

- doubled: a word stands more often than it was given. '"kiwi" stands twice but was given once.'
- foreign: a word was not given at all. '"kiwi" was not among the words given.'
- misplaced: a word outside a longest run in order. '"pear" is out of order: it belongs right after "orange".'
- missing: a word was left out. '"apple" is missing: it belongs at the start.'
- form: no line of the answer lists the words. "There is no list here: it should be apple, pear, plum."
"""

import random
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Self

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.alphabetize.vocabulary import COMMON
from selfcritic.agent.tasks.alphabetize.word_list import (
    WORD,
    Span,
    WordList,
    corruptions,
    key,
    longest_run,
    parse_words,
)
from selfcritic.agent.tasks.base import Flaw, Injected, Task
from selfcritic.agent.tasks.comments import comment_on, is_quoted, remark_opening
from selfcritic.agent.tasks.requests import words_to_sort

_TIMES = r"once|twice|[0-9]{1,4} times"
_QUOTED = rf"[\"'“”‘’`*]{{0,3}}(?P<%s>{WORD})[\"'“”‘’`*]{{0,3}}"
_CLAIM = re.compile(
    rf"(?<!\w){_QUOTED % 'word'} (?:is (?:(?P<misplaced>out of order)|(?P<missing>missing))"
    rf"\W{{1,3}}it belongs (?:at the start|right after {_QUOTED % 'before'})"
    rf"|stands (?P<count>{_TIMES}) but was given (?P<given>{_TIMES})|(?P<foreign>was not among the words))",
    re.IGNORECASE,
)
_FORM = re.compile(r"\bno list here\W{1,3}it should be (?P<list>.+)", re.IGNORECASE)


@dataclass(frozen=True)
class Alphabetize(Task):
    """Words to be put in alphabetical order."""

    family = "alphabetize"
    example = "Sort these words alphabetically: pear, apple, orange, kiwi, banana, plum"
    sizes = range(2, 41)

    question: str
    words: tuple[str, ...]

    @classmethod
    def parse(cls, question: str) -> Self | None:
        """Read a request for alphabetical order and a list of nothing but words."""
        listed = words_to_sort(question)
        lines = [(line, parse_words(line, 0, len(line))) for line in listed.splitlines() if line.strip()]
        words = tuple(line[slice(*span)] for line, spans in lines for span in spans)
        if len(words) < 2 or not all(spans for _, spans in lines):
            return None
        return cls(question, words)

    @classmethod
    def generate(cls, rng: random.Random, size: int) -> Self:
        """Draw so many different words."""
        if size not in cls.sizes:
            raise InputError(f"alphabetize: choose a size from {cls.sizes[0]} to {cls.sizes[-1]} words, not {size}")
        words = rng.sample(COMMON, size)
        wordings = (
            f"Sort these words alphabetically: {', '.join(words)}",
            f"Put in alphabetical order: {' '.join(words)}",
            "Please alphabetize the following list:\n" + "\n".join(words),
            f"Arrange {', '.join(words[:-1])} and {words[-1]} in alphabetical order.",
        )
        return cls(rng.choice(wordings), tuple(words))

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self.words, key=key)

    @cached_property
    def _spellings(self) -> dict[str, str]:
        """The words given, by themselves and without capitals."""
        return {word.casefold(): word for word in self.words} | {word: word for word in self.words}

    def _name(self, word: str) -> str:
        """The word as it was given, whatever its capitals here."""
        return self._spellings.get(word) or self._spellings.get(word.casefold(), word)

    def _read(self, answer: str) -> WordList:
        """Find the words that the answer lists; a line of mostly other words is prose."""
        spans: list[Span] = []
        for line in re.finditer(r"[^\n]+", answer):
            found = parse_words(answer, max(answer.rfind(":", *line.span()) + 1, line.start()), line.end())
            known = sum(self._name(answer[slice(*span)]) in self._spellings for span in found)
            spans += found if len(found) == 1 or 2 * known >= len(found) else []
        names = [self._name(answer[slice(*span)]) for span in spans]
        # A list of none of the words, or several times as long, is no attempt at sorting them.
        attempt = len(names) <= 4 * len(self.words) + 100 and not self._spellings.keys().isdisjoint(names)
        return WordList(answer, spans, names) if attempt else WordList(answer, (), ())

    def solution(self) -> str:
        """The words in order, separated by commas."""
        return ", ".join(self._sorted)

    def is_correct(self, answer: str) -> bool:
        """Whether the answer lists the words given, in order, and no others."""
        return self._read(answer).names == self._sorted

    def flaws(self, answer: str) -> list[Flaw]:
        """Find words too many, from the last to the first, then the misplaced and missing in their order."""
        listing = self._read(answer)
        names = listing.names
        if not names:
            return [Flaw("form", remark_opening(answer, f"There is no list here: it should be {self.solution()}."))]
        well, misplaced, missing = self._judge(names)
        kept = well | misplaced
        surplus = [at for at in reversed(range(len(names))) if at not in kept]
        moves = [(key(names[at]), at, "misplaced") for at in misplaced]
        there = sorted((key(names[at]), at) for at in kept)
        for place in map(key, missing):
            # The word before the gap is quoted; where that is missing too, the nearest one before it.
            before = bisect_left(there, (place, -1)) - 1
            moves.append((place, there[max(before, 0)][1], "missing"))
        return [
            *(self._surplus(listing, at) for at in surplus),
            *(Flaw(kind, self._displaced(listing, at, kind, name)) for (_, name), at, kind in sorted(moves)),
        ]

    def _judge(self, names: Sequence[str]) -> tuple[set[int], set[int], list[str]]:
        """Tell which listed words stand well and which out of order, the rest being too many, and what is missing."""
        well = longest_run(names, self._sorted)
        room = Counter(self.words) - Counter(names[at] for at in well)
        misplaced: set[int] = set()
        for at, name in enumerate(names):
            if at not in well and room[name]:
                room[name] -= 1
                misplaced.add(at)
        return well, misplaced, list(room.elements())

    def _surplus(self, listing: WordList, at: int) -> Flaw:
        name = listing.names[at]
        if name not in self._spellings:
            return Flaw("foreign", _foreign(listing, at))
        return Flaw("doubled", self._doubled(listing, at, listing.names.count(name)))

    def _doubled(self, listing: WordList, at: int, count: int) -> Comment:
        """Quote the word and the one before it: the word alone would be found where it stands first."""
        name = listing.names[at]
        claim = f'"{name}" stands {_times(count)} but was given {_times(self.words.count(name))}.'
        return comment_on(listing.text, listing.spans[max(at - 1, 0)][0], listing.spans[at][1], claim)

    def _displaced(self, listing: WordList, at: int, kind: str, name: str) -> Comment:
        before = self._sorted.index(name) - 1
        place = f'right after "{self._sorted[before]}"' if before >= 0 else "at the start"
        state = "out of order" if kind == "misplaced" else kind
        return listing.comment_on(at, f'"{name}" is {state}: it belongs {place}.')

    def is_valid(self, answer: str, comment: Comment) -> bool:
        """Whether what the comment says of a word, and of its place, is true."""
        listing = self._read(answer)
        claim, form = _CLAIM.search(comment.text), _FORM.search(comment.text)
        if not listing.names:
            return form is not None and self.is_correct(form["list"]) and is_quoted(comment, answer)
        touched = listing.touched(comment)
        if not claim or not touched:
            return False
        name = self._name(claim["word"])
        count, given = listing.names.count(name), self.words.count(name)
        if claim["missing"]:
            return count < given and self._belongs(claim)
        own = [at for at in touched if listing.names[at] == name]
        if claim["misplaced"]:
            return any(listing.is_inverted(at, self._spellings) for at in own) and self._belongs(claim)
        if claim["foreign"]:
            return not given and bool(own)
        said = claim["count"].lower(), claim["given"].lower()
        return count > given > 0 and said == (_times(count), _times(given)) and bool(own)

    def _belongs(self, claim: re.Match[str]) -> bool:
        """Whether the word belongs where the comment says."""
        name, before = self._name(claim["word"]), claim["before"]
        return (self._name(before), name) in pairwise(self._sorted) if before else name == self._sorted[0]

    def inject_flaw(self, answer: str, rng: random.Random) -> Injected:
        """Move, drop, double or add a word; where there is no list to spoil, in the solution."""
        listing = self._read(answer)
        if not listing.names:
            listing = self._read(self.solution())
        strangers = [word for word in COMMON if word not in self._spellings]
        while True:
            words, how = rng.choice(corruptions(listing.words, rng.choice(strangers or COMMON), rng))
            if words and words != listing.words and not self.is_correct(wrong := listing.rewrite(words)):
                return Injected(wrong, how)

    def apply_comment(self, answer: str, comment: Comment) -> str:
        """Take the word out or put it where the comment says; without a list, the list it names is the answer."""
        listing = self._read(answer)
        claim, form = _CLAIM.search(comment.text), _FORM.search(comment.text)
        if not listing.names:
            return form["list"].strip(" .") if form and is_quoted(comment, answer) else answer
        if not claim or not is_quoted(comment, answer):
            return answer
        words, word = listing.words, claim["word"]
        if not claim["missing"]:
            at = self._meant(listing, comment, claim)
            if at is None:
                return answer
            word = words.pop(at)
        if claim["missing"] or claim["misplaced"]:
            before = [at for at, other in enumerate(words) if self._name(other) == self._name(claim["before"] or "")]
            if claim["before"] and not before:
                return answer
            words.insert(before[-1] + 1 if before else 0, word)
        return listing.rewrite(words) if words else answer

    def _meant(self, listing: WordList, comment: Comment, claim: re.Match[str]) -> int | None:
        """Which word of that name is meant: the one quoted, but rather one out of order where that is claimed."""
        well = self._judge(listing.names)[0] if claim["misplaced"] else set()
        touched, name = listing.touched(comment), self._name(claim["word"])
        own = [at for at, other in enumerate(listing.names) if other == name]
        return max(own, key=lambda at: (at not in well, at in touched, at)) if touched.intersection(own) else None

    def false_comment(self, answer: str, rng: random.Random) -> Comment:
        """Object to a word that is given and stands; without a list, ask for a wrong one."""
        listing = self._read(answer)
        if not listing.names:
            wrong = self.inject_flaw(self.solution(), rng).answer
            return remark_opening(answer, f"There is no list here: it should be {wrong}.")
        at = rng.choice([at for at, name in enumerate(listing.names) if name in self._spellings])
        name, other = listing.names[at], rng.choice(listing.names)
        comments = [
            listing.comment_on(at, f'"{name}" is out of order: it belongs right after "{other}".'),
            listing.comment_on(at, f'"{name}" is missing: it belongs right after "{other}".'),
            self._doubled(listing, at, listing.names.count(name) + 1),
            _foreign(listing, at),
        ]
        rng.shuffle(comments)
        untrue = [comment for comment in comments if not self.is_valid(answer, comment)]
        return next((comment for comment in untrue if self.apply_comment(answer, comment) != answer), untrue[0])


def _foreign(listing: WordList, at: int) -> Comment:
    return comment_on(listing.text, *listing.spans[at], f'"{listing.names[at]}" was not among the words given.')


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
