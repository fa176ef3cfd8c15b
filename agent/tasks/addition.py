"""Add whole numbers.

A task looks like "What is 123 + 456?", "Please add 12,345 and 99" or "Sum of 3, 4 and 5". Its answer is the last number
of the text. The kinds of flaws, with their comments:

- digit: the answer has the length of the sum, but this digit is wrong. "The hundreds digit should be 4."
- length: the answer has too many or too few digits. "The sum has 4 digits: it should be 1234."
- form: the answer contains no whole number. "There is no sum here: it should be 579."
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.base import Flaw, Injected, Task
from selfcritic.agent.tasks.comments import comment_on, is_quoted, overlaps, remark_opening
from selfcritic.agent.tasks.digits import (
    MAX_ADDEND_CHARS,
    NUMBER,
    PLACE_NAMES,
    Corruption,
    dropped_digits,
    duplicated_digits,
    find_digits,
    is_canonical,
    join_digits,
    off_by_one_digits,
    place_from_name,
    place_name,
    replace_digit,
    replace_number,
    swapped_digits,
)
from selfcritic.agent.tasks.requests import STOPWORDS

_TOKEN = re.compile(rf"{NUMBER}|[^\W\d_]+(?:['’][^\W\d_]+)?|\S")
_NOT_A_WHOLE_NUMBER = re.compile(r"[0-9]!|\.[0-9]|[0-9][^\S\n]++[0-9]")  # a factorial, a decimal, "1 000"
_ADDITION_WORDS = frozenset(
    ["+", "plus", "add", "adds", "added", "adding", "sum", "sums", "summed", "total", "addition"]
)
_WORDS_BETWEEN = frozenset(["+", ",", ";", "&", "and", "plus", "to", "with", "added"])
_WORDS_AROUND = _ADDITION_WORDS | STOPWORDS | frozenset("=?.,:;!()")

_DIGIT_CLAIM = re.compile(
    rf"\b(?P<place>ones|{'|'.join(PLACE_NAMES)}|10\^[0-9]{{1,4}}) digit should be"
    r"\W{1,4}(?P<digit>[0-9])(?!,?[0-9])",
    re.IGNORECASE,
)
_SUM_CLAIM = re.compile(rf"(?<!digit )\bshould be\W{{1,4}}(?P<number>{NUMBER})", re.IGNORECASE)
_LENGTH_CLAIM = re.compile(r"\bhas ([0-9]{1,5}) digits?\b", re.IGNORECASE)
_NO_SUM_CLAIM = re.compile(r"\bno (?:sum|number)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Addition(Task):
    """The sum of two or more whole numbers."""

    family = "addition"
    example = "What is 4,387 + 2,965?"
    sizes = range(1, 31)

    question: str
    addends: tuple[int, ...]

    @classmethod
    def parse(cls, question: str) -> Self | None:
        """Parse a request for a sum; return None if it contains any other word."""
        tokens = _TOKEN.findall(question.lower())
        positions = [index for index, token in enumerate(tokens) if token[0] in "0123456789"]
        if len(positions) < 2 or _NOT_A_WHOLE_NUMBER.search(question):
            return None
        first = positions[0]
        last = positions[-1]
        addends = [tokens[index] for index in positions]
        words_around = {*tokens[:first], *tokens[last + 1 :]}
        words_between = set(tokens[first : last + 1]).difference(addends)
        if not words_around <= _WORDS_AROUND or not words_between <= _WORDS_BETWEEN:
            return None
        if _ADDITION_WORDS.isdisjoint(words_around | words_between):
            return None
        if any(len(addend) > MAX_ADDEND_CHARS for addend in addends):
            return None
        return cls(question, tuple(_parse_number(addend) for addend in addends))

    @classmethod
    def generate(cls, rng: random.Random, size: int) -> Self:
        """Draw two addends of `size` digits each, from 1 to 30.

        Raises:
            InputError: The size is out of range.
        """
        if size not in cls.sizes:
            raise InputError(f"`size` of an addition task must be from {cls.sizes[0]} to {cls.sizes[-1]}, not {size}.")
        smallest = 10 ** (size - 1)
        left = rng.randrange(smallest, 10 * smallest)
        right = rng.randrange(smallest, 10 * smallest)
        wordings = (
            f"What is {left} + {right}?",
            f"Please add {left} and {right}.",
            f"Compute the sum of {left} and {right}.",
            f"How much is {left:,} plus {right:,}?",
            f"{left} + {right} =",
        )
        question = rng.choice(wordings)
        return cls(question, (left, right))

    def solution(self) -> str:
        """Return the sum, without commas."""
        return str(sum(self.addends))

    def is_correct(self, answer: str) -> bool:
        """Compare the last number of the answer with the sum."""
        return join_digits(answer, find_digits(answer)) == self.solution()

    def flaws(self, answer: str) -> list[Flaw]:
        """List the wrong digits, the last one first.

        In this order, fixing one does not change the quotes of the others.
        """
        solution = self.solution()
        offsets = find_digits(answer)
        if not offsets:
            return [Flaw("form", _missing_sum_comment(answer, solution))]
        if len(offsets) != len(solution):
            plural = "s" if len(solution) > 1 else ""
            text = f"The sum has {len(solution)} digit{plural}: it should be {solution}."
            return [Flaw("length", comment_on(answer, offsets[0], offsets[-1] + 1, text))]
        flaws = []
        for place, digit in enumerate(reversed(solution)):
            if answer[offsets[-1 - place]] != digit:
                comment = _digit_comment(answer, offsets, place, digit)
                flaws.append(Flaw("digit", comment))
        return flaws

    def is_valid(self, answer: str, comment: Comment) -> bool:
        """Check whether the comment corrects a wrong digit or a wrong sum."""
        claim = _DIGIT_CLAIM.search(comment.text)
        if claim:
            return self._is_valid_digit_claim(answer, comment, claim)
        return self._is_valid_sum_claim(answer, comment)

    def _is_valid_digit_claim(self, answer: str, comment: Comment, claim: re.Match[str]) -> bool:
        solution = self.solution()
        offsets = find_digits(answer)
        place = _claimed_place(claim)
        if place >= min(len(offsets), len(solution)):
            return False
        offset = offsets[-1 - place]
        correct_digit = solution[-1 - place]
        if claim["digit"] != correct_digit or answer[offset] == correct_digit:
            return False
        return overlaps(comment, answer, offset, offset + 1)

    def _is_valid_sum_claim(self, answer: str, comment: Comment) -> bool:
        solution = self.solution()
        claim = _SUM_CLAIM.search(comment.text)
        if not claim or _claimed_digits(claim) != solution:
            return False
        length_claim = _LENGTH_CLAIM.search(comment.text)
        if length_claim and int(length_claim[1]) != len(solution):
            return False
        offsets = find_digits(answer)
        if not offsets:
            return is_quoted(comment, answer)
        if self.is_correct(answer) or _NO_SUM_CLAIM.search(comment.text):
            return False
        return overlaps(comment, answer, offsets[0], offsets[-1] + 1)

    def inject_flaw(self, answer: str, rng: random.Random) -> Injected:
        """Corrupt the number of the answer, or the solution if the answer has none."""
        if not find_digits(answer):
            answer = self.solution()
        offsets = find_digits(answer)
        digits = join_digits(answer, offsets)
        # The order is part of the seeds.
        corruptions_by_kind = [
            self._wrong(self._forgotten_carries(digits)),
            self._wrong(off_by_one_digits(digits)),
            self._wrong(swapped_digits(digits)),
            self._wrong(dropped_digits(digits)),
            self._wrong(duplicated_digits(digits)),
        ]
        corruptions = rng.choice([corruptions for corruptions in corruptions_by_kind if corruptions])
        corruption = rng.choice(corruptions)
        return Injected(replace_number(answer, offsets, corruption.digits), corruption.description)

    def _wrong(self, corruptions: Iterator[Corruption]) -> list[Corruption]:
        """Keep the corruptions that are numbers and differ from the sum."""
        solution = self.solution()
        wrong = []
        for corruption in corruptions:
            if is_canonical(corruption.digits) and corruption.digits != solution:
                wrong.append(corruption)
        return wrong

    def _forgotten_carries(self, digits: str) -> Iterator[Corruption]:
        """Yield the number without each carry of the sum."""
        for place in range(1, len(digits)):
            modulus = 10**place
            has_carry = sum(addend % modulus for addend in self.addends) >= modulus
            index = len(digits) - 1 - place
            if not has_carry or digits[index] == "0":
                continue
            digit = str(int(digits[index]) - 1)
            # A leading 1 that is only a carry disappears.
            without_carry = replace_digit(digits, index, digit).lstrip("0") or "0"
            yield Corruption(without_carry, f"The carry into the {place_name(place)} was forgotten.")

    def apply_comment(self, answer: str, comment: Comment) -> str:
        """Write the digit or the sum that the comment names.

        If the answer has no number, the claimed sum becomes the answer.
        """
        offsets = find_digits(answer)
        digit_claim = _DIGIT_CLAIM.search(comment.text)
        sum_claim = _SUM_CLAIM.search(comment.text)
        if not offsets:
            if sum_claim and not digit_claim and is_quoted(comment, answer):
                return sum_claim["number"]
            return answer
        if not overlaps(comment, answer, offsets[0], offsets[-1] + 1):
            return answer
        if digit_claim:
            place = _claimed_place(digit_claim)
            if place >= len(offsets):
                return answer
            return replace_digit(answer, offsets[-1 - place], digit_claim["digit"])
        if sum_claim:
            return replace_number(answer, offsets, _claimed_digits(sum_claim))
        return answer

    def false_comment(self, answer: str, rng: random.Random) -> Comment:
        """Object to a correct digit if there is one, else to any digit.

        If the answer has no number, the comment asks for a wrong sum.
        """
        solution = self.solution()
        offsets = find_digits(answer)
        if not offsets:
            wrong_sum = self.inject_flaw(solution, rng).answer
            return _missing_sum_comment(answer, wrong_sum)
        digits = join_digits(answer, offsets)
        places = range(len(digits))
        correct_places = [place for place in places if _digit_at(solution, place) == _digit_at(digits, place)]
        place = rng.choice(correct_places or places)
        excluded = (_digit_at(solution, place), _digit_at(digits, place))
        digit = rng.choice([digit for digit in "0123456789" if digit not in excluded])
        return _digit_comment(answer, offsets, place, digit)


def _parse_number(text: str) -> int:
    return int(text.replace(",", ""))


def _digit_at(digits: str, place: int) -> str:
    """Return the digit at a power of ten, or "" beyond the first digit."""
    if place >= len(digits):
        return ""
    return digits[-1 - place]


def _claimed_place(claim: re.Match[str]) -> int:
    return place_from_name(claim["place"].lower())


def _claimed_digits(claim: re.Match[str]) -> str:
    return claim["number"].replace(",", "")


def _digit_comment(answer: str, offsets: list[int], place: int, digit: str) -> Comment:
    # A single digit often occurs elsewhere, so the quote starts at the first digit.
    text = f"The {place_name(place)} digit should be {digit}."
    return comment_on(answer, offsets[0], offsets[-1 - place] + 1, text)


def _missing_sum_comment(answer: str, number: str) -> Comment:
    return remark_opening(answer, f"There is no sum here: it should be {number}.")
