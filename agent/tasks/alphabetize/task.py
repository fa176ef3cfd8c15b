"""Sort words alphabetically.

A question looks like "Sort these words alphabetically: pear, apple, plum"; a word may occur twice. The answer lists the
words in order, separated by commas, lines or spaces. Numbering, bullets and a lead-in that ends with a colon are
allowed. The flaws of an answer and their comments, in an order in which the comments can be applied one by one:

- doubled: a word is listed more often than it was given. '"kiwi" stands twice but was given once.'
- foreign: a word was not given. '"kiwi" was not among the words given.'
- misplaced: a word is outside a longest ordered run. '"pear" is out of order: it belongs right after "orange".'
- missing: a word was left out. '"apple" is missing: it belongs at the start.'
- form: no line of the answer lists the words. "There is no list here: it should be apple, pear, plum."
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Self

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.alphabetize.claims import (
    Claim,
    doubled_text,
    foreign_text,
    no_list_text,
    parse_proposed_list,
    place_text,
    times_text,
)
from selfcritic.agent.tasks.alphabetize.grading import Move, find_moves, grade
from selfcritic.agent.tasks.alphabetize.vocabulary import COMMON
from selfcritic.agent.tasks.alphabetize.word_list import (
    Span,
    WordList,
    corruptions,
    parse_words,
    sort_key,
)
from selfcritic.agent.tasks.base import Flaw, Injected, Task
from selfcritic.agent.tasks.comments import comment_on, is_quoted, remark_opening
from selfcritic.agent.tasks.requests import words_to_sort


@dataclass(frozen=True)
class Alphabetize(Task):
    """Words to sort alphabetically."""

    name = "alphabetize"
    example = "Sort these words alphabetically: pear, apple, orange, kiwi, banana, plum"
    sizes = range(2, 41)

    question: str
    words: tuple[str, ...]

    @classmethod
    def parse(cls, question: str) -> Self | None:
        """Parse a request for alphabetical order and a list of only words."""
        words: list[str] = []
        for line in words_to_sort(question).splitlines():
            if not line.strip():
                continue
            spans = parse_words(line, 0, len(line))
            if not spans:
                return None
            words += [line[start:end] for start, end in spans]
        if len(words) < 2:
            return None
        return cls(question, tuple(words))

    @classmethod
    def generate(cls, rng: random.Random, size: int) -> Self:
        """Draw `size` different words and a wording of the question."""
        if size not in cls.sizes:
            raise InputError(
                f"alphabetize: choose a size from {cls.sizes[0]} to {cls.sizes[-1]} words, not {size}"
            )
        words = rng.sample(COMMON, size)
        return cls(rng.choice(write_questions(words)), tuple(words))

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self.words, key=sort_key)

    @cached_property
    def _spellings(self) -> dict[str, str]:
        """Map each word, also in lower case, to its original spelling."""
        spellings = {word.casefold(): word for word in self.words}
        for word in self.words:
            spellings[word] = word
        return spellings

    def _normalize(self, word: str) -> str:
        """Return the question's spelling of a word."""
        return self._spellings.get(word) or self._spellings.get(word.casefold(), word)

    def _parse_answer(self, answer: str) -> WordList:
        """Find the words that the answer lists.

        A line of mostly unknown words is prose. A list of only unknown words, or a far too long one, does not count.
        """
        spans: list[Span] = []
        for line in re.finditer(r"[^\n]+", answer):
            colon = answer.rfind(":", line.start(), line.end())
            start = max(colon + 1, line.start())
            line_spans = parse_words(answer, start, line.end())
            if self._is_list(answer, line_spans):
                spans += line_spans
        names = [self._normalize(answer[start:end]) for start, end in spans]
        is_too_long = len(names) > 4 * len(self.words) + 100
        if is_too_long or self._spellings.keys().isdisjoint(names):
            return WordList(answer, (), ())
        return WordList(answer, spans, names)

    def _is_list(self, answer: str, spans: Sequence[Span]) -> bool:
        if len(spans) == 1:
            return True
        num_known = 0
        for start, end in spans:
            num_known += self._normalize(answer[start:end]) in self._spellings
        return 2 * num_known >= len(spans)

    def solution(self) -> str:
        """Return the sorted words, separated by commas."""
        return ", ".join(self._sorted)

    def is_correct(self, answer: str) -> bool:
        """Check whether the answer lists exactly the given words in order."""
        return self._parse_answer(answer).names == self._sorted

    def flaws(self, answer: str) -> list[Flaw]:
        """List surplus words, last first; then misplaced and missing ones, sorted."""
        word_list = self._parse_answer(answer)
        if not word_list.names:
            return [Flaw("form", remark_opening(answer, no_list_text(self.solution())))]
        grading = grade(word_list.names, self._sorted)
        kept_indexes = grading.kept
        flaws = []
        for index in reversed(range(len(word_list.names))):
            if index not in kept_indexes:
                flaws.append(self._surplus_flaw(word_list, index))
        for move in find_moves(word_list.names, grading):
            flaws.append(self._move_flaw(word_list, move))
        return flaws

    def _surplus_flaw(self, word_list: WordList, index: int) -> Flaw:
        name = word_list.names[index]
        if name not in self._spellings:
            return Flaw("foreign", _foreign_comment(word_list, index))
        return Flaw("doubled", self._doubled_comment(word_list, index, word_list.names.count(name)))

    def _doubled_comment(self, word_list: WordList, index: int, listed: int) -> Comment:
        """Quote the word with its predecessor, as it also occurs elsewhere."""
        name = word_list.names[index]
        start, _ = word_list.spans[max(index - 1, 0)]
        _, end = word_list.spans[index]
        return comment_on(
            word_list.text, start, end, doubled_text(name, listed, self.words.count(name))
        )

    def _move_flaw(self, word_list: WordList, move: Move) -> Flaw:
        _, name = move.key
        position = self._sorted.index(name)
        before = self._sorted[position - 1] if position else None
        text = place_text(move.kind, name, before)
        return Flaw(move.kind, word_list.comment_on(move.quoted_index, text))

    def is_valid(self, answer: str, comment: Comment) -> bool:
        """Check the comment's claim about a word and its place."""
        word_list = self._parse_answer(answer)
        if not word_list.names:
            proposed = parse_proposed_list(comment.text)
            return proposed is not None and self.is_correct(proposed) and is_quoted(comment, answer)
        claim = Claim.parse(comment.text)
        quoted = word_list.quoted_indexes(comment)
        if claim is None or not quoted:
            return False
        name = self._normalize(claim.word)
        listed = word_list.names.count(name)
        given = self.words.count(name)
        if claim.kind == "missing":
            return listed < given and self._is_right_place(claim)
        quoted_words = [index for index in quoted if word_list.names[index] == name]
        if not quoted_words:
            return False
        if claim.kind == "foreign":
            return given == 0
        if claim.kind == "doubled":
            return listed > given > 0 and claim.counts == (times_text(listed), times_text(given))
        is_inverted = any(word_list.is_inverted(index, self._spellings) for index in quoted_words)
        return is_inverted and self._is_right_place(claim)

    def _is_right_place(self, claim: Claim) -> bool:
        name = self._normalize(claim.word)
        if claim.before is None:
            return name == self._sorted[0]
        return (self._normalize(claim.before), name) in pairwise(self._sorted)

    def inject_flaw(self, answer: str, rng: random.Random) -> Injected:
        """Move, drop, repeat or add a word.

        An answer without a list is replaced by the solution first.
        """
        word_list = self._parse_answer(answer)
        if not word_list.names:
            word_list = self._parse_answer(self.solution())
        strangers = [word for word in COMMON if word not in self._spellings]
        while True:
            stranger = rng.choice(strangers or COMMON)
            words, description = rng.choice(corruptions(word_list.words, stranger, rng))
            if not words or words == word_list.words:
                continue
            corrupted = word_list.rewrite(words)
            if not self.is_correct(corrupted):
                return Injected(corrupted, description)

    def apply_comment(self, answer: str, comment: Comment) -> str:
        """Remove, move or insert the word; without a list, return the proposed one."""
        if not is_quoted(comment, answer):
            return answer
        word_list = self._parse_answer(answer)
        if not word_list.names:
            proposed = parse_proposed_list(comment.text)
            return answer if proposed is None else proposed.strip(" .")
        claim = Claim.parse(comment.text)
        if claim is None:
            return answer
        words = word_list.words
        word = claim.word
        if claim.kind != "missing":
            index = self._find_target(word_list, comment, claim)
            if index is None:
                return answer
            word = words.pop(index)
        if claim.kind in ("missing", "misplaced"):
            position = self._insert_position(words, claim)
            if position is None:
                return answer
            words.insert(position, word)
        return word_list.rewrite(words) if words else answer

    def _find_target(self, word_list: WordList, comment: Comment, claim: Claim) -> int | None:
        """Find the occurrence of a word that the comment refers to.

        Returns None if no occurrence is quoted. A claim that the word is misplaced prefers one that is out of order.
        """
        name = self._normalize(claim.word)
        occurrences = [index for index, listed in enumerate(word_list.names) if listed == name]
        quoted = word_list.quoted_indexes(comment)
        if quoted.isdisjoint(occurrences):
            return None
        in_order: set[int] = set()
        if claim.kind == "misplaced":
            in_order = grade(word_list.names, self._sorted).in_order
        return max(occurrences, key=lambda index: (index not in in_order, index in quoted, index))

    def _insert_position(self, words: Sequence[str], claim: Claim) -> int | None:
        """Return the claimed index; None if the preceding word is not listed."""
        if claim.before is None:
            return 0
        before = self._normalize(claim.before)
        for index in reversed(range(len(words))):
            if self._normalize(words[index]) == before:
                return index + 1
        return None

    def false_comment(self, answer: str, rng: random.Random) -> Comment:
        """Object falsely to a listed word; without a list, propose a wrong one."""
        word_list = self._parse_answer(answer)
        if not word_list.names:
            wrong = self.inject_flaw(self.solution(), rng).answer
            return remark_opening(answer, no_list_text(wrong))
        index = rng.choice(
            [index for index, name in enumerate(word_list.names) if name in self._spellings]
        )
        name = word_list.names[index]
        neighbor = rng.choice(word_list.names)
        comments = [
            word_list.comment_on(index, place_text("misplaced", name, neighbor)),
            word_list.comment_on(index, place_text("missing", name, neighbor)),
            self._doubled_comment(word_list, index, word_list.names.count(name) + 1),
            _foreign_comment(word_list, index),
        ]
        rng.shuffle(comments)
        false_comments = [comment for comment in comments if not self.is_valid(answer, comment)]
        for comment in false_comments:
            if self.apply_comment(answer, comment) != answer:
                return comment
        return false_comments[0]


def _foreign_comment(word_list: WordList, index: int) -> Comment:
    start, end = word_list.spans[index]
    return comment_on(word_list.text, start, end, foreign_text(word_list.names[index]))


def write_questions(words: Sequence[str]) -> tuple[str, ...]:
    """Ask to sort the words, in each wording that `generate` draws."""
    return (
        f"Sort these words alphabetically: {', '.join(words)}",
        f"Put in alphabetical order: {' '.join(words)}",
        "Please alphabetize the following list:\n" + "\n".join(words),
        f"Arrange {', '.join(words[:-1])} and {words[-1]} in alphabetical order.",
    )
